"""Worst-case sharpness by Auto-PGD in weight space (Algorithm 1 and Croce & Hein, 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from sharpness.measures.ball import Ball, blocks
from sharpness.measures.definition import Protocol
from sharpness.measures.micro_batch import OutOfMemory, free_memory
from sharpness.measures.objective import LogitScale, Objective

MOMENTUM = 0.75  # α of Algorithm 1
INCREASES = 0.75  # share of steps that must succeed, ρ of Croce & Hein's condition 1
VECTORS = 9
"""Vectors of the size of the weights that a worst-case cell keeps at most, measured.

They are the model, its weights, c, the iterate and the one before, the best one with its gradient,
the gradient, and with several micro-batches the perturbed weights.
"""


def checkpoints(steps: int) -> list[int]:
    """Return W of Algorithm 1: the iterations at which the step size may be halved.

    p₀ = 0, p₁ = 0.22, p_{j+1} = p_j + max(p_j − p_{j−1} − 0.03, 0.06); W = {⌈p_j N⌉, j ≥ 1}.
    """
    p = [0.0, 0.22]
    w = [0, math.ceil(0.22 * steps)]
    while w[-1] < steps and w[-1] != w[-2]:
        p.append(p[-1] + max(p[-1] - p[-2] - 0.03, 0.06))
        w.append(math.ceil(p[-1] * steps))
    return w[1:]


@dataclass
class _Point:
    """Evaluated point: x in the ball's coordinates, f(x) and ∇f (of `Ball.pullback`)."""

    x: Tensor
    value: float
    gradient: Tensor


@dataclass
class _Schedule:
    """Step size η, and the state that the two halving conditions compare with."""

    eta: float
    best: float
    eta_before: float
    checked_at: int = 0
    successes: int = 0

    def halve(self, step: int, best: float) -> bool:
        """Halve η if condition 1 or 2 holds at this checkpoint; return whether it did."""
        too_few = self.successes < INCREASES * (step - self.checked_at)
        stuck = self.eta_before == self.eta and self.best == best
        self.eta_before, self.best, self.checked_at, self.successes = self.eta, best, step, 0
        if too_few or stuck:
            self.eta /= 2
        return too_few or stuck


def check_room(weights: Tensor) -> None:
    """Raise OutOfMemory if a GPU has no room for the vectors of a worst case.

    The model, its weights and c are there already.
    """
    needed, free = (VECTORS - 3) * weights.nbytes, free_memory(weights.device)
    if free is not None and free < needed:
        most = int(len(weights) * free / needed)
        raise OutOfMemory(
            f"a worst case of {len(weights):,} weights needs {needed / 1e9:.1f} GB beside the "
            f"model, {free / 1e9:.1f} GB are free; take a device with more memory, `device: cpu`, "
            f"or perturb at most {most:,} weights (`parameters`)"
        )


def worst(
    objective: Objective,
    ball: Ball,
    protocol: Protocol,
    scale: LogitScale,
    steps: int,
    noise: Callable[[], Tensor],
    mixed: bool = False,
) -> float:
    """Maximize L(w + δ) − L(w) over the ball by ``steps`` iterations of Auto-PGD.

    The start and each iteration but the last take one forward and one backward pass, the last a
    forward pass. ``noise`` returns the unit noise (p,) of the random start, if the protocol has
    one; without it the run starts at w, and cells share that pass (`Objective.start`). ``mixed`` is
    as in ``Network.add_gradient``.

    Returns:
        The best value over the run, the start and the unperturbed point, so never negative; not
        finite if the loss was not finite somewhere.
    """
    weights = objective.network.weights
    unperturbed = objective.unperturbed(scale)

    def perturbed(x: Tensor) -> Tensor:
        return ball.perturbation(x).add_(weights)

    def point(x: Tensor, value: float, gradient: Tensor) -> _Point:
        return _Point(x, value, ball.pullback(x, gradient))

    def evaluate(x: Tensor) -> _Point:
        at = partial(perturbed, x)
        return point(x, *objective.loss_and_gradient(at, scale, mixed=mixed))

    if protocol.random_start:
        at = evaluate(ball.start(noise()))
    else:
        at = point(torch.zeros_like(weights), *objective.start(scale, mixed))
    best, x, before = at, at.x, at.x
    floor = max(unperturbed, best.value)
    schedule = _Schedule(2 * ball.radius, floor, 2 * ball.radius)
    checks = set(checkpoints(steps))

    for step in range(1, steps):
        higher = best.value if not protocol.count_increases else at.value
        x, before = _next(ball, _taken(at, best), schedule.eta, x, before, step, protocol), x
        del at  # frees its gradient where the step did not become it
        at = evaluate(x)
        if not math.isfinite(at.value):
            return at.value
        schedule.successes += at.value > higher
        best = max(best, at, key=lambda point: point.value)
        check = step - 1 if protocol.late_checks else step
        if check in checks and schedule.halve(check, max(floor, best.value)):
            at = best
            if protocol.restart_iterate:
                x = best.x
    x = _next(ball, _taken(at, best), schedule.eta, x, before, steps, protocol)
    (last,) = objective.losses(perturbed(x), [scale], graph=True, mixed=mixed)
    if not math.isfinite(last):
        return last
    return max(max(best.value, last) - unperturbed, 0.0)


def _taken(at: _Point, best: _Point) -> Tensor:
    """Return the gradient of a point for a step that writes to it; that of the best one is kept."""
    return at.gradient.clone() if at is best else at.gradient


def _next(
    ball: Ball,
    gradient: Tensor,
    eta: float,
    x: Tensor,
    before: Tensor,
    step: int,
    protocol: Protocol,
) -> Tensor:
    """Return the iterate after x: a step of length η, then momentum. It writes to the gradient."""
    z = ball.project_(ball.ascent_(gradient).mul_(eta).add_(x))
    if not protocol.heavy_ball:
        return z.mul_(MOMENTUM).add_(before, alpha=1 - MOMENTUM)  # feasible by convexity
    if step == 1:
        return z
    for to, at, behind in blocks(z, x, before):  # x + α (z − x) + (1 − α) (x − before)
        to.sub_(at).mul_(MOMENTUM).add_(at).add_(at - behind, alpha=1 - MOMENTUM)
    return ball.project_(z)
