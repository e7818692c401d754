"""The networks of one seed, trained and measured: a row for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from sharpness.simple.diagonal.quantities import quantities
from sharpness.simple.diagonal.task import sparse_regression
from sharpness.simple.diagonal.training import train

_REPORT = 50  # networks between lines of progress


def rows(networks: int, steps: int, seed: int) -> Iterator[dict[str, Any]]:
    """Train networks on the task of a seed and measure those that converge.

    Args:
        networks: how many must converge.
        steps: gradient steps at most, for each.
        seed: of the task and of the draws.

    Yields:
        A row for each draw, in their order, by ``COLUMNS``.

    Raises:
        Problem: if too few draws converge.
    """
    task = sparse_regression(seed)
    measured = 0
    for network in train(task, networks, steps, seed):
        row = {
            "seed": seed,
            "draw": network.draw,
            "status": network.status,
            "scale": network.scale,
            "learning_rate": network.learning_rate,
            "steps": network.steps,
            "train_loss": network.train_loss,
        }
        if network.status == "converged":
            row |= quantities(task, network.u, network.v)
            measured += 1
            if measured % _REPORT == 0 or measured == networks:
                print(f"seed {seed}: {measured} of {networks} measured", file=sys.stderr)
        yield row
