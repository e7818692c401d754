"""The FCNN of Hammoud et al. (2023): its data, its training, both measures."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split
from small_data import generators, shells
from torch import Tensor, nn

from sharpness.data.small import Abalone
from sharpness.io.errors import UserError
from sharpness.studies.hammoud.fcnn import (
    WIDTHS,
    AbaloneSplit,
    fcnn_initial,
    fcnn_sharpness,
    mean_squared_error,
    prepare,
    train_fcnn,
)
from sharpness.studies.hammoud.procedures import FCNN, FcnnProcedure
from sharpness.studies.hammoud.stacks import Purpose, Weights, generator

TEXT, CODE = FCNN["text"], FCNN["code"]


def trained(
    task: AbaloneSplit, procedure: FcnnProcedure, models: int | list[int]
) -> tuple[Weights, list[int]]:
    weights = fcnn_initial(procedure, generators(models, Purpose.WEIGHTS))
    return train_fcnn(task, procedure, weights, generators(models, Purpose.ORDER))


def sequential(weights: Weights, k: int, procedure: FcnnProcedure) -> nn.Sequential:
    """Model k of a stack, of ordinary layers."""
    layers: list[nn.Module] = []
    for layer in (1, 2, 3):
        linear = nn.Linear(*WIDTHS[layer - 1 : layer + 1])
        linear.weight.data = weights[f"W{layer}"][k].T.clone()
        linear.bias.data = weights[f"b{layer}"][k, 0].clone()
        layers += [linear, nn.ReLU() if procedure.activation == "relu" else nn.ELU()]
    return nn.Sequential(*(layers if procedure.activated_output else layers[:-1]))


def mse(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.mse_loss(model(x).squeeze(1), y)


@pytest.mark.parametrize("lost", [False, True])
def test_the_split_is_the_notebooks(lost: bool) -> None:
    table = shells()
    task = prepare(table, replace(TEXT, first_row_lost=lost, standardised_label=False))
    train_fcnn, test = train_test_split(table.rings[int(lost) :], test_size=0.2, random_state=42)
    assert task.labels.tolist() == train_fcnn.tolist()
    assert task.test_labels.tolist() == test.tolist()


def test_training_rows_are_standardised_and_test_rows_by_their_numbers() -> None:
    table = shells()
    task, raw = prepare(table, TEXT), prepare(table, replace(TEXT, standardised_label=False))
    columns = torch.column_stack([task.inputs, task.labels])
    torch.testing.assert_close(columns.mean(0), torch.zeros(11), atol=1e-6, rtol=0)
    torch.testing.assert_close(columns.std(0), torch.ones(11))
    mean, deviation = raw.labels.mean(), raw.labels.std()
    torch.testing.assert_close(task.test_labels, (raw.test_labels - mean) / deviation)


def test_rows_that_are_too_few_are_a_problem() -> None:
    table = shells()
    with pytest.raises(UserError, match="more examples"):
        prepare(Abalone(table.features[:4], table.rings[:4]), TEXT)


@pytest.mark.parametrize("kind", ["xavier", "torch"])
def test_initial_weights(kind: Any) -> None:
    weights = fcnn_initial(replace(TEXT, initial_weights=kind), generators(40, Purpose.WEIGHTS))
    assert sum(w[0].numel() for w in weights.values()) == 4929
    for layer, (i, o) in enumerate([(10, 64), (64, 64), (64, 1)], start=1):
        bound = math.sqrt(6 / (i + o)) if kind == "xavier" else 1 / math.sqrt(i)
        assert 0.98 * bound < weights[f"W{layer}"].abs().max() <= bound
        assert weights[f"W{layer}"].std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
        reach = weights[f"b{layer}"].abs().max()
        assert reach == 0 if kind == "xavier" else 0.9 * bound < reach <= bound


def plain_epoch(
    task: AbaloneSplit, procedure: FcnnProcedure, rng: np.random.Generator
) -> Iterator[Any]:
    """The rows of each batch of an epoch, as plainly as can be."""
    n = len(task.labels)
    order = rng.permutation(n) if procedure.minibatches else None
    for start in range(0, n, 64):
        yield slice(None) if order is None else order[start : start + 64]


@pytest.mark.parametrize("procedure", [TEXT, CODE, replace(CODE, minibatches=True)])
def test_training_is_torchs_own_sgd(procedure: FcnnProcedure) -> None:
    task = prepare(shells(), procedure)
    weights, epochs = trained(task, procedure, 2)
    start = fcnn_initial(procedure, generators(2, Purpose.WEIGHTS))
    for k in range(2):
        model = sequential(start, k, procedure)
        optimiser = torch.optim.SGD(model.parameters(), lr=procedure.learning_rate)
        rng = generator(0, k, Purpose.ORDER)
        for _ in range(epochs[k]):
            for rows in plain_epoch(task, procedure, rng):
                optimiser.zero_grad()
                mse(model, task.inputs[rows], task.labels[rows]).backward()
                optimiser.step()
        for layer in (1, 2, 3):
            ours, theirs = weights[f"W{layer}"][k].T, model[2 * layer - 2].weight
            torch.testing.assert_close(ours, theirs.detach(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("procedure", [CODE, replace(CODE, repaired_projection=True)])
def test_the_single_ascent_is_the_notebooks(procedure: FcnnProcedure) -> None:
    task = prepare(shells(), procedure)
    weights, _ = trained(task, procedure, 1)
    found = fcnn_sharpness(task, procedure, weights, generators(1, Purpose.MEASURE))
    model = sequential(weights, 0, procedure)
    centre = [p.detach().clone() for p in model.parameters()]
    best, worst = -math.inf, model
    for _ in range(6):
        total = 0.0
        for rows in plain_epoch(task, procedure, generator(0, 0, Purpose.MEASURE)):
            loss = mse(model, task.inputs[rows], task.labels[rows])
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            total += loss.item()
            with torch.no_grad():
                for p, g, w in zip(model.parameters(), gradients, centre, strict=True):
                    reach = 0.025 * (w.abs() if procedure.repaired_projection else w)
                    p.copy_(torch.clamp(p + 0.102 * g, w - reach, w + reach))
        if total > best:
            best, worst = total, copy.deepcopy(model)
    before = mse(sequential(weights, 0, procedure), task.inputs, task.labels)
    expected = mse(worst, task.inputs, task.labels) - before
    assert found.item() == pytest.approx(expected.item(), rel=1e-3)


def test_an_ascent_to_losses_that_are_not_finite_has_no_sharpness() -> None:
    procedure = replace(TEXT, ascent="single", minibatches=False)
    task = prepare(shells(), procedure)
    weights = fcnn_initial(procedure, generators(1, Purpose.WEIGHTS))
    whole = task.whole(1)
    # The sum of squares just fits into float32 at the weights, and nowhere above.
    squares = mean_squared_error(weights, (whole[0], 0 * whole[1]), procedure) * len(task.labels)
    scale = (3.3e38 / squares.item()) ** 0.5
    weights |= {name: scale * weights[name] for name in ("W3", "b3")}
    assert mean_squared_error(weights, whole, procedure).isfinite().all()
    found = fcnn_sharpness(task, procedure, weights, generators(1, Purpose.MEASURE))
    assert not found.isfinite().any()
