"""Protocol ``released`` against a plain reading of what the released code computes.

One dictionary entry per parameter, one statement per symbol, two forward passes where the measure
fuses them; nothing here is shared with the package.
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from toys import Batches, noisy_points, smooth_network

from sharpness import Definition, sharpness
from sharpness.measures.definition import PAPER, PROTOCOLS

CHECKS_OF_20 = {5, 9, 12, 15, 16, 18, 19, 20}
WORST = [d for d in PAPER if d.case == "worst"]
# Small, middle and large radii of Tables 3 and 4.
RADII = {
    ("l2", False): (0.025, 0.25, 1.0),
    ("l2", True): (0.25, 1.0, 4.0),
    ("linf", False): (1e-5, 5e-4, 4e-3),
    ("linf", True): (5e-4, 2e-3, 8e-3),
}


class Reading:
    """One batch, one definition, one radius."""

    def __init__(
        self, model: nn.Module, batch: tuple[Tensor, Tensor], definition: Definition, rho: float
    ) -> None:
        self.model, (self.x, self.y) = copy.deepcopy(model), batch
        self.definition, self.rho = definition, rho
        self.w0 = {k: v.detach().clone() for k, v in self.model.named_parameters()}
        self.c = {k: v.abs() if definition.adaptive else v * 0 + 1 for k, v in self.w0.items()}
        self.halvings = 0
        self.literal = False

    def loss(self, w: dict[str, Tensor]) -> Tensor:
        """L(w)."""
        logits = torch.func.functional_call(self.model, w, (self.x,))
        if self.definition.logit_norm:
            logits = logits - logits.mean(1, keepdim=True)
            logits = logits / logits.square().sum(1, keepdim=True).sqrt()
        return cross_entropy(logits, self.y)

    def gradient(self, w: dict[str, Tensor]) -> dict[str, Tensor]:
        """∇L(w)."""
        leaves = {k: v.clone().requires_grad_() for k, v in w.items()}
        found = torch.autograd.grad(self.loss(leaves), list(leaves.values()))
        return dict(zip(leaves, found, strict=True))

    def length(self, u: dict[str, Tensor]) -> float:
        """‖u / c‖ over all parameters together; by default without the weights that are zero."""
        total = torch.zeros(())
        for k, c in self.c.items():
            ratio = u[k] / c
            total = total + (ratio if self.literal else ratio[c > 0]).square().sum()
        return total.sqrt().item()

    def projected(self, u: dict[str, Tensor]) -> dict[str, Tensor]:
        """P(u)."""
        if self.definition.norm == "linf":
            bound = {k: self.rho * c for k, c in self.c.items()}
            return {k: torch.minimum(torch.maximum(u[k], -bound[k]), bound[k]) for k in u}
        length = self.length(u)
        if not length > self.rho:  # also where the length is not a number
            return u
        if not self.definition.adaptive:
            return {k: v * (self.rho / length) for k, v in u.items()}
        multiplier, low, high, limit = 0.1, 0.0, 10.0, 10.0
        point = u
        while abs(self.length(point) - self.rho) > 1e-5:
            point = {}
            for k, c in self.c.items():
                shrunk = u[k] / (1 + 2 * multiplier / c**2)
                point[k] = torch.where(c > 0, shrunk, 0.0)
            if self.length(point) > self.rho:
                low, multiplier = multiplier, (multiplier + high) / 2
            else:
                high, multiplier = multiplier, (low + multiplier) / 2
            if limit - high < 1e-2:
                limit, high = 2 * limit, 2 * high
        return point

    def worst(self) -> float:
        """Twenty steps of §5b's state: W, δ, δ₋, best, W_best, step; step', best', i', n."""
        W, W_best = self.w0, self.w0
        delta = {k: v * 0 for k, v in self.w0.items()}
        delta_before = delta
        unperturbed = best = self.loss(self.w0).item()
        step = step_then = 2 * self.rho
        best_then, i_then, n = best, 0, 0
        for i in range(20):
            g = self.gradient(W)
            if self.definition.norm == "linf":
                s = {k: self.c[k] * g[k].sign() for k in g}
            else:
                norm = math.sqrt(sum(v.double().square().sum().item() for v in g.values()))
                s = {k: self.c[k] * g[k] / (norm + 1e-12) for k in g}
            u = self.projected({k: delta[k] + step * s[k] for k in g})
            delta, delta_before = {k: 0.75 * u[k] + 0.25 * delta_before[k] for k in g}, delta
            W = {k: self.w0[k] + delta[k] for k in g}
            with torch.no_grad():
                here = self.loss(W).item()
            if here > best:
                best, W_best, n = here, W, n + 1
            if i in CHECKS_OF_20:
                halve = n < 0.75 * (i - i_then) or (step_then == step and best_then == best)
                step_then, best_then, i_then, n = step, best, i, 0
                if halve:
                    step, W = step / 2, W_best
                    self.halvings += 1
        return best - unperturbed


@pytest.mark.parametrize(
    "definition", [d for d in WORST if d.norm == "linf" or not d.adaptive], ids=lambda d: d.id
)
def test_worst_case_in_float32(definition: Definition, points: Batches, resnet: nn.Module) -> None:
    """Where the bisection of adaptive ℓ2 ends turns on rounding: that is for float64."""
    model, halvings = resnet, 0
    for radius in RADII[definition.norm, definition.adaptive]:
        reading = Reading(model, points[0], definition, radius)
        found = sharpness(model, points[:1], definition, radius, protocol="released")
        # The difference of two losses in float32: each is rounded by some 1e-7.
        assert found.value == pytest.approx(reading.worst(), rel=1e-5, abs=3e-7)
        assert found.value > 0
        halvings += reading.halvings
    if definition.norm == "linf":
        assert halvings > 2  # standard ℓ2 ascends at every step of these


def small(zero: bool) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    model = smooth_network(0)
    if zero:
        with torch.no_grad():
            model[0].weight[1, 2] = 0.0
            model[2].bias.zero_()
    return model, noisy_points(12, seed=3)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("definition", WORST, ids=lambda d: d.id)
def test_worst_case_in_float64(definition: Definition, zero: bool) -> None:
    """In double precision nothing turns on rounding; a zero weight stays where it is."""
    model, batch = small(zero)
    halvings = 0
    for radius in (0.01, 0.1, 1.0):
        reading = Reading(model, batch, definition, radius)
        found = sharpness(model, [batch], definition, radius, protocol="released")
        assert found.value == pytest.approx(reading.worst(), rel=1e-7)
        halvings += reading.halvings
    assert halvings > 3 or (definition.norm == "l2" and not definition.adaptive)


def test_a_zero_weight_switches_the_projection_off_on_request() -> None:
    definition = Definition("worst", "l2", adaptive=True, logit_norm=False)
    literal = replace(PROTOCOLS["released"], zero_weight_skips_projection=True)
    values: dict[str, Any] = {}
    for zero in (False, True):
        model, batch = small(zero)
        reading = Reading(model, batch, definition, 0.05)
        reading.literal = True
        found = sharpness(model, [batch], definition, 0.05, protocol=literal).value
        assert found == pytest.approx(reading.worst(), rel=1e-9)
        kept = sharpness(model, [batch], definition, 0.05, protocol="released").value
        values[f"zero={zero}"] = found / kept
    assert values["zero=False"] == 1
    assert values["zero=True"] > 1.3
