"""Passes that are compiled: first derivatives alone, and the values that plain passes give."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from functorch.compile import make_boxed_func
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd
from torch._functorch.partitioners import min_cut_rematerialization_partition
from torch.nn.functional import cross_entropy
from toys import RESNET

from sharpness import Cell, Definition, Effort, Estimate
from sharpness.data.batches import Batch
from sharpness.measures.cell_values import ObjectiveCache
from sharpness.measures.measurement import Measurement
from sharpness.measures.measuring import measure_all
from sharpness.measures.micro_batch import MicroBatch
from sharpness.measures.network import Network
from sharpness.measures.objective import Objective
from sharpness.measures.sharpness import measure_cells
from sharpness.networks import build, initialise

CELLS = [
    Cell(Definition.parse(f"{case}-linf-adaptive-normlogits"), radius)
    for case, radius in (("worst", 0.005), ("average", 0.1))
]
EFFORT = Effort(steps=4, samples=3)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the graphs that were run, as they were traced, without their slow translation."""
    found: list[str] = []
    compiler = torch.compile

    def traced(model: nn.Module, dynamic: bool, options: dict[str, Any]) -> Any:
        rewrite = options.get("joint_custom_pre_pass")

        def partition(graph: Any, inputs: Any, **keys: Any) -> Any:
            if rewrite is not None:
                rewrite(graph.graph)
                graph.graph.lint()
                graph.recompile()
            return min_cut_rematerialization_partition(graph, inputs, **keys)

        def noted(name: str) -> Any:
            return lambda graph, _: make_boxed_func(
                lambda *inputs: (found.append(name), graph(*inputs))[1]
            )

        backend = aot_autograd(
            fw_compiler=noted("forward"), bw_compiler=noted("backward"), partition_fn=partition
        )
        return compiler(model, backend=backend, dynamic=dynamic)

    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", traced)
    yield found
    torch._dynamo.reset()


def resnet() -> tuple[nn.Module, Batch]:
    stream = torch.Generator().manual_seed(0)
    model = build(RESNET)
    initialise(model, stream)
    return model.eval(), (torch.rand(8, 1, 8, 8, generator=stream), torch.arange(8) % 10)


def test_compiled_passes_give_the_values_of_plain_ones(passes: list[str]) -> None:
    model, batch = resnet()
    data = {"original": [batch]}

    def values(compiled: bool) -> list[float]:
        points = ObjectiveCache(Network(model, compiled=compiled), data, cross_entropy)
        found = [*measure_cells(model, data, CELLS, effort=EFFORT, points=points)]
        found += measure_all(points, [Measurement.parse("fisher-rao")], 0, None, MicroBatch())
        return [each.value for _, each in found if isinstance(each, Estimate)]

    plain = values(compiled=False)
    assert not passes
    assert values(compiled=True) == pytest.approx(plain, rel=1e-5, abs=1e-7)
    assert len(plain) == 3
    assert len(passes) > EFFORT.steps + EFFORT.samples


def gradients(model: nn.Module, batch: Batch, compiled: bool) -> list[tuple[float, Tensor]]:
    """Loss and gradient in float32 and with mixed precision."""
    network = Network(model, compiled=compiled)
    objective = Objective(network, batch, cross_entropy)
    return [
        objective.loss_and_gradient(network.weights, None, mixed=mixed) for mixed in (False, True)
    ]


def test_compiled_products_are_in_bfloat16_as_plain_ones(passes: list[str]) -> None:
    model, batch = resnet()
    (loss, exact), (_, plain) = gradients(model, batch, compiled=False)
    assert not passes
    (_, compiled), (same, coarse) = gradients(model, batch, compiled=True)
    assert passes == ["forward", "backward"] * 2
    assert same == pytest.approx(loss, rel=1e-6)
    assert (compiled - exact).norm() < 1e-5 * exact.norm()
    assert (coarse - plain).norm() < 2**-12 * exact.norm() < (plain - exact).norm()


GRADIENTS = """
import torch
from sharpness.measures.network import Network
from sharpness.measures.objective import Objective

x = torch.tensor([[1 + 2**-10, 1 + 2**-7], [2 + 2**-9, 0.0]])
network = Network(torch.nn.Linear(2, 1, bias=False), compiled=True)
objective = Objective(network, (x, torch.zeros(2)), lambda outputs, _: outputs.sum())
for mixed in (False, True):
    print(objective.loss_and_gradient(network.weights, None, mixed=mixed)[1].tolist())
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="PyTorch compiles for a CPU by g++")
def test_compiled_code_rounds_the_factors() -> None:
    """The gradient of w in Σ wᵀx is Σ x, and bfloat16 has 8 bits: 1 + 2⁻¹⁰ becomes 1.

    It has a process of its own, as jobs have: setuptools, which PyTorch imports for this, refuses
    to follow the distutils that other tests import.
    """
    done = subprocess.run(
        [sys.executable, "-c", GRADIENTS], capture_output=True, text=True, check=True
    )
    exact, coarse = map(json.loads, done.stdout.splitlines())
    assert exact == [3 + 2**-10 + 2**-9, 1 + 2**-7]
    assert coarse == [3, 1 + 2**-7]
