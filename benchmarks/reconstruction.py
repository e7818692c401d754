"""The estimators of the paper's released code, rebuilt from a description of what they compute.

It is not that code, but it has the same costs: a dictionary of tensors for each perturbation, loops
over parameters, a forward pass of its own for each loss, and a deep copy of the weights at each new
maximum. Its values are those of protocol ``released``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

Weights = dict[str, Tensor]


@dataclass
class Reconstruction:
    """Estimators of one batch, with normalized logits or raw ones.

    The ball is the box |δ| ≤ ρ c, or for ``l2`` the ellipsoid ‖δ / c‖₂ ≤ ρ. Images are laid out as
    PyTorch does by itself, or ``channels_last`` as in our ResNets.
    """

    model: nn.Module
    batch: tuple[Tensor, Tensor]
    radius: float
    adaptive: bool
    logit_norm: bool
    l2: bool = False
    channels_last: bool = False

    def __post_init__(self) -> None:
        """Copy the model, and keep its own weights and c."""
        self.model = copy.deepcopy(self.model)
        self.model.channels_last = self.channels_last
        self.own = copy.deepcopy(self._weights())
        self.c = {
            name: w.abs() if self.adaptive else torch.ones_like(w) for name, w in self.own.items()
        }

    def _weights(self) -> Weights:
        return {name: p.detach() for name, p in self.model.named_parameters()}

    def _load(self, weights: Weights) -> None:
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(weights[name])

    def _perturb(self, delta: Weights) -> None:
        self._load({name: w + delta[name] for name, w in self.own.items()})

    def _loss(self) -> Tensor:
        logits = self.model(self.batch[0])
        if self.logit_norm:
            centred = logits - logits.mean(dim=1, keepdim=True)
            logits = centred / centred.norm(dim=1, keepdim=True)
        return cross_entropy(logits, self.batch[1])

    def average(self, noise: Callable[[int], Tensor], draws: int) -> float:
        """Return the mean rise of the loss; ``noise`` gives the unit noise (p,) of a draw."""
        with torch.no_grad():
            start, total = self._loss().item(), 0.0
            for draw in range(draws):
                pieces = noise(draw).split([w.numel() for w in self.own.values()])
                delta = {
                    name: self.radius * self.c[name] * piece.view_as(w)
                    for (name, w), piece in zip(self.own.items(), pieces, strict=True)
                }
                self._perturb(delta)
                total += self._loss().item()
            self._load(self.own)
        return total / draws - start

    def worst(self, steps: int, checkpoints: set[int]) -> float:
        """Return the largest rise of the loss over ``steps`` iterations of Auto-PGD."""
        with torch.no_grad():
            start = best = self._loss().item()
        delta = {name: torch.zeros_like(w) for name, w in self.own.items()}
        before, best_weights = copy.deepcopy(delta), copy.deepcopy(self._weights())
        eta = eta_checked = 2 * self.radius
        best_checked, checked, successes = best, 0, 0
        for step in range(steps):
            self.model.zero_grad()
            self._loss().backward()
            following = self._next(delta, before, eta)
            before, delta = copy.deepcopy(delta), following
            self._perturb(delta)
            with torch.no_grad():
                loss = self._loss().item()
            if loss > best:
                best, successes = loss, successes + 1
                best_weights = copy.deepcopy(self._weights())
            if step in checkpoints:
                too_few = successes < 0.75 * (step - checked)
                stuck = eta_checked == eta and best_checked == best
                eta_checked, best_checked, checked, successes = eta, best, step, 0
                if too_few or stuck:
                    eta /= 2
                    self._load(best_weights)
        self.model.zero_grad()
        self._load(self.own)
        return best - start

    def _next(self, delta: Weights, before: Weights, eta: float) -> Weights:
        """Return the perturbation after a step, its projection and momentum."""
        with torch.no_grad():
            moved = self._moved(delta, eta)
            projected = self._in_ellipsoid(moved) if self.l2 else self._in_box(moved)
            return {name: 0.75 * projected[name] + 0.25 * before[name] for name in projected}

    def _moved(self, delta: Weights, eta: float) -> Weights:
        gradient = {name: p.grad for name, p in self.model.named_parameters() if p.grad is not None}
        if not self.l2:
            return {n: delta[n] + eta * self.c[n] * g.sign() for n, g in gradient.items()}
        length = _length(gradient) + 1e-12
        return {n: delta[n] + eta * g * self.c[n] / length for n, g in gradient.items()}

    def _in_box(self, moved: Weights) -> Weights:
        found = {}
        for name, value in moved.items():
            width = self.radius * self.c[name]
            found[name] = torch.max(torch.min(value, width), -width)
        return found

    def _in_ellipsoid(self, moved: Weights) -> Weights:
        """Return the nearest point, by bisection of the multiplier; radially if c is 1."""
        c = {name: torch.where(width > 0, width, 1.0) for name, width in self.c.items()}
        length = _length({name: value / c[name] for name, value in moved.items()})
        if not self.adaptive:
            factor = min(1.0, self.radius / length)
            return {name: factor * value for name, value in moved.items()}
        multiplier, low, high, limit = 0.1, 0.0, 10.0, 10.0
        found = moved
        while abs(length - self.radius) > 1e-5 and (found is not moved or length > self.radius):
            found = {n: v / (1 + 2 * multiplier / self.c[n] ** 2) for n, v in moved.items()}
            length = _length({name: value / c[name] for name, value in found.items()})
            if length > self.radius:
                multiplier, low = (multiplier + high) / 2, multiplier
            else:
                multiplier, high = (low + multiplier) / 2, multiplier
            if limit - high < 1e-2:
                limit, high = 2 * limit, 2 * high
        return found


def _length(vectors: Weights) -> float:
    return sum(value.square().sum() for value in vectors.values()).sqrt().item()  # type: ignore[union-attr]
