"""The vocabulary and its words."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sharpness
from sharpness.io.errors import UserError
from sharpness.measures.definition import ALL, PAPER, PROTOCOLS, Cell, Definition, Protocol

WORST = Definition("worst", "linf", adaptive=True, logit_norm=True)

counts = st.none() | st.integers(1, 1000)
cells = st.builds(
    Cell,
    st.sampled_from(ALL),
    st.floats(1e-6, 100).map(lambda radius: float(f"{radius:.6g}")),
    st.sampled_from(list(PROTOCOLS)),
    st.sampled_from(["original", "augmented"]),
    counts,
    counts,
)


def test_the_paper_has_twelve_definitions() -> None:
    assert len(set(ALL)) == 16
    assert len(set(PAPER)) == 12
    # App. H.4: standard, adaptive, and adaptive with normalized logits.
    assert {(d.adaptive, d.logit_norm) for d in PAPER} == {(0, 0), (1, 0), (1, 1)}


@pytest.mark.parametrize("definition", ALL)
def test_a_definition_is_its_word(definition: Definition) -> None:
    assert Definition.parse(definition.id) == definition


def test_words_and_titles() -> None:
    assert WORST.id == "worst-linf-adaptive-normlogits"
    assert WORST.title.startswith("Adaptive worst-case ℓ∞")
    assert Definition("average", "l2", False, False).id == "average-l2-standard-rawlogits"
    assert Definition("average", "l2", False, False).title == "Standard avg-case ℓ2"


@given(cells)
def test_a_cell_is_its_word(cell: Cell) -> None:
    assert Cell.parse(cell.id) == cell


def test_a_cell_names_only_what_differs_from_the_pool() -> None:
    assert Cell(WORST, 0.001).id == f"{WORST.id}@0.001+paper"
    cell = Cell(WORST, 1e-5, "released", "augmented", m=16, steps=50)
    assert cell.id == f"{WORST.id}@1e-05+released+augmented+m16+steps50"


@pytest.mark.parametrize(
    "word",
    [
        "",
        WORST.id,
        f"{WORST.id}@0.001",
        f"{WORST.id}@much+paper",
        "worst-l1-adaptive-normlogits@0.001+paper",
        f"{WORST.id}@0.001+paper+n16",
        f"{WORST.id}@0.0010+paper",
        f"{WORST.id}@0.001+paper+steps50+m16",
    ],
)
def test_a_bad_cell_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="cell"):
        Cell.parse(word)


def test_a_bad_definition_is_refused() -> None:
    with pytest.raises(UserError, match="worst-l1"):
        Definition.parse("worst-l1-adaptive-normlogits")
    with pytest.raises(UserError, match="norm is 'l1'"):
        Definition("worst", "l1", True, True)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="case is 'mean'"):
        Definition("mean", "l2", True, True)  # type: ignore[arg-type]


def test_the_presets_say_what_paper_and_code_do() -> None:
    paper, released = PROTOCOLS["paper"], PROTOCOLS["released"]
    assert (paper.samples, paper.steps) == (100, 20)
    assert (released.samples, released.steps) == (20, 20)
    assert Protocol.named("paper") is paper
    assert Protocol.named(released) is released
    with pytest.raises(UserError, match="'papre' is unknown"):
        Protocol.named("papre")


def test_the_public_face_needs_no_torch_until_it_is_used() -> None:
    code = (
        "import sys, sharpness\n"
        "sharpness.Definition.parse('worst-l2-standard-rawlogits')\n"
        "assert 'torch' not in sys.modules\n"
        "sharpness.sharpness_table\n"
        "assert 'torch' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_public_face_is_complete() -> None:
    for name in sharpness.__all__:
        assert hasattr(sharpness, name)
    assert not hasattr(sharpness, "sharpnes")
