"""Geodesic sharpness of attention, worst case (da Silva, Dangel & Oore, 2025, Eq. 4, Algorithm 1).

Perturbations are tangent vectors ξ = (a, b) of each pair (G, H) of an attention head (`blocks`), in
a metric that does not see G → G A⁻¹, H → H Aᵀ, and horizontal: orthogonal to that symmetry. All
other weights are adaptive: ‖δ / |w|‖, on a straight line. The weights move along the geodesic to
second order, w(ξ) = w + ξ − ½ Γ(ξ) (Eq. 5).

Everything is computed in the balanced gauge (`gauge`), which is ours. There GᵀG = HᵀH = S is
diagonal, so both metrics (Eqs. 9 and 10) are round in x = ξ / c, with c = √s ("inv") or 1/√s
("mix") on each column, and the Sylvester equation of the projection is solved entry by entry. The
unit steps, the first step 2ρ and the start are those of ``worst``, not the paper's.

Misprints of the paper, corrected here: the projection of "inv" is printed as AΛ + ΛAᵀ = B, whose
result is not horizontal; X = Λᵀ solves AX + XA = B. Its condition for horizontal vectors has one
transpose too many, on b. Eq. 1 prints ‖δ ⊙ c‖ for ‖δ / c‖.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from sharpness.measures.ball import L2, unit_
from sharpness.measures.blocks import Pairs
from sharpness.measures.gauge import scaling

Metric = Literal["inv", "mix"]
POWER: dict[Metric, float] = {"inv": 0.5, "mix": -0.5}
"""Power of s that gives c."""


@dataclass(frozen=True)
class GeodesicBall(L2):
    """Horizontal tangent vectors ‖ξ‖ ≤ ρ at balanced ``weights`` (p,), in coordinates x = ξ / c."""

    weights: Tensor
    pairs: Sequence[Pairs]
    metric: Metric

    @classmethod
    def at(
        cls,
        weights: Tensor,
        pairs: Sequence[Pairs],
        metric: Metric,
        radius: float,
        frozen: Tensor | None = None,
    ) -> GeodesicBall:
        """Return the ball around ``weights`` (p,), which are in the balanced gauge.

        Weights do not move where ``frozen``, (p,), is true.
        """
        spectra = [weights[pair.G].square().sum(dim=-2) for pair in pairs]
        c = scaling(weights, pairs, spectra, POWER[metric], frozen)
        return cls(radius, c, weights, pairs, metric)

    def start(self, noise: Tensor) -> Tensor:
        """Return a random horizontal vector of length ρ."""
        return super().start(self.horizontal(torch.where(self.c > 0, noise, 0.0)))

    def ascent_(self, gradient: Tensor) -> Tensor:
        """Return the horizontal unit vector of steepest ascent."""
        return unit_(self.horizontal(gradient.mul_(self.c)))

    def project_(self, x: Tensor) -> Tensor:
        """Return the nearest point of the ball: horizontal, then radial."""
        return super().project_(self.horizontal(x))

    def perturbation(self, x: Tensor) -> Tensor:
        """Return w(ξ) − w = ξ − ½ Γ(ξ) at ξ = c ⊙ x."""
        return self._along_the_geodesic(self.c * x)

    def pullback(self, x: Tensor, gradient: Tensor) -> Tensor:
        """Return the derivative with respect to ξ, given the one with respect to w(ξ)."""
        with torch.enable_grad():
            xi = (self.c * x).detach().requires_grad_()
            (found,) = torch.autograd.grad(self._along_the_geodesic(xi), xi, gradient)
        return found

    def _along_the_geodesic(self, xi: Tensor) -> Tensor:
        delta = xi.clone()
        for pair, at in zip(self.pairs, self._at, strict=True):
            gammas = christoffel(self.metric, *at, xi[pair.G], xi[pair.H])
            for place, gamma in zip((pair.G, pair.H), gammas, strict=True):
                delta[place] = xi[place] - gamma / 2
        return delta

    def horizontal(self, x: Tensor) -> Tensor:
        """Return the orthogonal projection of x (p,) to horizontal vectors."""
        found = x.clone()
        for pair, at in zip(self.pairs, self._at, strict=True):
            c = self.c[pair.G[:, :1]], self.c[pair.H[:, :1]]
            a, b = x[pair.G] * c[0], x[pair.H] * c[1]
            a, b = horizontal(self.metric, *at, a, b)
            for place, part, each in zip((pair.G, pair.H), (a, b), c, strict=True):
                found[place] = torch.where(each > 0, part / each, 0.0)
        return found

    @cached_property
    def _at(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """G, H and s, (blocks, h), of all pairs; s of columns that do not move is 1."""
        found = []
        for pair in self.pairs:
            G, H = self.weights[pair.G], self.weights[pair.H]
            s = G.square().sum(dim=-2)
            found.append((G, H, torch.where(self.c[pair.G[:, 0]] > 0, s, 1.0)))
        return found


def horizontal(
    metric: Metric, G: Tensor, H: Tensor, s: Tensor, a: Tensor, b: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (a + G Λ, b − H Λᵀ), the horizontal part of a tangent vector at balanced (G, H).

    "inv": aᵀG Q = P Hᵀb. "mix": Gᵀa Q = P bᵀH. Here P = Q = diag(s); s is (blocks, h).
    """
    if metric == "inv":
        B = s[:, :, None] * (H.mT @ b) - (a.mT @ G) * s[:, None, :]
        Lambda = (B / (s[:, :, None].square() + s[:, None, :].square())).mT
    else:
        Lambda = ((b.mT @ H) / s[:, None, :] - (G.mT @ a) / s[:, :, None]) / 2
    return a + G @ Lambda, b - H @ Lambda.mT


def christoffel(
    metric: Metric, G: Tensor, H: Tensor, s: Tensor, a: Tensor, b: Tensor
) -> tuple[Tensor, Tensor]:
    """Return Γ(ξ) of G and of H (Eqs. 11 and 12) at balanced (G, H), where P = Q = diag(s)."""
    inverse = 1 / s[:, None, :]
    at, bt = a.mT @ G + G.mT @ a, b.mT @ H + H.mT @ b
    if metric == "inv":
        return tuple(  # type: ignore[return-value]
            ((W * inverse) @ (v.mT @ v) - (v * inverse) @ sym)
            for W, v, sym in ((G, a, at), (H, b, bt))
        )
    return (a @ bt - G @ (b.mT @ b)) * inverse, (b @ at - H @ (a.mT @ a)) * inverse
