"""What one step of Auto-PGD costs, against the least that its arithmetic could.

The floor is the number of floating point operations of a forward and a backward pass over the rate
of a large matrix product, measured in the same run. What a step takes beyond its two passes is
vector arithmetic on the weights, in units of one copy of them. Networks and batch of ``cells.py``,
one thread, processor time, the median of some turns. One row a network goes to
``results/benchmarks/step.csv``.

    python benchmarks/step.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from cells import NETWORKS, made, seconds
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from sharpness import Cell, Definition, Effort, sharpness_table
from sharpness.io.files import write_csv
from sharpness.io.run_record import processor

TURNS, STEPS = 5, 10
SIDE = 1024
"""Of the square matrices whose product gives the rate."""


def medians(*jobs: Callable[[], Any]) -> list[float]:
    """Return the median processor time of some jobs, which take turns; the first is not timed."""
    taken: list[list[float]] = [[] for _ in jobs]
    for turn in range(1 + TURNS):
        for job, found in zip(jobs, taken, strict=True):
            each, _ = seconds(job)
            if turn:
                found.append(each)
    return [float(np.median(found)) for found in taken]


def measured() -> Iterator[dict[str, Any]]:
    """Yield a row for each network."""
    square = torch.rand(SIDE, SIDE)
    rate = 2 * SIDE**3 / medians(lambda: square @ square)[0]
    for name, architecture in NETWORKS.items():
        network, (images, labels) = made(architecture)
        weights = torch.cat([p.detach().flatten() for p in network.parameters()])

        def copies() -> None:
            for _ in range(20):
                weights.clone()  # noqa: B023

        def passes() -> None:
            cross_entropy(network(images), labels).backward()  # noqa: B023

        with FlopCounterMode(display=False) as counter:
            passes()
        cell = Cell(Definition.parse("worst-linf-adaptive-normlogits"), 0.002)

        def cells(steps: int) -> Callable[[], Any]:
            effort = Effort(steps=steps)
            return lambda: sharpness_table(network, [(images, labels)], [cell], effort=effort)  # noqa: B023

        long, short, both, twenty = medians(cells(1 + STEPS), cells(1), passes, copies)
        step = (long - short) / STEPS
        yield {
            "network": name,
            "weights": len(weights),
            "step_ms": 1e3 * step,
            "passes_ms": 1e3 * both,
            "floor_ms": 1e3 * counter.get_total_flops() / rate,
            "copies": (step - both) / (twenty / 20),
            "gflops": rate / 1e9,
            "processor": processor(),
        }


def main() -> None:
    """Write the rows, and print the table."""
    torch.set_num_threads(1)
    rows = list(measured())
    write_csv(Path("results/benchmarks/step.csv"), rows, list(rows[0]))
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".4g"))


if __name__ == "__main__":
    main()
