"""Definitions of sharpness, cells and protocols.

A *definition* is one of the combinations of App. H.4 of Andriushchenko et al. (2023). A *cell* is
one definition at one radius, measured in one way. A *protocol* holds the settings in which the
paper's text and the authors' released code differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from sharpness.io.errors import UserError

Case = Literal["average", "worst"]
Norm = Literal["l2", "linf"]
Data = Literal["original", "augmented"]
Precision = Literal["float32", "mixed"]
"""Of the gradients of Auto-PGD: that of the weights, or with matrix products in bfloat16."""

_SYMBOL = {"l2": "ℓ2", "linf": "ℓ∞"}


@dataclass(frozen=True, order=True)
class Definition:
    """One definition of sharpness (Eq. 1 and App. H.4).

    Attributes:
        case: expectation over perturbations ("average") or their maximum ("worst").
        norm: geometry of the perturbations. Average-case ℓ2 is Gaussian, ℓ∞ uniform in the box.
        adaptive: perturbations proportional to |w| (c = |w|) rather than alike (c = 1).
        logit_norm: whether the logits are normalized before the loss (Eq. 5).
        gauge: whether attention heads are first balanced, with the scaling of `gauge`; adaptive
            alone. Ours, not the paper's.
    """

    case: Case
    norm: Norm
    adaptive: bool
    logit_norm: bool
    gauge: bool = False

    def __post_init__(self) -> None:
        """Raise UserError if a field has a value that is not allowed."""
        for name, value, allowed in (
            ("case", self.case, get_args(Case)),
            ("norm", self.norm, get_args(Norm)),
            ("adaptive", self.adaptive, (True, False)),
            ("logit_norm", self.logit_norm, (True, False)),
            ("gauge", self.gauge, (True, False) if self.adaptive else (False,)),
        ):
            if value not in allowed:
                words = ", ".join(map(str, allowed))
                raise UserError(f"definition: {name} is {value!r}; it is one of {words}")

    @property
    def id(self) -> str:
        """Return the id, such as ``worst-linf-adaptive-normlogits``."""
        scale = "adaptive" if self.adaptive else "standard"
        logits = "normlogits" if self.logit_norm else "rawlogits"
        gauge = "-gauge" if self.gauge else ""
        return f"{self.case}-{self.norm}-{scale}-{logits}{gauge}"

    @property
    def title(self) -> str:
        """Return a title without the logit normalization, such as ``Adaptive worst-case ℓ∞``."""
        scale = "Adaptive" if self.adaptive else "Standard"
        case = "avg-case" if self.case == "average" else "worst-case"
        gauge = ", balanced heads" if self.gauge else ""
        return f"{scale} {case} {_SYMBOL[self.norm]}{gauge}"

    @classmethod
    def parse(cls, word: str) -> Definition:
        """Return the definition with the given id; raise UserError if there is none."""
        if word not in _BY_ID:
            raise UserError(f"definition {word!r} is unknown; one of {', '.join(_BY_ID)}")
        return _BY_ID[word]


ALL = tuple(
    Definition(case, norm, adaptive, logit_norm)
    for norm in get_args(Norm)
    for adaptive, logit_norm in ((False, False), (True, False), (True, True), (False, True))
    for case in get_args(Case)
)
"""Every combination. App. H.4 lists all but standard with normalized logits."""

GAUGED = tuple(replace(definition, gauge=True) for definition in ALL if definition.adaptive)
"""The adaptive ones in the balanced gauge."""

IN_ORDER = (*ALL, *GAUGED)
"""The order in which cells are listed."""

_BY_ID = {definition.id: definition for definition in IN_ORDER}

PAPER = tuple(d for d in ALL if d.adaptive or not d.logit_norm)
"""The 12 definitions of App. H.4."""


@dataclass(frozen=True, order=True)
class Cell:
    """One definition at one radius, measured in one way.

    Attributes:
        radius: ρ of Eq. 1.
        protocol: name of the preset, ``paper`` or ``released``.
        data: the training points as they are, or one augmented view of each (App. H.1).
        m: examples per batch; None takes the pool's.
        steps: Auto-PGD iterations; None takes the protocol's or the pool's.
        restarts: random starts of Auto-PGD, of which the best counts; None is the paper's one.
        samples: draws per batch in the average case; None takes the protocol's or the pool's.
    """

    definition: Definition
    radius: float
    protocol: str = "paper"
    data: Data = "original"
    m: int | None = None
    steps: int | None = None
    restarts: int | None = None
    samples: int | None = None

    @property
    def id(self) -> str:
        """Return the id, such as ``worst-linf-adaptive-normlogits@0.001+paper+m16``."""
        parts = [f"{self.definition.id}@{self.radius:.12g}", self.protocol]
        parts += ["augmented"] if self.data == "augmented" else []
        parts += [f"m{self.m}"] if self.m is not None else []
        parts += [f"steps{self.steps}"] if self.steps is not None else []
        parts += [f"restarts{self.restarts}"] if self.restarts is not None else []
        parts += [f"samples{self.samples}"] if self.samples is not None else []
        return "+".join(parts)

    @classmethod
    def parse(cls, word: str) -> Cell:
        """Return the cell with the given id; raise UserError if there is none."""
        try:
            measured, protocol, *ways = word.split("+")
            definition, radius = measured.split("@")
            numbers = dict(re.findall(r"\b(m|steps|restarts|samples)(\d+)\b", "+".join(ways)))
            cell = cls(
                Definition.parse(definition),
                float(radius),
                protocol,
                "augmented" if "augmented" in ways else "original",
                **{name: int(number) for name, number in numbers.items()},
            )
        except ValueError as error:
            raise UserError(
                f"cell {word!r} is not of the form definition@radius+protocol"
            ) from error
        if cell.id != word:
            raise UserError(f"cell {word!r} is not canonical; did you mean {cell.id!r}?")
        return cell


@dataclass(frozen=True)
class Estimate:
    """A measured sharpness with its standard error.

    Attributes:
        value: mean of ``per_batch`` weighted by examples.
        stderr: standard error of ``value``: over batches, which contains the noise of the draws;
            with one batch, over the draws; NaN if there is only one value.
        per_batch: sharpness of each batch, (batches,).
        per_batch_stderr: standard error over the draws within each batch, (batches,); NaN in the
            worst case, which has no draws.
        examples: size of each batch, (batches,).
    """

    value: float
    stderr: float
    per_batch: tuple[float, ...]
    per_batch_stderr: tuple[float, ...]
    examples: tuple[int, ...]


@dataclass(frozen=True)
class Protocol:
    """Settings in which the paper's text and the released code differ.

    Attributes:
        name: its name in rows and tables.
        samples: perturbations per batch in the average case.
        steps: iterations of Auto-PGD.
        random_start: start at a random feasible point (App. C) or at the weights.
        round_ball: optimise γ = δ / c, where every ball is round, or δ itself with the released
            code's steps and its bisected projection on the ellipsoid.
        heavy_ball: momentum of Algorithm 1, line 8, after a full first step; otherwise
            δ ← 0.75 z + 0.25 δ_prev from the first step on.
        restart_iterate: a halving moves the iterate to the best point (Algorithm 1, line 14);
            otherwise only the next gradient is taken there.
        count_increases: condition 1 counts f(k+1) > f(k) (Croce & Hein, 2020) or new bests.
        late_checks: the checkpoint w is reached after w steps, or one later (0-based counting).
        logit_scale: divisor of Eq. 5: the root mean square ("rms") or the ℓ2 norm ("norm", after
            centring), which differ by √K.
        zero_weight_skips_projection: the released code's behaviour at an exactly zero weight in the
            adaptive ℓ2 ball: 0/0 switches the projection off. By default such a weight stays put.
    """

    name: str
    samples: int = field(kw_only=True)
    steps: int = field(kw_only=True)
    random_start: bool = field(kw_only=True)
    round_ball: bool = field(kw_only=True)
    heavy_ball: bool = field(kw_only=True)
    restart_iterate: bool = field(kw_only=True)
    count_increases: bool = field(kw_only=True)
    late_checks: bool = field(kw_only=True)
    logit_scale: Literal["rms", "norm"] = field(kw_only=True)
    zero_weight_skips_projection: bool = field(default=False, kw_only=True)

    @classmethod
    def named(cls, name: str | Protocol) -> Protocol:
        """Return the preset with this name, or raise UserError; return a ``Protocol`` unchanged."""
        if isinstance(name, Protocol):
            return name
        if not isinstance(name, str) or name not in PROTOCOLS:
            raise UserError(f"protocol {name!r} is unknown; one of {', '.join(PROTOCOLS)}")
        return PROTOCOLS[name]


PROTOCOLS = {
    "paper": Protocol(
        "paper",
        samples=100,
        steps=20,
        random_start=True,
        round_ball=True,
        heavy_ball=True,
        restart_iterate=True,
        count_increases=True,
        late_checks=False,
        logit_scale="rms",
    ),
    "released": Protocol(
        "released",
        samples=20,
        steps=20,
        random_start=False,
        round_ball=False,
        heavy_ball=False,
        restart_iterate=False,
        count_increases=False,
        late_checks=True,
        logit_scale="norm",
    ),
}
"""The two presets: the paper's text, and the authors' code."""
