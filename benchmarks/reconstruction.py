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
    """Estimators in the box |δ| ≤ ρ c of one batch, with normalized logits or raw ones."""

    model: nn.Module
    batch: tuple[Tensor, Tensor]
    radius: float
    adaptive: bool
    logit_norm: bool

    def __post_init__(self) -> None:
        """Keep the model's own weights, and c."""
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
        found = {}
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                assert parameter.grad is not None
                width = self.radius * self.c[name]
                moved = delta[name] + eta * self.c[name] * parameter.grad.sign()
                clamped = torch.max(torch.min(moved, width), -width)
                found[name] = 0.75 * clamped + 0.25 * before[name]
        return found
