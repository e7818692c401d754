"""The registry: ids, entry points, and what is recognised in a table."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal import refused
from toys import noisy_points, smooth_network

from sharpness import Cell, Definition
from sharpness.measures import registry
from sharpness.measures.definition import ALL, GAUGED, Estimate
from sharpness.measures.measurement import Measurement, is_measured, parse
from sharpness.measures.measuring import measure
from sharpness.measures.registry import EVERY, OWN, SHARPNESS, Measure, measures
from sharpness.measures.subject import Subject, one_value

RADII = st.floats(1e-9, 1e9).map(lambda radius: float(f"{radius:.12g}"))


def test_every_function_is_there() -> None:
    for entry in OWN:
        assert callable(entry.function), entry.name
        assert entry is SHARPNESS or "-" in entry.name


@given(st.sampled_from(OWN[1:]), RADII, st.data())
def test_ids_are_read_back(entry: Measure, radius: float, data: st.DataObject) -> None:
    variant = data.draw(st.sampled_from([*entry.variants]))
    found = Measurement(entry.name, radius if entry.radius else None, variant)
    assert not found.auto
    assert parse(found.id) == found
    assert is_measured(found.id)


def test_a_radius_that_is_to_be_found_is_in_the_id_and_measures_nothing() -> None:
    found = Measurement.parse("geodesic-mix@auto+folded")
    assert (found.radius, found.auto, found.variant) == (None, True, "folded")
    assert found.id == "geodesic-mix@auto+folded"
    assert not Measurement.parse("fisher-rao").auto
    with refused("give a radius"):
        measure(smooth_network(0), [noisy_points(5, seed=0)], found.id)


def test_cells_are_read_back() -> None:
    for definition in (*ALL, *GAUGED):
        cell = Cell(definition, 0.1, restarts=5)
        assert parse(cell.id) == cell
        assert is_measured(cell.id)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("flatness", "unknown"),
        ("sharpness@0.1", "unknown"),
        ("fisher-rao@0.1", "without a radius"),
        ("geodesic-inv", "geodesic-inv@radius"),
        ("geodesic-inv@-1", "positive number"),
        ("geodesic-inv@x", "positive number, or auto"),
        ("low-pass-filter@auto", "no rise of the loss"),
        ("geodesic-inv@0.10", "did you mean 'geodesic-inv@0.1'"),
        ("fisher-rao+adaptive", "no option"),
        ("worst-l2-adaptive-rawlogits", "not of the form"),
    ],
)
def test_ids_that_are_wrong(word: str, why: str) -> None:
    with refused(why):
        parse(word)


def test_hyper_parameters_are_not_taken_for_measures() -> None:
    for name in ("learning_rate", "margin", "weight_decay", "gap", "error_test", "weight-decay"):
        assert not is_measured(name)


def test_the_gauge_is_of_adaptive_definitions_and_said_in_the_id() -> None:
    for definition in GAUGED:
        assert definition.adaptive
        assert definition.id.endswith("-gauge")
        assert Definition.parse(definition.id) == definition
    with refused("gauge is True"):
        Definition("worst", "l2", adaptive=False, logit_norm=False, gauge=True)


TWICE = Measure("twice-two", "2 × 2", f"{__name__}:twice_two", 0, {"": EVERY}, ())
BARE = Measure("bare", "no hyphen", f"{__name__}:twice_two", 0, {"": EVERY}, ())


def twice_two(subject: Subject, _: Measurement) -> Estimate:
    return one_value(4)


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    found: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: found)
    measures.cache_clear()
    yield found
    measures.cache_clear()


def test_a_measure_of_another_package(points: list[EntryPoint]) -> None:
    points.append(EntryPoint("twice", f"{__name__}:TWICE", registry.GROUP))
    assert is_measured("twice-two")
    assert measure(smooth_network(0), [noisy_points(5, seed=0)], "twice-two").value == 4


@pytest.mark.parametrize(
    ("name", "why"), [("RADII", "no sharpness"), ("BARE", "no hyphen"), ("SHARPNESS", "taken")]
)
def test_entry_points_that_are_wrong(points: list[EntryPoint], name: str, why: str) -> None:
    points.append(EntryPoint("wrong", f"{__name__}:{name}", registry.GROUP))
    with refused(why):
        measures()
