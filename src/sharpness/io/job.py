"""What every job of the workflow does first and last."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from io import FileIO, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from sharpness.io.errors import UserError, explained


@contextmanager
def job(snakemake: Any) -> Iterator[TextIO]:
    """Run a job: progress and tracebacks to its log, a problem as one line and exit code 1.

    Args:
        snakemake: what Snakemake gives to a script.

    Yields:
        The terminal, for what the user must see at once.
    """
    log, terminal = snakemake.log[0], sys.stderr
    with _opened(log) as stream, redirect_stderr(stream):
        try:
            yield terminal
        except Exception as error:
            line = (
                str(error) if isinstance(error, UserError) else explained(error, _made(snakemake))
            )
            with suppress(OSError):  # the log may lie on the very disk that is full
                print(line or traceback.format_exc(), file=stream)
            print(line or f"this is a defect; the traceback is in {log}", file=terminal)
            raise SystemExit(1) from None


def _opened(log: str) -> TextIO:
    """The log, empty, each line on the disk at once; nothing is left to be written at its end."""
    try:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        return TextIOWrapper(FileIO(log, "w"), encoding="utf-8", write_through=True)
    except OSError as error:
        print(explained(error, log) or f"{log}: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _made(snakemake: Any) -> str:
    """What an error that names no file is about: what the job makes."""
    return str(next(iter(snakemake.output), snakemake.log[0]))
