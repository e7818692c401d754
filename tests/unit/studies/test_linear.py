"""Figure 1: sharpness against the scale of a linear model's weights."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sharpness import Definition, sharpness
from sharpness.io.errors import UserError
from sharpness.io.files import write_csv
from sharpness.studies.linear.curves import (
    CLASSES,
    COLUMNS,
    DEFINITIONS,
    RADII,
    SCALES,
    Classifier,
    adaptive_curves,
    exact_sharpness,
    gaussians,
    margin_radius,
    published_curves,
    two_gaussians,
)
from sharpness.studies.linear.figure1 import compose, summarise

RAW = [definition for definition in DEFINITIONS if not definition.logit_norm]
WORST = [definition for definition in RAW if definition.case == "worst"]


def ident(definition: Definition) -> str:
    return definition.id


def values(rows: list[dict], **where: object) -> np.ndarray:
    """The sharpness of the rows that have these entries, in the order of the scales."""
    kept = [row for row in rows if all(row[name] == value for name, value in where.items())]
    assert [row["scale"] for row in kept] == list(SCALES)
    return np.array([row["sharpness"] for row in kept])


def assert_hump(curve: np.ndarray) -> None:
    """Rises to an inner peak, then falls, the tail being zero beside the peak."""
    peak = int(curve.argmax())
    assert 5 < peak < len(curve) - 5
    assert (np.diff(curve[: peak + 1]) > 0).all()
    assert (np.diff(curve[peak:]) <= 0).all()
    assert curve[0] < 0.02 * curve[peak]
    assert 0 <= curve[-1] < 1e-12 * curve[peak]


@pytest.fixture(scope="module")
def published() -> list[dict]:
    return published_curves(0)


@pytest.fixture(scope="module")
def ours() -> list[dict]:
    return adaptive_curves(0)


def test_seed_0_gives_what_the_notebook_prints(published: list[dict]) -> None:
    """‖w‖₂, the loss, and the sharpness at every fifth scale for each radius."""
    model = two_gaussians(0)
    f = model.targets * (model.inputs @ model.weights)
    assert np.linalg.norm(model.weights) == pytest.approx(6.2469, abs=5e-5)
    assert np.logaddexp(0, -f).mean() == pytest.approx(0.0020, abs=5e-5)
    printed = {
        0.5: [0.0016, 0.0167, 0.1379, 0.0208, 0, 0, 0],
        0.25: [0.0008, 0.0083, 0.0649, 0.0024, 0, 0, 0],
        0.1: [0.0003, 0.0033, 0.0250, 0.0005, 0, 0, 0],
    }
    assert {row["radius"] for row in published} == set(printed) == set(RADII)
    for radius, expected in printed.items():
        curve = values(published, radius=radius)
        assert curve[[*range(0, 30, 5), 29]] == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("seed", range(2))
def test_the_published_curves_are_humps_that_fall_to_zero(seed: int) -> None:
    rows = published_curves(seed)
    assert {row["train_error"] for row in rows} == {0.0}
    curves = [values(rows, radius=radius) for radius in RADII]
    for curve in curves:
        assert_hump(curve)
    for smaller, larger in pairwise(curves):
        assert (smaller <= larger).all()
        assert smaller.max() < larger.max()


@pytest.mark.parametrize(("radius", "scale"), [(0.1, 0.05), (0.25, 0.3), (0.5, 1.0)])
def test_the_published_maximum_is_what_auto_pgd_finds(radius: float, scale: float) -> None:
    """m = 1: every example is a batch of its own."""
    model = two_gaussians(0)
    linear = nn.Linear(model.inputs.shape[1], 1, bias=False, dtype=torch.float64)
    linear.weight.data = torch.from_numpy(scale * model.weights)[None]
    points = zip(model.inputs[:6, None], model.targets[:6, None], strict=True)
    batches = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in points]

    def logistic(outputs: Tensor, targets: Tensor) -> Tensor:
        return softplus(-targets * outputs[:, 0]).mean()

    ball = radius * scale * float(np.linalg.norm(model.weights))
    definition = Definition("worst", "l2", adaptive=False, logit_norm=False)
    found = sharpness(linear, batches, definition, ball, loss=logistic).value
    few = replace(model, inputs=model.inputs[:6], targets=model.targets[:6])
    assert found == pytest.approx(exact_sharpness(few, radius, scale), rel=1e-9)


def test_beyond_the_margin_the_published_sharpness_grows_with_the_scale(
    published: list[dict],
) -> None:
    model, breaks = two_gaussians(0), published[0]["margin_radius"]
    assert exact_sharpness(model, 0.98 * breaks, 1e4) == pytest.approx(0, abs=1e-12)
    # From then on log(1 + exp(−f)) is −f: twice the scale, twice the sharpness.
    large = exact_sharpness(model, 1.3 * breaks, 2**9)
    assert large > 100
    assert exact_sharpness(model, 1.3 * breaks, 2**10) == pytest.approx(2 * large, rel=1e-9)


@pytest.mark.parametrize("definition", RAW, ids=ident)
def test_normalization_makes_a_constant_of_each_hump(
    ours: list[dict], definition: Definition
) -> None:
    normalized = replace(definition, logit_norm=True).id
    assert_hump(values(ours, definition=definition.id))
    curve = values(ours, definition=normalized)
    assert curve.min() > 1e-4
    assert np.ptp(curve) < 1e-11 * curve.min()
    radii = {row["radius"] for row in ours if row["definition"] in (definition.id, normalized)}
    assert len(radii) == 1


def worst_margin(model: Classifier, definition: Definition, radius: float) -> float:
    """The smallest difference of logits in the ball, example by example and class by class."""
    least = math.inf
    for x, y in zip(model.inputs, model.targets, strict=True):
        for k in set(range(len(model.weights))) - {int(y)}:
            gradient = np.zeros_like(model.weights)
            gradient[y], gradient[k] = x, -x
            c = np.abs(model.weights)
            if definition.norm == "linf":
                delta = -radius * c * np.sign(gradient)
            else:
                delta = -radius * c**2 * gradient / np.linalg.norm(c * gradient)
            f = (model.weights + delta) @ x
            least = min(least, f[y] - f[k])
    return least


@pytest.mark.parametrize("definition", WORST, ids=ident)
@pytest.mark.parametrize("classes", [2, CLASSES])
def test_the_margin_breaks_at_the_margin_radius(classes: int, definition: Definition) -> None:
    model = gaussians(0, classes)
    breaks = margin_radius(model, definition)
    assert worst_margin(model, definition, breaks) == pytest.approx(0, abs=1e-12)
    assert worst_margin(model, definition, 0.99 * breaks) > 0
    assert worst_margin(model, definition, 1.01 * breaks) < 0


def test_the_summary_and_the_figure_are_made_of_the_file(
    tmp_path: Path, ours: list[dict], published: list[dict]
) -> None:
    files = {"curves": tmp_path / "curves.csv"}
    write_csv(files["curves"], published + ours, COLUMNS)
    findings = summarise(files)
    errors = [found.value for found in findings if found.quantity == "training error"]
    assert errors == ["0%", "0%"]
    named = [found for found in findings if found.quantity == "sharpness at scale 0.12"]
    assert len(named) == len(RADII)
    assert all(found.published.startswith(found.value) for found in named)
    constant = [found for found in findings if found.published.startswith("0: normalization")]
    assert len(constant) == len(RAW)
    assert all(float(found.value) < 1e-11 for found in constant)
    humps = [found for found in findings if found.quantity == "sharpness over the scales"]
    assert len(humps) == len(RADII) + len(RAW)
    assert all(found.value.endswith("down to 0") for found in humps)
    assert {found.verdict for found in findings} == {"confirmed"}
    write_csv(files["curves"], [row | {"train_error": 0.1} for row in published] + ours, COLUMNS)
    assert [found.verdict for found in summarise(files)].count("not confirmed") == 1
    write_csv(files["curves"], published + ours, COLUMNS)

    panels = compose("fig1", files).axes
    assert [len(panel.lines) for panel in panels] == [len(RADII), len(RAW), len(RAW)]
    normalized = [np.asarray(line.get_ydata()) for line in panels[2].lines]
    assert all(np.ptp(line) < 1e-11 for line in normalized)
    with pytest.raises(UserError, match="it has fig1"):
        compose("fig7", files)


def test_a_radius_that_the_notebook_does_not_have_has_no_published_value(
    tmp_path: Path, published: list[dict], ours: list[dict]
) -> None:
    rows = [row | {"radius": 0.3} for row in published if row["radius"] == RADII[0]]
    write_csv(tmp_path / "curves.csv", [*rows, *ours], COLUMNS)
    files = {"curves": tmp_path / "curves.csv"}
    assert not {f.published for f in summarise(files) if f.quantity.startswith("sharpness at")} - {
        ""
    }
    assert len(compose("fig1", files).axes) == 3
