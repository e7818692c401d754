"""What every job of the workflow does first and last."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, TextIO

from sharpness.problem import Problem
from sharpness.stamps import write_stamp


@contextmanager
def job(snakemake: Any) -> Iterator[TextIO]:
    """Run a job: progress and tracebacks to its log, a problem as one line and exit code 1.

    A job that ends well stamps what it made.

    Args:
        snakemake: what Snakemake gives to a script.

    Yields:
        The terminal, for what the user must see at once.
    """
    log = snakemake.log[0]
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    terminal = sys.stderr
    with open(log, "w", encoding="utf-8", buffering=1) as stream, redirect_stderr(stream):
        try:
            yield terminal
            if snakemake.output:
                _stamp(snakemake)
        except Problem as problem:
            print(problem, file=stream)
            print(problem, file=terminal)
            raise SystemExit(1) from None
        except Exception:
            traceback.print_exc(file=stream)
            print(f"this is a defect; the traceback is in {log}", file=terminal)
            raise SystemExit(1) from None


def _stamp(snakemake: Any) -> None:
    """Say what the job read and made, and with which parameters."""
    wildcards, params = dict(snakemake.wildcards.items()), dict(snakemake.params.items())
    files = list(snakemake.input), list(snakemake.output)
    write_stamp(snakemake.log[0], snakemake.rule, wildcards, *files, params)
