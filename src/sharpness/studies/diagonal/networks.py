"""Diagonal linear networks, drawn and trained until enough of them have converged."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sharpness.io.errors import UserError
from sharpness.studies.diagonal.task import (
    STREAM,
    SparseRegression,
    measure_network,
    sparse_regression,
)

Floats = npt.NDArray[np.float64]

CONVERGED = 1e-5
"""The paper's training loss ‖X(u ⊙ v) − y‖₂²/n at which a network is done."""

DIVERGED = 1e9
"""Training loss at which a network counts as diverged."""

SCALES = (0.1, 0.5)
"""Range of α, log-uniform: u and v start as N(0, α²). Ours; the paper does not state it."""

RATES = (0.001, 0.03)
"""Range of the learning rate, log-uniform. Ours; the paper does not state it."""

FUTILE = 10
"""Draws per wanted network after which training gives up."""

_TOGETHER = 256  # networks; how many changes the rounding of each alone
_CHUNK = 500  # steps between checks for networks that are done
_REPORT = 5000  # steps between lines of progress


@dataclass(frozen=True)
class TrainedNetwork:
    """A network after gradient descent.

    Attributes:
        draw: its index, from 0.
        scale: α.
        status: "converged", "diverged" or "too slow" (out of steps).
        steps: gradient steps taken.
        train_loss: ‖X(u ⊙ v) − y‖₂²/n at its last check; at (u, v) if converged.
        u: (d,).
        v: (d,).
    """

    draw: int
    scale: float
    learning_rate: float
    status: str
    steps: int
    train_loss: float
    u: Floats
    v: Floats


def train_networks(
    task: SparseRegression, networks: int, steps: int, seed: int
) -> list[TrainedNetwork]:
    """Train the draws of a seed in their order until ``networks`` of them have converged.

    The result holds all draws up to the last one needed, including those that failed. Each takes
    at most ``steps`` gradient steps.

    Raises:
        UserError: if fewer than one draw in ten converges.
    """
    trained: list[TrainedNetwork] = []
    found = 0
    while found < networks:
        if len(trained) == FUTILE * networks:
            raise UserError(
                f"simple.diagonal.steps is {steps}, in which {found} of {len(trained)} networks "
                f"converged; {networks} are wanted, so set more steps"
            )
        missing = networks - found
        expected = missing + missing // 7 + 1  # about one draw in eight fails
        size = min(_TOGETHER, expected, FUTILE * networks - len(trained))
        trained += _trained(task, range(len(trained), len(trained) + size), steps, seed)
        found = sum(network.status == "converged" for network in trained)
    last = [network.draw for network in trained if network.status == "converged"][networks - 1]
    return trained[: last + 1]


def _trained(task: SparseRegression, draws: range, steps: int, seed: int) -> list[TrainedNetwork]:
    """Train a batch of draws, removing from it those that are done."""
    scales, rates, starts = zip(*(_draw(task, seed, draw) for draw in draws), strict=True)
    weights = np.stack(starts, axis=-1)  # (2, d, networks)
    taken = np.zeros(len(draws), dtype=np.int64)
    loss = np.full(len(draws), np.nan)
    live = np.arange(len(draws))
    for start in range(0, steps, _CHUNK):
        if start % _REPORT == 0:
            print(
                f"seed {seed}, draws {draws[0]} to {draws[-1]}: {len(live)} are still "
                f"training after {start} of {steps} steps",
                file=sys.stderr,
                flush=True,
            )
        some, rate = weights.take(live, axis=-1), np.take(rates, live)
        more, loss[live] = _descend(task, some, rate, min(_CHUNK, steps - start))
        weights[:, :, live] = some
        taken[live] += more
        live = live[rate > 0]
        if not live.size:
            break
    return [
        TrainedNetwork(
            draw, scales[k], rates[k], _status(loss[k]), int(taken[k]), float(loss[k]),
            *np.ascontiguousarray(weights[:, :, k]),
        )
        for k, draw in enumerate(draws)
    ]  # fmt: skip


def _descend(
    task: SparseRegression, weights: Floats, rate: Floats, steps: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Take gradient steps on L = ‖X(u ⊙ v) − y‖₂²/n in place, each network until it is done.

    ``weights`` are u and v, (2, d, networks). The ``rate`` (networks,) of a network that is done,
    converged or diverged, becomes zero.

    Returns:
        The steps of each network, and its L before the last of ``steps``, both (networks,).
    """
    n, y = len(task.y), task.y[:, None]
    taken, loss = np.zeros(len(rate), dtype=np.int64), np.empty_like(rate)
    for _ in range(steps):
        r = task.X @ (weights[0] * weights[1]) - y
        loss = np.square(r).mean(axis=0)
        rate *= (loss > CONVERGED) & (loss < DIVERGED)
        taken += rate > 0
        slope = task.X.T @ r
        slope *= 2 / n * rate
        weights -= slope * weights[::-1]  # ∇ᵤL = v ⊙ 2Xᵀr/n, ∇ᵥL = u ⊙ 2Xᵀr/n
    return taken, loss


def _draw(task: SparseRegression, seed: int, draw: int) -> tuple[float, float, Floats]:
    """Return the scale, learning rate and initial (u, v), (2, d), of one draw."""
    generator = np.random.default_rng([seed, STREAM + 1 + draw])
    scale, rate = np.exp(generator.uniform(*np.log(np.transpose([SCALES, RATES]))))
    return float(scale), float(rate), scale * generator.standard_normal((2, task.truth.size))


def _status(loss: float) -> str:
    if loss <= CONVERGED:
        return "converged"
    return "too slow" if loss < DIVERGED else "diverged"


_MEASURED_AT = 50  # networks between lines of progress


def network_rows(networks: int, steps: int, seed: int) -> Iterator[dict[str, Any]]:
    """Train networks on the task of a seed and yield a row of `figure7.COLUMNS` per draw, in order.

    ``networks`` of them must converge within ``steps`` gradient steps; only these are measured.

    Raises:
        UserError: if too few draws converge.
    """
    task = sparse_regression(seed)
    measured = 0
    for network in train_networks(task, networks, steps, seed):
        row: dict[str, Any] = {"seed": seed, **vars(network)}
        u, v = row.pop("u"), row.pop("v")
        if network.status == "converged":
            row |= measure_network(task, u, v)
            measured += 1
            if measured % _MEASURED_AT == 0 or measured == networks:
                print(f"seed {seed}: {measured} of {networks} measured", file=sys.stderr)
        yield row
