"""Algorithm 1 written once more, plainly, for comparison."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sharpness.measures.ball import NORMS, noise_generator
from sharpness.measures.worst import checkpoints


def algorithm_1(
    loss: Callable[[Tensor], Tensor], shape: tuple[str, bool], w: Tensor, radius: float, steps: int
) -> tuple[float, int]:
    """Algorithm 1 line by line in γ = δ / c; the maximum and the number of halvings."""
    norm, adaptive = shape
    c = w.abs() if adaptive else torch.ones_like(w)

    def f(gamma: Tensor) -> float:
        return loss(w + c * gamma).item()

    def up(gamma: Tensor) -> Tensor:
        leaf = gamma.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(w + c * leaf), leaf)
        return gradient / gradient.norm() if norm == "l2" else gradient.sign()

    def inside(gamma: Tensor) -> Tensor:
        if norm == "linf":
            return gamma.clamp(-radius, radius)
        return gamma * min(1.0, radius / gamma.norm().item())

    noise = NORMS[norm].noise(w, noise_generator(w.device, 0, 0, 0))
    start = noise * (radius / noise.norm()) if norm == "l2" else radius * noise
    eta, halvings = 2 * radius, 0
    points = [start, inside(start + eta * up(start))]
    heights = [f(point) for point in points]
    f_max, best = max(zip(heights, points, strict=True), key=lambda pair: pair[0])
    f_max_with_centre = max(f_max, f(torch.zeros_like(w)))
    last, eta_last, f_last = 0, eta, max(heights[0], f(torch.zeros_like(w)))
    rises = int(heights[1] > heights[0])
    for k in range(1, steps + 1):
        if k in checkpoints(steps):
            few = rises < 0.75 * (k - last)
            stuck = eta_last == eta and f_last == f_max_with_centre
            last, eta_last, f_last, rises = k, eta, f_max_with_centre, 0
            if few or stuck:
                eta, halvings = eta / 2, halvings + 1
                points[-1], heights[-1] = best, f_max
        if k == steps:
            break
        z = inside(points[-1] + eta * up(points[-1]))
        momentum = 0.75 * (z - points[-1]) + 0.25 * (points[-1] - points[-2])
        points.append(inside(points[-1] + momentum))
        heights.append(f(points[-1]))
        rises += heights[-1] > heights[-2]
        if heights[-1] > f_max:
            f_max, best = heights[-1], points[-1]
        f_max_with_centre = max(f_max_with_centre, f_max)
    return f_max_with_centre - f(torch.zeros_like(w)), halvings
