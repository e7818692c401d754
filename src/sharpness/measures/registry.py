"""Registry of all measures of a model: what each costs, needs, and does not see. Needs no torch.

A measure is one file with an entry here, or in another package with an entry point. The definitions
of sharpness are one entry, ``SHARPNESS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import Any, Literal

from sharpness.io.errors import UserError
from sharpness.measures.definition import IN_ORDER, Definition

GROUP = "sharpness.measures"
"""Entry points of other packages: each names a `Measure`."""

Need = Literal["data", "labels", "initial weights", "attention"]
Symmetry = Literal["layers", "neurons", "layer norm", "heads", "biases", "softmax"]

SYMMETRIES: dict[Symmetry, str] = {
    "layers": "W₁ a, W₂ / a around a ReLU without biases",
    "neurons": "the same with a factor of its own for every hidden unit",
    "layer norm": "gain of a LayerNorm times a, the attention's linear layer after it over a",
    "heads": "(G, H) → (G A⁻¹, H Aᵀ) in an attention head, A ∈ GL(h)",
    "biases": "b_K + t; b_V + t, b_O − W_O t in an attention layer",
    "softmax": "rows of the last layer w_s → w_s + v",
}
"""Changes of the weights that leave the function or its probabilities as they are."""

Symmetries = frozenset[Symmetry]

NONE: Symmetries = frozenset()
PLAIN: Symmetries = frozenset({"softmax"})
LAYERS: Symmetries = frozenset({"layers"})
RESCALING: Symmetries = frozenset({"layers", "neurons", "layer norm"})
GAUGE: Symmetries = frozenset({"layers", "neurons", "heads"})
FOLDED: Symmetries = GAUGE | {"layer norm", "biases"}
MATRICES: Symmetries = frozenset({"biases"})
LAST: Symmetries = frozenset({"layers", "layer norm", "heads", "biases", "softmax"})
EVERY: Symmetries = frozenset(SYMMETRIES)
LINEAR: Symmetries = EVERY - {"biases"}

DATA: tuple[Need, ...] = ("data",)
POINTS: tuple[Need, ...] = ("data", "labels")
HEADS: tuple[Need, ...] = ("data", "labels", "attention")
START: tuple[Need, ...] = ("initial weights",)

Effort = Literal["steps", "samples"]


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        name: of words and hyphens, at least one, so that no hyper-parameter is called so.
        title: what it is, in a few words.
        where: ``package.module:function``, a function of a `Subject` and a `Measurement`.
        passes: its cost in forward passes over all points, a gradient being three.
        variants: for each combination of options, "" for none, what leaves the value unchanged.
        needs: what must be there for it to have a value.
        radius: whether its ids have a radius.
        effort: which number of the plan its value depends on: steps or samples of the cells.
        revision: increased with any code change that changes a value; all are then computed anew.
        rises: whether its value is the rise of the loss at the radius, so that radii can be found.
    """

    name: str
    title: str
    where: str
    passes: int
    variants: Mapping[str, Symmetries]
    needs: tuple[Need, ...] = ("data", "labels")
    radius: bool = False
    effort: Effort | None = None
    revision: int = 1
    rises: bool = False

    @property
    def function(self) -> Callable[..., Any]:
        """Return its function, for which the module is imported."""
        function: Callable[..., Any] = resolve_name(self.where)
        return function


def _seen_by(definition: Definition) -> Symmetries:
    """Return the symmetries of a definition of sharpness."""
    if definition.gauge:
        return GAUGE
    return RESCALING if definition.adaptive else PLAIN


def _own(
    name: str,
    title: str,
    file: str,
    passes: int,
    variants: Mapping[str, Symmetries],
    needs: tuple[Need, ...] = POINTS,
    effort: Effort | None = None,
) -> Measure:
    """Return an entry of this project: ``module:function``; names with radii end in "@" or "@auto".

    "@auto" are those whose radii can be found.
    """
    where = f"sharpness.measures.{file}"
    name, at, auto = name.partition("@")
    found = Measure(name, title, where, passes, variants, needs, bool(at), effort)
    return replace(found, rises=bool(auto))


_SCALED = {"": PLAIN, "adaptive": RESCALING, "gauge": GAUGE, "gauge+folded": FOLDED}
_HEADS = {"": GAUGE, "folded": FOLDED}
_MARGIN = {"": LAYERS | MATRICES, "margin": LAYERS | MATRICES}
_KINDS = ("", "error", "variance", "error+variance")
_RADIUS = {
    **dict.fromkeys(_KINDS, PLAIN),
    **{"+".join(filter(None, ["magnitude", kind])): NONE for kind in _KINDS},
}

_CONSTANT, _FUNCTION, _MATRICES = {"": NONE}, {"": EVERY}, {"": MATRICES}
_NORM, _MOVED = "matrices:matrix_norm", "matrices:matrix_distance"
_GEODESIC, _HESSIAN = "geodesic_sharpness:geodesic_sharpness", "curvature:hessian"
_INV, _MIX = "worst case in metric inv", "worst case in metric mix"
_KAPPA, _SIGMA = "relative_flatness:relative_flatness", "critical_radius:critical_radius"
_LPF = "low_pass_filter:low_pass_filter"
_FLAT = {"": LAST, "normalized": EVERY}

SHARPNESS = Measure(
    "sharpness",
    "rise of the loss in a ball of weights",
    "sharpness.measures.sharpness:sharpness",
    100,
    {definition.id: _seen_by(definition) for definition in IN_ORDER},
    POINTS,
    radius=True,
)

OWN = (
    SHARPNESS,
    _own("training-loss", "mean loss", "controls:training_loss", 1, _FUNCTION),
    _own("margin-p10", "10th percentile of margins", "controls:margin", 1, _FUNCTION),
    _own("parameter-count", "number of weights", "controls:parameter_count", 0, _FUNCTION, ()),
    _own("weight-norm", "‖w‖₂", "controls:weight_norm", 0, _CONSTANT, ()),
    _own("initial-distance", "‖w − w₀‖₂", "controls:initial_distance", 0, _CONSTANT, START),
    _own("frobenius-norm", "Σ ‖W_i‖_F²", _NORM, 0, _MATRICES, ()),
    _own("frobenius-product", "Σ log ‖W_i‖_F²", _NORM, 0, _MARGIN, ()),
    _own("frobenius-sum", "log ℓ + mean log ‖W_i‖_F²", _NORM, 0, _MARGIN, ()),
    _own("frobenius-distance", "Σ ‖W_i − W_i⁰‖_F²", _MOVED, 0, _MATRICES, START),
    _own("spectral-norm", "Σ ‖W_i‖₂²", _NORM, 0, _MATRICES, ()),
    _own("spectral-product", "Σ log ‖W_i‖₂²", _NORM, 0, _MARGIN, ()),
    _own("spectral-sum", "log ℓ + mean log ‖W_i‖₂²", _NORM, 0, _MARGIN, ()),
    _own("spectral-distance", "Σ ‖W_i − W_i⁰‖₂²", _MOVED, 0, _MATRICES, START),
    _own("stable-rank", "Σ ‖W_i‖_F² / ‖W_i‖₂²", _NORM, 0, _MARGIN, ()),
    _own("spectral-complexity", "Σ log ‖W_i‖₂² + log of stable-rank", _NORM, 0, _MARGIN, ()),
    _own("path-norm", "output of w² on ones", "controls:path_norm", 0, {"": RESCALING}, DATA),
    _own("low-pass-filter@", "loss under noise", _LPF, 100, {"": PLAIN}, POINTS, "samples"),
    _own("fisher-rao", "wᵀFw", "fisher_rao:fisher_rao", 6, {"": LINEAR}, DATA),
    _own("fisher-trace", "tr(F ⊙ ccᵀ)", "fisher_rao:fisher_trace", 31, _SCALED, DATA),
    _own("relative-flatness", "κ of the last layer", _KAPPA, 1, _FLAT, DATA),
    _own("gradient-norm", "‖c ⊙ ∇L‖₂", "gradient_norm:gradient_norm", 3, _SCALED),
    _own("geodesic-inv@auto", _INV, _GEODESIC, 61, _HEADS, HEADS, "steps"),
    _own("geodesic-mix@auto", _MIX, _GEODESIC, 61, _HEADS, HEADS, "steps"),
    _own("critical-radius", "noise that raises the loss by 0.1", _SIGMA, 170, _RADIUS),
    _own("hessian-trace", "tr(∇²L ⊙ ccᵀ)", _HESSIAN, 285, _SCALED),
    _own("hessian-frobenius", "‖∇²L ⊙ ccᵀ‖_F", _HESSIAN, 285, _SCALED),
    _own("hessian-largest", "λmax(∇²L ⊙ ccᵀ)", _HESSIAN, 570, _SCALED),
)
"""The measures of this project."""


@cache
def measures() -> dict[str, Measure]:
    """Return all measures by name: this project's, then those of other packages.

    Raises:
        UserError: if an entry point is no `Measure`, or its name is taken or has no hyphen.
    """
    found = {measure.name: measure for measure in OWN}
    for point in entry_points(group=GROUP):
        measure = point.load()
        where = f"entry point {point.name} of {GROUP}: {point.value}"
        if not isinstance(measure, Measure):
            raise UserError(f"{where} is no sharpness.measures.registry.Measure")
        if measure.name in found or "-" not in measure.name:
            raise UserError(f"{where}: the name {measure.name!r} is taken, or has no hyphen")
        found[measure.name] = measure
    return found
