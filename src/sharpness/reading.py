"""Reading tables that others may have made, or edited: one line where one cannot be read."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sharpness.faults import explained
from sharpness.problem import Problem


@contextmanager
def readable(path: str | Path, mend: str = "mend it, or get it anew") -> Iterator[None]:
    """Make one line of whatever keeps a text or table from being read within the block.

    Args:
        path: the file.
        mend: what to do.

    Raises:
        Problem: naming the file; also from within the block.
    """
    try:
        yield
    except Problem:
        raise
    except OSError as error:
        why = explained(error, path)  # what the disk has done is not mended by another file
        raise Problem(why or f"{path}: cannot be read ({error}); {mend}") from error
    except (ValueError, csv.Error) as error:  # not UTF-8, no table for pandas, an endless cell
        raise Problem(f"{path}: is no table ({error}); {mend}") from error
