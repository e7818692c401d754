"""Fewer examples per pass through a model when a device runs out of memory."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import TypeVar

import torch

from sharpness.io.errors import UserError, out_of_memory

Found = TypeVar("Found")


class OutOfMemory(UserError):
    """Memory is too small for a cell; the others of the model are not tried either."""


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that are free on a GPU, with those that torch keeps; None elsewhere."""
    if device.type != "cuda":
        return None
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


class MicroBatch:
    """Largest number of examples per pass in one job, halved when memory runs out.

    ``rows`` of None is unlimited; ``whose`` names the model in the log.
    """

    def __init__(self, rows: int | None = None, whose: str = "the model") -> None:
        """Start with ``rows``, which never increases."""
        self.rows, self.whose = rows, whose

    def run_with_oom_retry(self, compute: Callable[[int | None], Found], most: int) -> Found:
        """Return ``compute(rows)``, with half as many rows each time that memory runs out.

        Each try starts anew, so the result is the one that the smaller number gives from the start.
        ``most`` is the number of examples per pass if ``rows`` is None. Raises OutOfMemory if one
        example at a time is too much.
        """
        while True:
            try:
                return compute(self.rows)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
            # Only outside the handler are the error and its frames, which hold tensors, freed.
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
