"""Bad input is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sharpness.io.errors import UserError


@contextmanager
def refused(*words: object) -> Iterator[None]:
    """The block raises one line that says each of these words."""
    with pytest.raises(UserError) as problem:
        yield
    message = str(problem.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message
