"""Perturbation sets of Eq. 1: one class for each norm and coordinate system.

Each ball has its own coordinates x. In the paper's protocol x is γ = δ / c, in which every ball is
round and the definition is exactly invariant under w → w ⊙ a; in the released code x is δ itself.
A weight that is exactly zero has c = 0 and never moves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sharpness.measures.definition import Definition, Protocol


def noise_generator(device: torch.device, *key: int) -> torch.Generator:
    """Return a random generator seeded by ``key``, all non-negative integers.

    With the same key, a CPU and a GPU draw different, equally good noise.
    """
    (state,) = np.random.SeedSequence(key).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state) % 2**63)


TOLERANCE = 1e-5  # of the norm, in the released code's projection


def scaling(weights: Tensor, adaptive: bool) -> Tensor:
    """Return the scaling c of Eq. 1, (p,): |w| if adaptive, 1 otherwise."""
    return weights.abs() if adaptive else torch.ones_like(weights)


def length(x: Tensor) -> Tensor:
    """Return ‖x‖₂. ``norm()`` of 10⁷ float32 weights is off by 10⁻³ on a CPU; sums add in pairs."""
    return x.square().sum().sqrt()


@dataclass(frozen=True)
class Ball(ABC):
    """Perturbation set {δ : ‖δ / c‖ ≤ ρ} of radius ρ; c, (p,), is the elementwise scaling."""

    radius: float
    c: Tensor

    @staticmethod
    @abstractmethod
    def noise(like: Tensor, generator: torch.Generator) -> Tensor:
        """Draw unit noise of the average case, shaped as ``like``; δ is ρ c times it."""

    @abstractmethod
    def start(self, noise: Tensor) -> Tensor:
        """Return a random feasible point made from unit noise."""

    @abstractmethod
    def ascent(self, gradient: Tensor) -> Tensor:
        """Return the direction of a step of unit length, given the gradient with respect to δ."""

    @abstractmethod
    def project(self, x: Tensor) -> Tensor:
        """Return a nearest point of the ball."""

    def perturbation(self, x: Tensor) -> Tensor:
        """Return δ at the coordinates x."""
        return self.c * x

    def pullback(self, x: Tensor, gradient: Tensor) -> Tensor:
        """Return what ``ascent`` takes at x, given the gradient with respect to δ: that itself."""
        return gradient


class L2(Ball):
    """Round ℓ2 ball ‖γ‖₂ ≤ ρ."""

    @staticmethod
    def noise(like: Tensor, generator: torch.Generator) -> Tensor:
        """Draw standard Gaussian noise."""
        return torch.empty_like(like).normal_(generator=generator)

    def start(self, noise: Tensor) -> Tensor:
        """Return ρ z / ‖z‖₂ over the weights that can move."""
        return self.radius * unit(torch.where(self.c > 0, noise, 0.0))

    def ascent(self, gradient: Tensor) -> Tensor:
        """Return the solution of max ⟨g, c ⊙ γ⟩ subject to ‖γ‖₂ ≤ 1."""
        return unit(self.c * gradient)

    def project(self, x: Tensor) -> Tensor:
        """Project radially."""
        norm = length(x)
        return torch.where(norm > self.radius, x * (self.radius / norm), x)


class Linf(Ball):
    """Box ‖γ‖∞ ≤ ρ."""

    @staticmethod
    def noise(like: Tensor, generator: torch.Generator) -> Tensor:
        """Draw uniform noise in [-1, 1]."""
        return torch.empty_like(like).uniform_(-1, 1, generator=generator)

    def start(self, noise: Tensor) -> Tensor:
        """Return a point that is uniform in the box."""
        return self.radius * noise

    def ascent(self, gradient: Tensor) -> Tensor:
        """Return the solution of max ⟨g, c ⊙ γ⟩ subject to ‖γ‖∞ ≤ 1."""
        return (self.c * gradient).sign()

    def project(self, x: Tensor) -> Tensor:
        """Clamp to the box."""
        return x.clamp(-self.radius, self.radius)


class _InWeights(Ball):
    """Ball in the coordinates of the released code: x is δ."""

    def perturbation(self, x: Tensor) -> Tensor:
        return x


class ReleasedLinf(_InWeights, Linf):
    """Box |δ| ≤ ρ c in the coordinates of the weights."""

    def start(self, noise: Tensor) -> Tensor:
        """Return a point that is uniform in the box."""
        return self.radius * self.c * noise

    def ascent(self, gradient: Tensor) -> Tensor:
        """Return the step c ⊙ sign(g) of the released code, for the gradient g."""
        return gradient.sign() * self.c

    def project(self, x: Tensor) -> Tensor:
        """Clamp each weight to its own interval."""
        return x.clamp(-self.radius * self.c, self.radius * self.c)


@dataclass(frozen=True)
class ReleasedL2(_InWeights, L2):
    """Ellipsoid ‖δ / c‖₂ ≤ ρ with the released step and projection.

    The step is proportional to c ⊙ g where steepest ascent has c² ⊙ g, and the projection is
    Euclidean, found by bisection to within ``TOLERANCE`` in the norm.
    """

    zero_weight_skips_projection: bool = False

    def start(self, noise: Tensor) -> Tensor:
        """Return a random point on the ellipsoid."""
        return self.c * super().start(noise)

    def ascent(self, gradient: Tensor) -> Tensor:
        """Return the step c ⊙ g / ‖g‖₂."""
        return gradient * self.c / (length(gradient) + 1e-12)

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest point of the ellipsoid, δ / (1 + 2λ / c²), with λ by bisection."""
        movable = self.c > 0
        if self.zero_weight_skips_projection and not movable.all():
            return x
        c = torch.where(movable, self.c, 1.0)
        norm = length(x / c)
        return x if norm <= self.radius + TOLERANCE else self._bisect(x, c)

    def _bisect(self, x: Tensor, c: Tensor) -> Tensor:
        multiplier, low, high, limit = 0.1, 0.0, 10.0, 10.0
        for _ in range(200):
            point = x / (1 + 2 * multiplier / c.square())
            excess = (length(point / c) - self.radius).item()
            if abs(excess) <= TOLERANCE:
                break
            if excess > 0:
                multiplier, low = (multiplier + high) / 2, multiplier
            else:
                multiplier, high = (low + multiplier) / 2, multiplier
            if limit - high < 1e-2:
                limit, high = 2 * limit, 2 * high
        return point


def unit(vector: Tensor) -> Tensor:
    """Scale a vector to length one; the zero vector is returned unchanged."""
    norm = length(vector)
    return torch.where(norm > 0, vector / norm, vector)


NORMS: dict[str, type[Ball]] = {"l2": L2, "linf": Linf}


def ball(definition: Definition, radius: float, c: Tensor, protocol: Protocol) -> Ball:
    """Return the perturbation set of a definition at radius ρ with the scaling c, (p,).

    Without the adaptive scaling the two protocols' coordinates are the same.
    """
    if protocol.round_ball or not definition.adaptive:
        return NORMS[definition.norm](radius, c)
    if definition.norm == "linf":
        return ReleasedLinf(radius, c)
    return ReleasedL2(radius, c, protocol.zero_weight_skips_projection)
