"""What a pool costs: passes as they are made, and the documented table as it is computed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from test_config import ROOT, default, paper
from torch import nn

from sharpness.config import cost, validated
from sharpness.config.cost import main, sharpness_passes, table, training_passes
from sharpness.measures.definition import PROTOCOLS, Cell
from sharpness.measures.sharpness import measure_cells

POOL = "cifar10-resnet18"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_passes_of_a_plan_are_those_that_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward passes are counted as they happen, so a backward one is priced at nothing here."""
    monkeypatch.setattr(cost, "BOTH", 1)
    config = validated(default())
    pool = config.pools[POOL]
    settings = pool.sharpness
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4))
        points = torch.randn(settings.points, 3), torch.randint(4, (settings.points,))
    passed = 0

    def count(_: nn.Module, inputs: Any) -> None:
        nonlocal passed
        passed += len(inputs[0])

    model.register_forward_pre_hook(count)
    batches = list(zip(*(part.split(settings.m) for part in points), strict=True))
    data: dict[Any, Any] = {"original": batches, "augmented": batches}
    knobs = {
        name: replace(knob, steps=settings.steps, samples=settings.samples[name])
        for name, knob in PROTOCOLS.items()
    }
    cells: list[Cell] = settings.cells(config.protocols)
    assert len(list(measure_cells(model, data, cells, protocols=knobs))) == len(cells)
    # Besides, the loss at the weights, once for each kind of data, m and logits, and the checks.
    assert 0 < passed - sharpness_passes(pool, config.protocols) <= 10 * settings.points


def test_a_training_of_the_paper_is_priced_with_sam_and_repeats() -> None:
    pool = paper().pools[POOL]
    assert training_passes(pool) == pytest.approx(3 * 50_000 * 200 * 1.5 * (1 + 2 / 3))
    assert training_passes(paper().pools["clip-soups"]) == 0


def test_the_documentation_has_the_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config/paper.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == table(paper())
    page = (ROOT / "docs" / "paper-scale.md").read_text(encoding="utf-8")
    assert "\n".join(lines) in page
    assert main(["none.yaml"]) == 1
    assert "none.yaml" in capsys.readouterr().err
