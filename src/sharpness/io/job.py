"""Logging and error reporting of the workflow's scripts."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from io import FileIO, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from sharpness.io.errors import UserError, user_message


@contextmanager
def job(snakemake: Any) -> Iterator[TextIO]:
    """Run a job: stderr goes to its log, and an error is one line on the terminal, exit code 1.

    ``snakemake`` is the object that Snakemake gives to a script. The terminal's stream is yielded,
    for what the user must see at once.
    """
    log, terminal = snakemake.log[0], sys.stderr
    with _opened(log) as stream, redirect_stderr(stream):
        try:
            yield terminal
        except Exception as error:
            line = (
                str(error)
                if isinstance(error, UserError)
                else user_message(error, _made(snakemake))
            )
            with suppress(OSError):  # the log may be on the full disk
                print(line or traceback.format_exc(), file=stream)
            print(line or f"this is a defect; the traceback is in {log}", file=terminal)
            raise SystemExit(1) from None


def _opened(log: str) -> TextIO:
    """Open an empty log without buffer, so that nothing is left to write when it closes."""
    try:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        return TextIOWrapper(FileIO(log, "w"), encoding="utf-8", write_through=True)
    except OSError as error:
        print(user_message(error, log) or f"{log}: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _made(snakemake: Any) -> str:
    """Return the file to name in an error that names none: the job's first output."""
    return str(next(iter(snakemake.output), snakemake.log[0]))
