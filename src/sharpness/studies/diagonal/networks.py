"""Diagonal linear networks, drawn and trained until enough of them have converged."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from sharpness.io.errors import UserError
from sharpness.studies.diagonal.task import (
    STREAM,
    SparseRegression,
    measure_network,
    sparse_regression,
)

Floats = npt.NDArray[np.float64]


@njit(cache=True)
def _residuals(X: Floats, y: Floats, u: Floats, v: Floats, r: Floats, loss: Floats) -> None:
    """Set r = X (u ⊙ v) − y, (n, networks), and loss = ‖r‖₂² / n, (networks,)."""
    n, d = X.shape
    beta = u * v
    loss[:] = 0.0
    for i in range(n):
        row = r[i]
        row[:] = -y[i]
        for j in range(d):
            x, coordinate = X[i, j], beta[j]
            for k in range(row.size):
                row[k] += x * coordinate[k]
        for k in range(row.size):
            loss[k] += row[k] * row[k] / n


@njit(cache=True)
def _step(X: Floats, u: Floats, v: Floats, r: Floats, rate: Floats) -> None:
    """Subtract rate times ∇ᵤL = v ⊙ 2Xᵀr/n and ∇ᵥL = u ⊙ 2Xᵀr/n, in place."""
    n, d = X.shape
    slope = np.empty(rate.size)
    for j in range(d):
        slope[:] = 0.0
        for i in range(n):
            x, row = X[i, j], r[i]
            for k in range(rate.size):
                slope[k] += x * row[k]
        for k in range(rate.size):
            move = rate[k] * 2.0 / n * slope[k]
            old = u[j, k]
            u[j, k] -= move * v[j, k]
            v[j, k] -= move * old


@njit(cache=True)
def descend(
    X: Floats,
    y: Floats,
    u: Floats,
    v: Floats,
    rate: Floats,
    taken: npt.NDArray[np.int64],
    loss: Floats,
    steps: int,
    low: float,
    high: float,
) -> None:
    """Take gradient steps on L = ‖X(u ⊙ v) − y‖₂²/n in place, each network until it is done.

    A network is done, and its ``rate`` set to zero, when L ≤ ``low``, L ≥ ``high`` or L is NaN.
    X is (n, d), y (n,), u and v (d, networks), the other arrays (networks,). Updated are u, v,
    ``rate``, ``taken`` (steps of each network) and ``loss`` (L before the last step; the final L of
    a network that is done).
    """
    r = np.empty((y.size, rate.size))
    for _ in range(steps):
        _residuals(X, y, u, v, r, loss)
        for k in range(rate.size):
            if low < loss[k] < high:
                taken[k] += rate[k] > 0
            else:
                rate[k] = 0.0
        _step(X, u, v, r, rate)


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
    task: SparseRegression, networks: int, steps: int, seed: int, *, together: int = 256
) -> list[TrainedNetwork]:
    """Train the draws of a seed in their order until ``networks`` of them have converged.

    The result holds all draws up to the last one needed, including those that failed. Each takes
    at most ``steps`` gradient steps. The batch size ``together`` changes no result.

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
        size = min(together, expected, FUTILE * networks - len(trained))
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
        (u, v), rate = weights[:, :, live], np.array(rates)[live]
        some_taken, some_loss = taken[live], loss[live]
        chunk = min(_CHUNK, steps - start)
        descend(task.X, task.y, u, v, rate, some_taken, some_loss, chunk, CONVERGED, DIVERGED)
        weights[:, :, live] = u, v
        taken[live], loss[live] = some_taken, some_loss
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
