"""Passes that are compiled: first derivatives alone, and the values that plain passes give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy
from toys import RESNET

from sharpness import Cell, Definition, Effort, Estimate
from sharpness.measures.cell_values import ObjectiveCache
from sharpness.measures.measurement import Measurement
from sharpness.measures.measuring import measure_all
from sharpness.measures.micro_batch import MicroBatch
from sharpness.measures.network import Network
from sharpness.measures.sharpness import measure_cells
from sharpness.networks import build, initialise

CELLS = [
    Cell(Definition.parse(f"{case}-linf-adaptive-normlogits"), radius)
    for case, radius in (("worst", 0.005), ("average", 0.1))
]
EFFORT = Effort(steps=4, samples=3)


def test_compiled_passes_give_the_values_of_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graphs are run as they were traced, without their slow translation."""
    passes, compiler = [], torch.compile

    def backend(graph: Any, _: Any) -> Any:
        return lambda *inputs: (passes.append(1), graph.forward(*inputs))[1]

    monkeypatch.setattr(torch, "compile", lambda m, **_: compiler(m, backend=backend))
    stream = torch.Generator().manual_seed(0)
    model = build(RESNET)
    initialise(model, stream)
    data = {"original": [(torch.rand(8, 1, 8, 8, generator=stream), torch.arange(8) % 10)]}

    def values(compiled: bool) -> list[float]:
        network = Network(model.eval(), compiled=compiled)
        points = ObjectiveCache(network, data, cross_entropy)
        found = [*measure_cells(model, data, CELLS, effort=EFFORT, points=points)]
        found += measure_all(points, [Measurement.parse("fisher-rao")], 0, None, MicroBatch())
        return [each.value for _, each in found if isinstance(each, Estimate)]

    plain = values(compiled=False)
    assert not passes
    assert values(compiled=True) == pytest.approx(plain, rel=1e-5, abs=1e-7)
    assert len(plain) == 3
    assert len(passes) > EFFORT.steps + EFFORT.samples
