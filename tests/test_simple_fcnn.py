"""The FCNN of Hammoud et al. (2023): its data, its training, both measures, every switch."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from sharpness.data import abalone
from sharpness.data.abalone import Abalone
from sharpness.problem import Problem
from sharpness.simple.small_networks.ascent import Weights
from sharpness.simple.small_networks.draws import Purpose, generator
from sharpness.simple.small_networks.fcnn.measure import sharpness
from sharpness.simple.small_networks.fcnn.network import WIDTHS, initial, outputs
from sharpness.simple.small_networks.fcnn.pool import measured
from sharpness.simple.small_networks.fcnn.procedure import PRESETS, Procedure
from sharpness.simple.small_networks.fcnn.task import Task, prepare
from sharpness.simple.small_networks.fcnn.training import train
from sharpness.simple.small_networks.rows import COLUMNS

TEXT, CODE = PRESETS["text"], PRESETS["code"]
REAL = (
    Path(__file__).parents[1] / "../shared/mirror/archive.ics.uci.edu"
    "/ml/machine-learning-databases/abalone/abalone.data"
)


def shells(n: int = 171) -> Abalone:
    """A table like Abalone: seven correlated measurements, three sexes, rings."""
    rng = np.random.default_rng(0)
    age = rng.gamma(9, 1, n)
    measurements = np.log(age)[:, None] * rng.uniform(0.1, 1, 7) + 0.2 * rng.normal(size=(n, 7))
    sexes = np.eye(3)[rng.integers(3, size=n)]
    return Abalone(np.column_stack([measurements, sexes]), np.ceil(age))


def generators(models: int | list[int], purpose: Purpose) -> list[np.random.Generator]:
    return [generator(0, k, purpose) for k in (range(models) if type(models) is int else models)]


def trained(task: Task, procedure: Procedure, models: int | list[int]) -> tuple[Weights, list[int]]:
    weights = initial(procedure, generators(models, Purpose.WEIGHTS))
    return train(task, procedure, weights, generators(models, Purpose.ORDER))


def sequential(weights: Weights, k: int, procedure: Procedure) -> nn.Sequential:
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
    table = shells(172)
    task = prepare(table, replace(TEXT, first_row_lost=lost, standardised_label=False))
    train, test = train_test_split(table.rings[int(lost) :], test_size=0.2, random_state=42)
    assert task.labels.tolist() == train.tolist()
    assert task.test_labels.tolist() == test.tolist()


def test_training_rows_are_standardised_and_test_rows_by_their_numbers() -> None:
    table = shells()
    task, raw = prepare(table, TEXT), prepare(table, replace(TEXT, standardised_label=False))
    for columns in (task.inputs, task.labels[:, None]):
        torch.testing.assert_close(
            columns.mean(0), torch.zeros(columns.shape[1]), atol=1e-6, rtol=0
        )
        torch.testing.assert_close(columns.std(0), torch.ones(columns.shape[1]))
    mean, deviation = raw.labels.mean(), raw.labels.std()
    torch.testing.assert_close(task.test_labels, (raw.test_labels - mean) / deviation)


def test_rows_that_are_too_few_are_a_problem() -> None:
    table = shells()
    with pytest.raises(Problem, match="more examples"):
        prepare(Abalone(table.features[:4], table.rings[:4]), TEXT)


@pytest.mark.parametrize("kind", ["xavier", "torch"])
def test_initial_weights(kind: Any) -> None:
    weights = initial(replace(TEXT, initial_weights=kind), generators(40, Purpose.WEIGHTS))
    assert sum(w[0].numel() for w in weights.values()) == 4929
    for layer, (i, o) in enumerate([(10, 64), (64, 64), (64, 1)], start=1):
        bound = math.sqrt(6 / (i + o)) if kind == "xavier" else 1 / math.sqrt(i)
        assert 0.98 * bound < weights[f"W{layer}"].abs().max() <= bound
        assert weights[f"W{layer}"].std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
        reach = weights[f"b{layer}"].abs().max()
        assert reach == 0 if kind == "xavier" else 0.9 * bound < reach <= bound


@pytest.mark.parametrize("procedure", [TEXT, CODE, replace(TEXT, activated_output=True)])
def test_outputs_are_those_of_ordinary_layers(procedure: Procedure) -> None:
    weights = initial(replace(procedure, initial_weights="torch"), generators(3, Purpose.WEIGHTS))
    x = torch.randn(3, 20, 10, generator=torch.Generator().manual_seed(0))
    found = outputs(weights, x, procedure)
    for k in range(3):
        expected = sequential(weights, k, procedure)(x[k]).squeeze(1)
        torch.testing.assert_close(found[k], expected)


def plain_epoch(task: Task, procedure: Procedure, rng: np.random.Generator) -> Iterator[Any]:
    """The rows of each batch of an epoch, as plainly as can be."""
    n = len(task.labels)
    order = rng.permutation(n) if procedure.minibatches else None
    for start in range(0, n, 64):
        yield slice(None) if order is None else order[start : start + 64]


@pytest.mark.parametrize("procedure", [TEXT, CODE, replace(CODE, minibatches=True)])
def test_training_is_torchs_own_sgd(procedure: Procedure) -> None:
    task = prepare(shells(), procedure)
    weights, epochs = trained(task, procedure, 2)
    start = initial(procedure, generators(2, Purpose.WEIGHTS))
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


def test_a_stack_is_its_models_one_by_one() -> None:
    task = prepare(shells(), TEXT)
    weights, epochs = trained(task, TEXT, 6)
    rises = sharpness(task, TEXT, weights, generators(6, Purpose.MEASURE))
    assert len(set(epochs)) > 1  # so that some stand still while others go on
    for k in range(6):
        alone, number = trained(task, TEXT, [k])
        assert number == [epochs[k]]
        for name, w in alone.items():
            torch.testing.assert_close(w[0], weights[name][k], rtol=1e-4, atol=1e-6)
        rise = sharpness(task, TEXT, alone, generators([k], Purpose.MEASURE))
        assert rise[0].item() == pytest.approx(rises[k].item(), rel=1e-4)


@pytest.mark.parametrize("procedure", [CODE, replace(CODE, repaired_projection=True)])
def test_the_single_ascent_is_the_notebooks(procedure: Procedure) -> None:
    task = prepare(shells(), procedure)
    weights, _ = trained(task, procedure, 1)
    found = sharpness(task, procedure, weights, generators(1, Purpose.MEASURE))
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


SWITCHED = [
    (TEXT, {"first_row_lost": True}),
    (TEXT, {"standardised_label": False}),
    (TEXT, {"activation": "elu"}),
    (TEXT, {"activated_output": True}),
    (TEXT, {"initial_weights": "torch"}),
    (TEXT, {"minibatches": False}),
    (TEXT, {"learning_rate": 0.02}),
    (replace(TEXT, learning_rate=0.02), {"stop": "code"}),
    (TEXT, {"rho": 0.05}),
    (TEXT, {"ascent": "single"}),
    (TEXT, {"repaired_projection": False}),
    (CODE, {"minibatches": True}),
    (CODE, {"repaired_projection": True}),
]


@pytest.mark.parametrize(("procedure", "switch"), SWITCHED, ids=lambda x: str(x)[:40])
def test_each_switch_changes_the_measure(procedure: Procedure, switch: dict[str, Any]) -> None:
    def values(chosen: Procedure) -> list[float]:
        return [float(row["sharpness"]) for row in measured(shells(), chosen, 0, [0, 1])]

    assert values(replace(procedure, **switch)) != pytest.approx(values(procedure), rel=1e-3)


def test_every_switch_of_the_notebook_is_tried() -> None:
    fields = Procedure.__dataclass_fields__
    assert {name for _, switch in SWITCHED for name in switch} == set(fields)
    unlike = {name for name in fields if getattr(TEXT, name) != getattr(CODE, name)}
    assert unlike == set(fields) - {"standardised_label", "rho"}


def test_rows_of_a_pool() -> None:
    rows = list(measured(shells(), TEXT, 3, [4, 0, 2]))
    assert [row["model"] for row in rows] == [4, 0, 2]
    assert all(set(row) == set(COLUMNS) - {"network", "procedure"} for row in rows)
    assert all(row["test_accuracy"] == "" and row["base"] == 3 for row in rows)
    assert rows == list(measured(shells(), TEXT, 3, [4, 0, 2]))
    (alone,) = measured(shells(), TEXT, 3, [2])
    for name in ("train_loss", "test_loss", "sharpness", "sharpness_again"):
        assert float(alone[name]) == pytest.approx(float(rows[2][name]), rel=1e-4)
        assert len({row[name] for row in rows}) == 3
        assert float(alone[name]) != float(next(measured(shells(), TEXT, 4, [2]))[name])


def test_only_a_random_measure_is_repeated() -> None:
    for procedure in (TEXT, replace(CODE, minibatches=True)):
        (row,) = measured(shells(), procedure, 0, [1])
        first, again = float(row["sharpness"]), float(row["sharpness_again"])
        assert first != again
        assert first == pytest.approx(again, rel=0.5)
    (row,) = measured(shells(), CODE, 0, [1])
    assert row["sharpness_again"] == ""


def test_a_diverged_model_has_a_row() -> None:
    (row,) = measured(shells(), replace(TEXT, learning_rate=1e6), 0, [0])
    assert row["train_loss"] == row["sharpness"] == "nan"
    assert row["epochs"] == 1


@pytest.mark.skipif(not REAL.is_file(), reason="needs Abalone in ../shared/mirror")
def test_abalone_by_the_text() -> None:
    """Against other people's runs: training loss 0.46-0.58, test loss about 0.52, S about 0.083."""
    rows = list(measured(abalone.read([REAL]), TEXT, 0, range(12)))

    def median(name: str) -> float:
        return float(np.median([float(row[name]) for row in rows]))

    assert 0.46 < median("train_loss") < 0.53
    assert 0.49 < median("test_loss") < 0.55
    assert 0.065 < median("sharpness") < 0.11
    assert {row["epochs"] for row in rows} <= {3, 4, 5, 6}
