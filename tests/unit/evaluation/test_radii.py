"""The search for radii, against rises in closed form; plans with the radii that it found."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sharpness.evaluation.plan import Plan
from sharpness.evaluation.radii import LARGEST, LEVELS, find_radii, read_radii, sought, two_digits
from sharpness.io.errors import UserError
from sharpness.io.files import write_json
from sharpness.measures.definition import Cell, Definition

AVERAGE = Definition.parse("average-l2-standard-rawlogits")
WORST = Definition.parse("worst-linf-adaptive-normlogits")


@pytest.mark.parametrize("curvature", [1e-6, 0.3, 2.0, 1e8])
def test_a_quadratic_rise_reaches_each_level_at_its_root(curvature: float) -> None:
    found = find_radii(lambda _, radius: curvature * radius**2, [AVERAGE])[AVERAGE.id]
    roots = [math.sqrt(level / curvature) for level in LEVELS]
    assert found["radii"] == pytest.approx(roots, rel=0.06)
    for level, root in zip(found["levels"], roots, strict=True):
        # The file has six digits.
        assert level["low"] <= root * (1 + 1e-5)
        assert level["high"] >= root * (1 - 1e-5)
        assert level["rise_low"] <= level["level"] <= level["rise_high"] * (1 + 1e-5)
        assert level["radius"] == two_digits(level["radius"])
    assert found["tried"] < 40


def test_a_linear_rise_of_a_worst_case() -> None:
    found = find_radii(lambda _, radius: 40 * radius, [WORST])[WORST.id]
    assert found["radii"] == pytest.approx([0.0005, 0.0025, 0.0125], rel=0.06)


def test_a_level_that_is_not_reached_is_left_out_with_a_reason() -> None:
    found = find_radii(lambda _, radius: 0.3 * radius / (1 + radius), [AVERAGE])[AVERAGE.id]
    assert len(found["radii"]) == 2
    assert found["levels"][2] == {
        "level": 0.5,
        "reason": f"the loss rises by 0.3 at most, up to radius {LARGEST:g}",
    }


def test_a_loss_that_is_lost_at_a_radius_ends_the_search() -> None:
    def rise(_: Definition, radius: float) -> float:
        if radius > 0.5:
            raise UserError("the loss is not finite")
        return radius**2

    found = find_radii(rise, [AVERAGE])[AVERAGE.id]
    assert found["radii"] == pytest.approx([0.14, 0.32])
    assert found["levels"][2]["reason"].startswith("no value from radius 0.5")
    assert found["levels"][2]["reason"].endswith("the loss is not finite")


def test_levels_at_one_radius_give_it_once() -> None:
    found = find_radii(lambda _, radius: float(radius > 0.2), [AVERAGE])[AVERAGE.id]
    assert found["radii"] == [0.2]


def test_nothing_to_be_found_is_an_error() -> None:
    with pytest.raises(UserError, match=f"auto finds none, for instance {AVERAGE.id}: the loss"):
        find_radii(lambda *_: -1.0, [AVERAGE, WORST])


def test_each_radius_is_measured_once() -> None:
    asked: list[float] = []

    def rise(_: Definition, radius: float) -> float:
        asked.append(radius)
        return radius

    found = find_radii(rise, [AVERAGE])[AVERAGE.id]
    assert len(asked) == len(set(asked)) == found["tried"]


def test_radii_are_read_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "radii.json"
    found = find_radii(lambda _, radius: radius, [AVERAGE])
    write_json(path, {"definitions": found})
    assert read_radii(path) == {AVERAGE.id: found[AVERAGE.id]["radii"]}
    for wrong in ([1], {AVERAGE.id: {"radii": ["0.1"]}}, {AVERAGE.id: {"radii": [-0.1]}}):
        write_json(path, {"definitions": wrong})
        with pytest.raises(UserError, match="holds no radii"):
            read_radii(path)


def test_a_plan_takes_the_found_radii_of_measures_in_their_place() -> None:
    fixed = {"points": 64, "m": 16, "steps": 5, "samples": {}, "seed": 0, "cells": []}
    words = ["fisher-rao", "geodesic-inv@auto", "geodesic-inv@0.1", "geodesic-mix@auto+folded"]
    auto = {"geodesic-inv@auto": [0.02, 0.1], "geodesic-mix@auto+folded": []}
    settings = {**fixed, "measures": words, "auto": [*auto], "protocols": ["paper"]}
    plan = Plan.parse(settings, auto)
    found = ["fisher-rao", "geodesic-inv@0.02", "geodesic-inv@0.1"]
    assert [row["cell"] for row in plan.rows()] == found
    assert plan == Plan.parse({**fixed, "measures": found})
    with pytest.raises(UserError, match="lacks geodesic-mix@auto"):
        Plan.parse(settings, {"geodesic-inv@auto": [0.02]})
    assert [each.id for each in sought([AVERAGE.id, *auto])] == [AVERAGE.id, *auto]


def test_a_plan_takes_the_found_radii_in_canonical_order() -> None:
    fixed = {"points": 64, "m": 16, "steps": 5, "samples": {}, "seed": 0}
    ablated = Cell(WORST, 0.1, "paper", steps=7)
    given = Cell(WORST, 0.1, "paper")
    settings = {
        **{"cells": [given.id, ablated.id], "auto": [AVERAGE.id]},
        **{"protocols": ["released", "paper"], **fixed},
    }
    cells = Plan.parse(settings, {AVERAGE.id: [0.5, 0.25]}).cells
    found = [Cell(AVERAGE, radius, "released") for radius in (0.25, 0.5)]
    found += [Cell(AVERAGE, radius, "paper") for radius in (0.25, 0.5)]
    assert cells == (*found, given, ablated)
    same = {"cells": [given.id], **fixed}
    assert Plan.parse(same) == Plan.parse(same, {AVERAGE.id: [0.5]})
