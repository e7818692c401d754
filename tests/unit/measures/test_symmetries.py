"""The table measures × symmetries: what is said to be invariant is, and nothing else."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from orbits import SYMMETRIES, Everything, changed, tokens

from sharpness.measures.measurement import Measurement, parse
from sharpness.measures.measuring import measure
from sharpness.measures.registry import OWN, SHARPNESS, Measure
from sharpness.measures.registry import SYMMETRIES as NAMED

MODEL = Everything()
BATCHES = tokens(MODEL)
INITIAL = {name: value + 0.1 for name, value in MODEL.state_dict().items()}
MOVED = {symmetry: changed(MODEL, symmetry) for symmetry in SYMMETRIES}
RADIUS = 0.3


def ids(measure: Measure) -> list[str]:
    if measure is SHARPNESS:
        chosen = [d for d in measure.variants if "rawlogits" in d]
        return [f"{d}@{RADIUS}+paper" for d in chosen if d.startswith(("average-l2", "worst-linf"))]
    radius = RADIUS if measure.radius else None
    chosen = [v for v in measure.variants if "+variance" not in v]  # which is tested without
    return [Measurement(measure.name, radius, variant).id for variant in chosen]


CASES = [(entry, word) for entry in OWN for word in ids(entry)]


def test_the_changes_leave_the_probabilities_alone() -> None:
    assert SYMMETRIES.keys() == NAMED.keys()
    inputs = BATCHES[0][0]
    for name, model in MOVED.items():
        assert torch.allclose(model(inputs).softmax(1), MODEL(inputs).softmax(1)), name


@pytest.mark.parametrize(("entry", "word"), CASES, ids=[word for _, word in CASES])
def test_what_is_said_to_be_invariant_is_and_nothing_else(entry: Measure, word: str) -> None:
    """The ratio of the values before and after is 1 ± 10⁻⁶ or off by more than 10⁻³."""
    wanted = parse(word)
    variant = wanted.variant if isinstance(wanted, Measurement) else wanted.definition.id
    said = entry.variants[variant]
    before = measure(MODEL, BATCHES, word, initial=INITIAL).value
    for symmetry, model in MOVED.items():
        after = measure(deepcopy(model), BATCHES, word, initial=INITIAL).value
        change = abs(after / before - 1)
        if symmetry in said:
            assert change < 1e-6, symmetry
        elif "magnitude" not in variant:  # which nearly is, but for its ε
            assert change > 1e-3, symmetry
