"""What a command says beside its result, and the files that it writes when it is done."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from sharpness.io.errors import UserError
from sharpness.io.files import expanded

SAYS = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
"""For all that is no result."""


def new_file(path: Path | None) -> Path | None:
    """Return the path, expanded, after its folder was made; None for None.

    Raises:
        UserError: if it cannot be written, which would be a pity after an hour.
    """
    if path is None:
        return None
    found = Path(expanded(str(path)))
    if found.is_dir():
        raise UserError(f"{found}: is a folder; name a file")
    try:
        found.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{found}: its folder cannot be made ({error.strerror})") from error
    if not os.access(found.parent, os.W_OK | os.X_OK):
        raise UserError(f"{found}: its folder may not be written to")
    return found
