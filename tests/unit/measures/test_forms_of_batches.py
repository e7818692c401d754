"""Batches of other forms than (tensor, labels): shared, sparse and nested tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from refusal import refused
from torch import Tensor, nn

from sharpness import Cell, Definition, Effort, sharpness_table

EXAMPLES, WIDTH = 7, 5
X = torch.randn(EXAMPLES, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.arange(EXAMPLES) % 3
CELLS = [
    Cell(Definition(case, "l2", adaptive=False, logit_norm=False), 0.1, m=m, steps=2)
    for case in ("average", "worst")
    for m in (None, 3)
]


class Applied(nn.Module):
    """A linear layer on what ``prepare`` makes of the inputs."""

    def __init__(self, prepare: Callable[..., Tensor]) -> None:
        super().__init__()
        self.prepare, self.head = prepare, nn.Linear(WIDTH, 3).double()
        self.head.weight.data = torch.arange(15.0, dtype=torch.float64).view(3, 5).cos()
        self.head.bias.data.fill_(0.1)

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return self.head(self.prepare(*inputs, **named))


def values(model: nn.Module, batches: Any, micro_batch: int | None = None) -> list[float]:
    found = sharpness_table(
        model, batches, CELLS, effort=Effort(samples=2), micro_batch=micro_batch
    )
    return [found[cell].value for cell in CELLS]


def parts(*sizes: int) -> list[tuple[Tensor, Tensor]]:
    return [*zip(X.split(list(sizes)), Y.split(list(sizes)), strict=True)]


@pytest.mark.parametrize("sizes", [(3, 3, 1), (1, 3, 3), (5, 2)])
@pytest.mark.parametrize("micro_batch", [None, 2])
def test_what_examples_share_is_told_by_all_batches(
    sizes: tuple[int, ...], micro_batch: int | None
) -> None:
    shared = torch.arange(5.0, dtype=torch.float64).sin()[None]  # as long as a batch of one
    model = Applied(lambda x, places: x + places.mean(dim=0))
    batches = [({"x": x, "places": shared}, y) for x, y in parts(*sizes)]
    moved = [(x + shared.mean(dim=0), y) for x, y in parts(*sizes)]
    assert values(model, batches, micro_batch) == pytest.approx(
        values(Applied(lambda x: x), moved), rel=1e-9
    )


LAYOUTS = [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("micro_batch", [None, 2])
def test_sparse_inputs(layout: torch.layout, micro_batch: int | None) -> None:
    batches = [(x.relu().to_sparse(layout=layout), y) for x, y in parts(3, 3, 1)]
    dense = [(x.relu(), y) for x, y in parts(3, 3, 1)]
    found = values(Applied(lambda x: x.to_dense()), batches, micro_batch)
    assert found == pytest.approx(values(Applied(lambda x: x), dense), rel=1e-9)


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged], ids=str)
@pytest.mark.parametrize("micro_batch", [None, 2])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_inputs(layout: torch.layout, micro_batch: int | None) -> None:
    def nested(x: Tensor) -> Tensor:
        rows = [row.expand(1 + number % 3, WIDTH) for number, row in enumerate(x)]
        return torch.nested.as_nested_tensor(rows, layout=layout)

    model = Applied(lambda x: torch.stack([row.mean(dim=0) for row in x.unbind()]))
    found = values(model, [(nested(x), y) for x, y in parts(3, 3, 1)], micro_batch)
    assert found == pytest.approx(values(Applied(lambda x: x), parts(3, 3, 1)), rel=1e-9)


def test_sparse_targets_and_outputs_are_refused() -> None:
    with refused("targets of batch 0 are sparse or nested"):
        values(Applied(lambda x: x), [(X, X.to_sparse())])
    with refused("returns a sparse or nested tensor"):
        values(nn.Sequential(Applied(lambda x: x), Sparse()), [(X, Y)])


class Sparse(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.to_sparse()
