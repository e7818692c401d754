"""Perturbation sets of Eq. 1: one class for each norm and coordinate system.

Each ball has its own coordinates x. In the paper's protocol x is γ = δ / c, in which every ball is
round and the definition is exactly invariant under w → w ⊙ a; in the released code x is δ itself.
A weight that is exactly zero has c = 0 and never moves.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

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
BLOCK = 2**20
"""Entries of a vector that are computed at a time where the whole would need another vector."""


def scaling(weights: Tensor, adaptive: bool) -> Tensor:
    """Return the scaling c of Eq. 1, (p,): |w| if adaptive, 1 otherwise."""
    return weights.abs() if adaptive else torch.ones_like(weights)


def length(x: Tensor) -> Tensor:
    """Return ‖x‖₂. ``norm()`` of 10⁷ float32 weights is off by 10⁻³ on a CPU; sums add in pairs."""
    return _length_of(x.split(BLOCK))


def _length_of(parts: Iterable[Tensor]) -> Tensor:
    return torch.stack([part.square().sum() for part in parts]).sum().sqrt()


def blocks(*vectors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield views of ``BLOCK`` entries of some vectors (p,), at the same places."""
    return zip(*(vector.split(BLOCK) for vector in vectors), strict=True)


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
    def ascent_(self, gradient: Tensor) -> Tensor:
        """Return the direction of a step of unit length, given the gradient with respect to δ.

        As ``project_``, it may write to its argument: a vector is a third of a gigabyte.
        """

    @abstractmethod
    def project_(self, x: Tensor) -> Tensor:
        """Return a nearest point of the ball."""

    def perturbation(self, x: Tensor) -> Tensor:
        """Return δ at the coordinates x, as a new vector."""
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
        return unit_(torch.where(self.c > 0, noise, 0.0)).mul_(self.radius)

    def ascent_(self, gradient: Tensor) -> Tensor:
        """Return the solution of max ⟨g, c ⊙ γ⟩ subject to ‖γ‖₂ ≤ 1."""
        return unit_(gradient.mul_(self.c))

    def project_(self, x: Tensor) -> Tensor:
        """Project radially."""
        norm = length(x)
        return x.mul_(torch.where(norm > self.radius, self.radius / norm, 1.0))


class Linf(Ball):
    """Box ‖γ‖∞ ≤ ρ."""

    @staticmethod
    def noise(like: Tensor, generator: torch.Generator) -> Tensor:
        """Draw uniform noise in [-1, 1]."""
        return torch.empty_like(like).uniform_(-1, 1, generator=generator)

    def start(self, noise: Tensor) -> Tensor:
        """Return a point that is uniform in the box."""
        return self.radius * noise

    def ascent_(self, gradient: Tensor) -> Tensor:
        """Return the solution of max ⟨g, c ⊙ γ⟩ subject to ‖γ‖∞ ≤ 1."""
        return gradient.mul_(self.c).sign_()

    def project_(self, x: Tensor) -> Tensor:
        """Clamp to the box."""
        return x.clamp_(-self.radius, self.radius)


class _InWeights(Ball):
    """Ball in the coordinates of the released code: x is δ."""

    def perturbation(self, x: Tensor) -> Tensor:
        return x.clone()


class ReleasedLinf(_InWeights, Linf):
    """Box |δ| ≤ ρ c in the coordinates of the weights."""

    def start(self, noise: Tensor) -> Tensor:
        """Return a point that is uniform in the box."""
        return self.radius * self.c * noise

    def ascent_(self, gradient: Tensor) -> Tensor:
        """Return the step c ⊙ sign(g) of the released code, for the gradient g."""
        return gradient.sign_().mul_(self.c)

    def project_(self, x: Tensor) -> Tensor:
        """Clamp each weight to its own interval."""
        for part, c in blocks(x, self.c):
            width = self.radius * c
            part.clamp_(-width, width)
        return x


@dataclass(frozen=True)
class ReleasedL2(_InWeights, L2):
    """Ellipsoid ‖δ / c‖₂ ≤ ρ with the released step and projection.

    The step is proportional to c ⊙ g where steepest ascent has c² ⊙ g, and the projection is
    Euclidean. The released code finds it by bisection, to within ``TOLERANCE`` in the norm.
    """

    zero_weight_skips_projection: bool = False

    def start(self, noise: Tensor) -> Tensor:
        """Return a random point on the ellipsoid."""
        return self.c * super().start(noise)

    def ascent_(self, gradient: Tensor) -> Tensor:
        """Return the step c ⊙ g / ‖g‖₂."""
        norm = length(gradient)
        return gradient.mul_(self.c).div_(norm + 1e-12)

    def project_(self, x: Tensor) -> Tensor:
        """Return the nearest point of the ellipsoid, δ / (1 + 2λ / c²)."""
        if self._skips:
            return x
        norm = _length_of(part / torch.where(c > 0, c, 1.0) for part, c in blocks(x, self.c))
        return x if norm <= self.radius + TOLERANCE else self._nearest_(x)

    @cached_property
    def _skips(self) -> bool:
        return self.zero_weight_skips_projection and not bool((self.c > 0).all())

    def _nearest_(self, x: Tensor) -> Tensor:
        """Return δ(λ) for the λ at which the released bisection of ‖δ(λ) / c‖₂ = ρ ends.

        It ends between the λ of ρ + ``TOLERANCE`` and of ρ − ``TOLERANCE``; these are found first,
        so that a GPU waits for two numbers in place of one for each step of the bisection.
        """
        least = self._newton(x, torch.zeros((), dtype=torch.float64, device=x.device), TOLERANCE)
        most = self._newton(x, least, -TOLERANCE, steps=4)
        multiplier = least.new_tensor(_bisect(*torch.stack([least, most]).tolist()))
        for part, c in blocks(x, self.c):
            part.mul_(c).div_(_divisor(c, multiplier)).mul_(c)
        return x

    def _newton(self, x: Tensor, multiplier: Tensor, excess: float, steps: int = 14) -> Tensor:
        """Solve ‖δ(λ) / c‖₂ = ρ + ``excess`` for λ, from a smaller one; infinite if there is none.

        The reciprocal of the norm is concave and almost linear in λ, so the iterates of Newton's
        method rise to the solution without a safeguard. 14 steps are enough for weights of a
        log-standard deviation of 4, 8 for normal ones.
        """
        wanted = self.radius + excess
        if wanted <= 0:
            return torch.full_like(multiplier, math.inf)
        for _ in range(steps):
            total = slope = torch.zeros_like(multiplier)
            for part, c in blocks(x, self.c):
                divisor = _divisor(c, multiplier)
                squares = (part * c).div_(divisor).square_()  # of δ(λ) / c
                total = total + squares.sum(dtype=torch.float64)
                slope = slope + squares.div_(divisor).sum(dtype=torch.float64)
            multiplier = multiplier + total / (2 * slope) * (total.sqrt() / wanted - 1)
        return multiplier


def _divisor(c: Tensor, multiplier: Tensor) -> Tensor:
    """Return c² + 2λ, above zero where c² underflows."""
    found = torch.addcmul(2 * multiplier.to(c.dtype), c, c)
    return found.clamp_min_(torch.finfo(c.dtype).tiny)


def _bisect(least: float, most: float) -> float:
    """Return the λ at which the released bisection stops: the first in [``least``, ``most``]."""
    multiplier, low, high, limit = 0.1, 0.0, 10.0, 10.0
    for _ in range(200):
        if least <= multiplier <= most:
            break
        if multiplier < least:
            multiplier, low = (multiplier + high) / 2, multiplier
        else:
            multiplier, high = (low + multiplier) / 2, multiplier
        if limit - high < 1e-2:
            limit, high = 2 * limit, 2 * high
    return multiplier


def unit_(vector: Tensor) -> Tensor:
    """Scale a vector to length one, in place; the zero vector is unchanged."""
    norm = length(vector)
    return vector.div_(torch.where(norm > 0, norm, 1.0))


NORMS: dict[str, type[Ball]] = {"l2": L2, "linf": Linf}


def unit_noise(norm: str, like: Tensor, seed: int, batch: int, draw: int) -> Tensor:
    """Draw the unit noise of a norm, shaped as ``like``, for a draw (or start) in a batch."""
    return NORMS[norm].noise(like, noise_generator(like.device, seed, batch, draw))


def ball(definition: Definition, radius: float, c: Tensor, protocol: Protocol) -> Ball:
    """Return the perturbation set of a definition at radius ρ with the scaling c, (p,).

    Without the adaptive scaling the two protocols' coordinates are the same.
    """
    if protocol.round_ball or not definition.adaptive:
        return NORMS[definition.norm](radius, c)
    if definition.norm == "linf":
        return ReleasedLinf(radius, c)
    return ReleasedL2(radius, c, protocol.zero_weight_skips_projection)
