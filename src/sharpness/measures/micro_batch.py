"""How many examples pass through a model at once: fewer, once a device is out of memory."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import TypeVar

import torch

from sharpness.io.errors import UserError, out_of_memory

Found = TypeVar("Found")


class OutOfMemory(UserError):
    """Not even one example passes through the model; no other cell of it will fare better."""


class MicroBatch:
    """The most examples in one pass, for all that one job computes.

    Attributes:
        rows: the most examples in one pass; None is as many as are asked for.
        whose: the model that is computed with, for the log.
    """

    def __init__(self, rows: int | None = None, whose: str = "the model") -> None:
        """Begin with ``rows``; they only ever become fewer."""
        self.rows, self.whose = rows, whose

    def run_with_oom_retry(self, compute: Callable[[int | None], Found], most: int) -> Found:
        """What ``compute`` gives, with half as many rows each time that memory runs out.

        It starts anew each time, so that what it gives is what it would have given with the
        smaller number from the start.

        Args:
            compute: takes ``rows``.
            most: examples that it takes at a time where nothing limits it.

        Raises:
            OutOfMemory: if one example at a time is too much.
        """
        while True:
            try:
                return compute(self.rows)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
            # Here the error is gone, and with it the frames that held the tensors of the pass.
            self._halve(min(self.rows or most, most))

    def _halve(self, rows: int) -> None:
        if rows <= 1:
            raise OutOfMemory(
                f"{self.whose}: out of memory with one example at a time, as if micro_batch were "
                "1; free the device's memory, or take one that has more (or `device: cpu`)"
            )
        self.rows = rows // 2
        gc.collect()
        torch.cuda.empty_cache()
        print(
            f"{self.whose}: out of memory with micro-batches of {rows}; goes on with {self.rows}",
            file=sys.stderr,
        )
