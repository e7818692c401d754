"""How much of the maximum over a ball Auto-PGD finds, by norm, steps and random starts.

Of convex quadratics ½ δᵀHδ + gᵀδ the maximum is known: in ℓ2 at the minimum (g = 0) ρ² λmax / 2,
and in ℓ∞ it is at a corner, all of which are tried. On a slope, where gᵀδ dominates, it is nearly
linear. The table has the mean share of the maximum that is found, and the least.

    python benchmarks/restarts.py
"""

from __future__ import annotations

import itertools
import sys

import numpy as np
import torch
from torch import Tensor, nn

from sharpness import Cell, Definition
from sharpness.measures.measuring import measure

PROBLEMS, RADIUS = 20, 1.0
STEPS, STARTS = (20, 100), (1, 5)
SIZES = {"l2": 60, "linf": 12}


class Quadratic(nn.Module):
    """½ δᵀHδ + gᵀδ around its own weights."""

    def __init__(self, hessian: Tensor, slope: Tensor) -> None:
        """Keep H (p, p) and g (p,)."""
        super().__init__()
        self.w = nn.Parameter(torch.ones_like(slope))
        self.hessian, self.slope = hessian, slope

    def forward(self, x: Tensor) -> Tensor:
        """Return the value, whatever x."""
        delta = self.w - 1
        return x * (delta @ self.hessian @ delta / 2 + self.slope @ delta)


def problem(norm: str, seed: int, slope: float) -> tuple[Quadratic, float]:
    """Return a quadratic with a random spectrum, and its maximum over the ball."""
    random, size = np.random.default_rng([seed, len(norm)]), SIZES[norm]
    root = random.normal(size=(size, size))
    hessian = root @ root.T / size
    g = slope * random.normal(size=size)
    if norm == "linf":
        corners = RADIUS * np.array([*itertools.product((-1.0, 1.0), repeat=size)])
        most = float((((corners @ hessian) * corners).sum(axis=1) / 2 + corners @ g).max())
    else:
        most = _maximum_in_l2(hessian, g)
    return Quadratic(torch.tensor(hessian), torch.tensor(g)), most


def _maximum_in_l2(hessian: np.ndarray, g: np.ndarray) -> float:
    """Return max over ‖δ‖ = ρ: δ = (μ − H)⁻¹ g with the μ ≥ λmax that gives the length ρ."""
    values, vectors = np.linalg.eigh(hessian)
    if not g.any():
        return float(RADIUS**2 * values[-1] / 2)
    parts = vectors.T @ g
    low, high = values[-1], values[-1] + np.linalg.norm(g) / RADIUS
    for _ in range(200):
        middle = (low + high) / 2
        long = np.linalg.norm(parts / (middle - values)) > RADIUS
        low, high = (middle, high) if long else (low, middle)
    delta = parts / (high - values)
    return float((values * delta**2).sum() / 2 + parts @ delta)


def share(norm: str, slope: float, steps: int, starts: int) -> np.ndarray:
    """Return the share of the maximum that is found, (problems,)."""
    definition = Definition("worst", norm, adaptive=False, logit_norm=False)  # type: ignore[arg-type]
    cell = Cell(definition, RADIUS, steps=steps, restarts=starts)
    batch = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1)
    found = []
    for seed in range(PROBLEMS):
        model, most = problem(norm, seed, slope)
        value = measure(model, [batch], cell.id, loss=lambda z, _: z.mean(), seed=seed).value
        found.append(value / most)
    return np.array(found)


def main() -> int:
    """Print the table."""
    print("| norm | where | steps | starts | mean | least |\n|---|---|---:|---:|---:|---:|")
    places = {"minimum": 0.0, "slope": 3.0}
    for norm, place, steps, starts in itertools.product(SIZES, places, STEPS, STARTS):
        found = share(norm, places[place], steps, starts)
        row = f"| {norm} | {place} | {steps} | {starts} | {found.mean():.2f} | {found.min():.2f} |"
        print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
