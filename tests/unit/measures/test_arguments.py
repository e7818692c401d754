"""Arguments of a wrong kind are refused in a line that names them, their value and their kind."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from refusal import refused
from torch import Tensor, nn
from toys import mean_output, noisy_points, smooth_network

from sharpness import (
    Cell,
    Definition,
    Effort,
    sharpness,
    sharpness_by_layer,
    sharpness_table,
)
from sharpness.measures.hessian import largest_eigenvalue, rescaled_hessian, trace

BATCHES = [noisy_points(4, 0)]
AVERAGE = Definition("average", "l2", adaptive=False, logit_norm=True)


def measure(function: Any = sharpness, **given: Any) -> Any:
    usual = {"model": smooth_network(0), "batches": BATCHES, "definition": AVERAGE, "radius": 0.1}
    return function(**{**usual, "samples": 2, **given})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("radius", wrong) for wrong in ("0.3", None, True, 0.1j, np.nan, np.inf, -1, [0.1])),
        ("radius", Fraction(1, 3)),
        ("radius", torch.ones(2)),
        *(("parameters", wrong) for wrong in (["0.weight"], None, 3, nn.Linear(2, 2), b"all")),
        *(("definition", wrong) for wrong in ("worst-l2", None, Definition)),
        *(("seed", wrong) for wrong in (1.5, "1", None, True, -1)),
        *(("steps", wrong) for wrong in (1.5, "1", True, 0)),
        *(("samples", wrong) for wrong in (1.5, "1", True, 0)),
        *(("micro_batch", wrong) for wrong in (2.5, "2", True, 0, -1)),
        *(("protocol", wrong) for wrong in (3, "papers", None, ["paper"])),
        ("antithetic", "no"),
        *(("loss", wrong) for wrong in (None, "cross_entropy")),
        *(("model", wrong) for wrong in (nn.Linear, len, None, {"w": torch.ones(2)})),
        ("batches", None),
    ],
)
@pytest.mark.parametrize("function", [sharpness, sharpness_by_layer])
def test_a_wrong_argument(function: Any, name: str, value: Any) -> None:
    if (function, name) == (sharpness_by_layer, "parameters"):
        return
    with refused(name, "" if name == "batches" else repr(value)[:5]):
        measure(function, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("cells", Cell(AVERAGE, 0.1), "a list of Cells"),
        ("cells", None, "a list of Cells"),
        ("cells", [AVERAGE], "a Cell"),
        ("cells", ["average"], "a Cell"),
        ("cells", [Cell("average", 0.1)], "a Definition"),  # type: ignore[arg-type]
        ("cells", [Cell(AVERAGE, 0.1, m=2.0)], "m is 2.0"),  # type: ignore[arg-type]
        ("cells", [Cell(AVERAGE, 0.1, data="new")], "data is 'new'"),  # type: ignore[arg-type]
        ("cells", [Cell(AVERAGE, 0.1, protocol=[])], "protocol is []"),  # type: ignore[arg-type]
        ("effort", 3, "an Effort"),
        ("effort", Effort(samples="4"), "samples is '4'"),  # type: ignore[arg-type]
        ("augmented", None, "NoneType"),
    ],
)
def test_a_wrong_argument_of_a_table(name: str, value: Any, words: str) -> None:
    usual: dict[str, Any] = {"cells": [Cell(AVERAGE, 0.1)], name: value}
    with refused(words):
        sharpness_table(smooth_network(0), BATCHES, **usual)


def test_numbers_of_numpy_and_torch_are_numbers() -> None:
    usual = measure(seed=1, micro_batch=2)
    assert measure(radius=np.float64(0.1), seed=np.int64(1), micro_batch=np.int32(2)) == usual
    assert measure(radius=torch.tensor(0.1).double()).value == pytest.approx(measure().value)


@pytest.mark.parametrize("scale", ["l2", True, False, 1])
def test_a_scale_that_is_none(scale: Any) -> None:
    model = smooth_network(0)
    ones = torch.ones(sum(p.numel() for p in model.parameters()))
    with refused(repr(scale)), rescaled_hessian(model, BATCHES, ones, scale=scale):
        pass


@pytest.mark.parametrize("wrong", [1.5, "3", True, -1])
def test_wrong_numbers_for_the_hessian(wrong: Any) -> None:
    class Line(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            return (self.w**2).sum().expand(len(x))

    with rescaled_hessian(Line(), BATCHES, torch.ones(3), loss=mean_output) as operator:
        assert largest_eigenvalue(operator) == trace(operator, draws=3) / 3 == 2
        for function in largest_eigenvalue, trace:
            with refused(f"seed is {wrong!r}"):
                function(operator, seed=wrong)
        with refused(f"draws is {wrong!r}"):
            trace(operator, draws=wrong)
    with refused("c, which must be a tensor"), rescaled_hessian(Line(), BATCHES, "ones"):  # type: ignore[arg-type]
        pass
