"""Simplified LayerNorm and BatchNorm: steps by hand against autograd, exact traces, invariances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits

from sharpness.simple.two_layer_relu import batchnorm, layernorm, losses
from sharpness.simple.two_layer_relu.constructions import bound
from sharpness.simple.two_layer_relu.data import Task, parity
from sharpness.simple.two_layer_relu.initial import initial
from sharpness.simple.two_layer_relu.losses import Loss
from sharpness.simple.two_layer_relu.modules import EPSILON, NAMES, TwoLayer, Weights
from sharpness.simple.two_layer_relu.phases import Phase
from sharpness.simple.two_layer_relu.visits import Visits

MODULES = {"layernorm": layernorm, "batchnorm": batchnorm}
ARCHITECTURES = pytest.mark.parametrize("architecture", MODULES)
MSE, LOGISTIC = Loss("mse"), Loss("logistic", smoothing=0.2)
LOSSES = pytest.mark.parametrize("loss", [MSE, LOGISTIC], ids=["mse", "logistic"])
SEEDS = st.integers(0, 2**31)
D, WIDTH, N, EPOCHS = 4, 12, 7, 3
TASK = parity(3, d=D, n=N, test=50)


def network(architecture: str, seed: int = 0) -> Weights:
    """Float64 weights with outputs of order one, some neurons silent on all examples."""
    start = initial(architecture, D, WIDTH, seed, gain=0.3)
    weights = {name: np.array(2 * w, dtype=float) for name, w in start.items()}
    weights["b1"][:2] = -10
    return weights


def visits(epochs: int = EPOCHS, n: int = N) -> npt.NDArray[np.int64]:
    return np.random.default_rng(0).permuted(np.tile(np.arange(n), (epochs, 1)), axis=1)


def trained(
    architecture: str,
    weights: Weights,
    phase: Phase,
    loss: Loss = MSE,
    task: Task = TASK,
    noise: npt.ArrayLike = 0.0,
    orders: npt.NDArray[np.int64] | None = None,
) -> Weights:
    """What ``advance`` makes of a copy of the weights."""
    weights = {name: w.copy() for name, w in weights.items()}
    precision = weights["W1"].dtype
    orders = visits() if orders is None else orders
    noise = np.broadcast_to(np.asarray(noise, precision), orders.shape)
    X, y = task.inputs.astype(precision), task.targets.astype(precision)
    MODULES[architecture].advance(architecture, weights, Visits(X, y, loss, phase, orders, noise))
    return weights


def batch_loss(module: TwoLayer, x: npt.ArrayLike, y: npt.ArrayLike, loss: Loss) -> torch.Tensor:
    """The mean loss from its definition; targets of the logistic loss are probabilities."""
    f, y = module(torch.tensor(x)), torch.tensor(y)
    if loss.kind == "mse":
        return (f - y).square().mean()
    return binary_cross_entropy_with_logits(f, (1 - loss.smoothing) * y + (1 - y) / 2)


def autograd(architecture: str, weights: Weights, x, y, loss: Loss) -> Weights:
    module = TwoLayer(architecture, weights, TASK.inputs)
    batch_loss(module, x, y, loss).backward()
    return {
        name: np.zeros(part.shape) if part.grad is None else part.grad.numpy()
        for name, part in module.named_parameters()
    }


def trained_by_autograd(
    architecture: str, weights: Weights, phase: Phase, loss: Loss, noise: npt.NDArray[np.float64]
) -> Weights:
    """The same steps from their definition (Phase)."""
    size = phase.batch or N
    for order, shifts in zip(visits(), noise, strict=True):
        for start in range(0, N, size):
            rows = order[start : start + size]
            batch = TASK.inputs[rows], TASK.targets[rows] + shifts[start : start + size], loss
            g = autograd(architecture, weights, *batch)
            if phase.rho:
                norm = np.sqrt(sum(np.sum(part**2) for part in g.values()))
                there = {k: w + phase.rho * g[k] / norm for k, w in weights.items()}
                g = autograd(architecture, there, *batch)
            rate, decay = phase.learning_rate, phase.weight_decay
            weights = {k: w - rate * (g[k] + decay * w) for k, w in weights.items()}
            if phase.norm:
                first = np.column_stack([weights["W1"], weights["b1"]])
                factor = phase.norm / np.linalg.norm(first)
                weights |= {name: factor * weights[name] for name in ("W1", "b1")}
    return weights


STEPS = {
    "SGD": Phase(0.02, EPOCHS),
    "SGD with decay": Phase(0.02, EPOCHS, weight_decay=0.7),
    "1-SAM": Phase(0.02, EPOCHS, rho=0.2),
    "1-SAM with decay": Phase(0.02, EPOCHS, rho=0.2, weight_decay=0.7),
    "batches": Phase(0.02, EPOCHS, batch=3, weight_decay=0.7),
    "SAM in batches": Phase(0.02, EPOCHS, rho=0.2, batch=3),
    "GD": Phase(0.02, EPOCHS, batch=0),
}
KEPT = {
    "1-SAM, norm kept": Phase(0.02, EPOCHS, rho=0.2, norm=3.0),
    "GD, norm kept": Phase(0.02, EPOCHS, batch=0, norm=3.0),
}


@LOSSES
@pytest.mark.parametrize(
    ("architecture", "phase"),
    [(name, phase) for name in MODULES for phase in STEPS.values()]
    + [("layernorm", phase) for phase in KEPT.values()],
    ids=[f"{name}, {step}" for name in MODULES for step in STEPS] + list(KEPT),
)
def test_steps_are_those_of_autograd(architecture: str, phase: Phase, loss: Loss) -> None:
    start = network(architecture)
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (EPOCHS, N))
    expected = trained_by_autograd(architecture, start, phase, loss, noise)
    found = trained(architecture, start, phase, loss, noise=noise)
    for name in NAMES[architecture]:
        assert np.abs(found[name] - start[name]).max() > 1e-4
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-11)


@LOSSES
@pytest.mark.parametrize("batch", [1, 3])
def test_steps_where_epsilon_divides(batch: int, loss: Loss) -> None:
    start = network("layernorm")
    for name in ("W1", "b1"):
        start[name] *= 0.01 * EPSILON
    phase = Phase(1e-9, EPOCHS, batch=batch)
    expected = trained_by_autograd("layernorm", start, phase, loss, np.zeros((EPOCHS, N)))
    found = trained("layernorm", start, phase, loss)
    for w in (start, found):
        h = TASK.inputs @ w["W1"].T + w["b1"]
        assert np.linalg.norm(np.maximum(h, 0), axis=1).max() < EPSILON
    for name in NAMES["layernorm"]:
        step = expected[name] - start[name]
        np.testing.assert_allclose(found[name] - start[name], step, atol=1e-6 * np.abs(step).max())


@pytest.mark.parametrize("batch", [1, 3])
@ARCHITECTURES
def test_nothing_moves_where_no_neuron_is_active(architecture: str, batch: int) -> None:
    start = network(architecture)
    start["b1"][:] = -100
    found = trained(architecture, start, Phase(0.1, EPOCHS, rho=0.3, batch=batch))
    for name, w in start.items():
        np.testing.assert_array_equal(found[name], w)


@pytest.mark.parametrize("rho", [0.0, 0.4])
def test_neurons_silent_on_an_example_stay_where_they_are(rho: float) -> None:
    """What lets simplified BatchNorm's steps leave them out; at θ + e they have not moved."""
    start = network("batchnorm")
    example = np.array([[0]])
    found = trained("batchnorm", start, Phase(0.05, 1, rho=rho), orders=example)
    silent = start["W1"] @ TASK.inputs[0] + start["b1"] <= 0
    assert 2 < silent.sum() < WIDTH
    moved = np.abs(found["W1"] - start["W1"]).max(axis=1) > 0
    assert moved.any()
    assert not moved[silent].any()
    np.testing.assert_array_equal(found["W2"][silent], start["W2"][silent])


@ARCHITECTURES
def test_single_precision_follows_double(architecture: str) -> None:
    double = network(architecture)
    single = {name: w.astype(np.float32) for name, w in double.items()}
    phase = Phase(0.02, EPOCHS, rho=0.1)
    found, expected = (trained(architecture, w, phase) for w in (single, double))
    for name in expected:
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
@ARCHITECTURES
def test_a_run_repeats_and_continues_to_the_byte(architecture: str, batch: int) -> None:
    start = {name: w.astype(np.float32) for name, w in network(architecture).items()}
    phase = Phase(0.02, EPOCHS, rho=0.1, batch=batch)
    whole, again = (trained(architecture, start, phase) for _ in range(2))
    parts = trained(architecture, start, phase, orders=visits()[:1])
    parts = trained(architecture, parts, phase, orders=visits()[1:])
    for name in start:
        assert whole[name].tobytes() == again[name].tobytes() == parts[name].tobytes()


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.floats(0.5, 20), st.sampled_from([0, 1, 3]))
def test_the_norm_is_kept(seed: int, norm: float, batch: int) -> None:
    phase = Phase(0.05, EPOCHS, rho=0.3, batch=batch, norm=norm)
    found = trained("layernorm", network("layernorm", seed), phase)
    kept = np.linalg.norm(np.column_stack([found["W1"], found["b1"]]))
    assert kept == pytest.approx(norm, rel=1e-12)


# ---- derivatives ----


@LOSSES
@ARCHITECTURES
def test_gradient_is_that_of_autograd(architecture: str, loss: Loss) -> None:
    weights, x, y = network(architecture), TASK.inputs[:4], TASK.targets[:4]
    if architecture == "layernorm":
        found = layernorm.gradient(weights, x, y, loss)
    else:
        found = batchnorm.gradient(weights, x, y, TASK.inputs, loss)
    for name, expected in autograd(architecture, weights, x, y, loss).items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-13)


@LOSSES
@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("case", ["layernorm", "below epsilon", "batchnorm"])
def test_trace_is_that_of_the_hessian(case: str, adaptive: bool, loss: Loss) -> None:
    architecture = "batchnorm" if case == "batchnorm" else "layernorm"
    weights = network(architecture)
    if case == "below epsilon":
        weights |= {name: 0.1 * EPSILON * weights[name] for name in ("W1", "b1")}
    module = TwoLayer(architecture, weights, TASK.inputs)
    parameters = dict(module.named_parameters())
    expected = 0.0
    gradients = torch.autograd.grad(
        batch_loss(module, TASK.inputs, TASK.targets, loss),
        list(parameters.values()),
        create_graph=True,
    )
    for part, g in zip(parameters.values(), gradients, strict=True):
        for i, entry in enumerate(g.flatten()):
            (row,) = torch.autograd.grad(entry, part, retain_graph=True, allow_unused=True)
            if row is not None:
                scale = part.flatten()[i].item() ** 2 if adaptive else 1.0
                expected += scale * row.flatten()[i].item()
    found = MODULES[architecture].trace(weights, TASK, loss, adaptive=adaptive)
    assert found == pytest.approx(expected, rel=1e-10)


# ---- invariances ----


def evaluate(architecture: str, weights: Weights) -> npt.NDArray[np.float64]:
    if architecture == "layernorm":
        return layernorm.outputs(weights, TASK.test_inputs)
    return batchnorm.outputs(weights, TASK.test_inputs, TASK.inputs)


def scaled(architecture: str, weights: Weights, factors: npt.NDArray[np.float64]) -> Weights:
    """(W1, b1) times one factor, with LayerNorm, or one for each neuron, with BatchNorm."""
    factors = factors[:1] if architecture == "layernorm" else factors
    first = {"W1": factors[:, None] * weights["W1"], "b1": factors * weights["b1"]}
    return {**weights, **first}


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(list(MODULES)))
def test_outputs_ignore_the_scale_of_the_first_layer(seed: int, architecture: str) -> None:
    """The whole of it, with LayerNorm, or each neuron's that the training set makes active."""
    weights, rng = network(architecture, seed), np.random.default_rng(seed)
    factors = np.full(WIDTH, rng.uniform(0.1, 10))
    if architecture == "batchnorm":
        active = (TASK.inputs @ weights["W1"].T + weights["b1"] > 0).any(axis=0)
        factors = np.where(active, rng.uniform(0.1, 10, WIDTH), 1)
    first = {"W1": factors[:, None] * weights["W1"], "b1": factors * weights["b1"]}
    other = {**weights, **first}
    with torch.no_grad():
        module = TwoLayer(architecture, weights, TASK.inputs)
        expected = module(torch.tensor(TASK.test_inputs))
    for w in (weights, other):
        np.testing.assert_allclose(evaluate(architecture, w), expected, rtol=1e-9, atol=1e-12)
    # So does the adaptive trace, of derivatives by the weights' relative sizes.
    adaptive = [MODULES[architecture].trace(w, TASK, MSE, adaptive=True) for w in (weights, other)]
    assert adaptive[1] == pytest.approx(adaptive[0], rel=1e-7)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(list(MODULES)), st.integers(0, N - 1))
def test_a_step_is_orthogonal_to_the_first_layer(
    seed: int, architecture: str, example: int
) -> None:
    """Since the outputs ignore its scale, or each neuron's, a step can only lengthen it."""
    weights = network(architecture, seed)
    found = trained(architecture, weights, Phase(0.01, 1), orders=np.array([[example]]))
    before, after = (np.column_stack([w["W1"], w["b1"]]) for w in (weights, found))
    axis = 1 if architecture == "batchnorm" else None
    longer = np.sum(after**2, axis=axis) - np.sum(before**2, axis=axis)
    np.testing.assert_allclose(longer, np.sum((after - before) ** 2, axis=axis), atol=1e-9)


# ---- what the paper is about ----


@pytest.mark.parametrize(
    ("architecture", "gain", "phases"),
    [
        ("layernorm", 1.0, [Phase(0.05, 1500, rho=0.1), Phase(0.05, 300)]),
        ("batchnorm", 0.5, [Phase(0.01, 20), Phase(0.01, 1500, rho=0.05), Phase(0.01, 300)]),
    ],
)
def test_sam_at_batch_size_one_minimises_sharpness(
    architecture: str, gain: float, phases: list[Phase]
) -> None:
    task, found = parity(1, d=8, n=24, test=200), {}
    for sam in (False, True):
        weights = initial(architecture, 8, 32, 1, first_layer_scale=0.1, gain=gain)
        for number, phase in enumerate(phases if sam else phases[-1:]):
            rng = np.random.default_rng(number)
            orders = rng.permuted(np.tile(np.arange(24), (phase.epochs, 1)), axis=1)
            weights = trained(architecture, weights, phase, task=task, orders=orders)
        if architecture == "layernorm":
            least = bound(architecture, 8)
            fits, fresh = (layernorm.outputs(weights, x) for x in (task.inputs, task.test_inputs))
        else:
            least = 4 * np.sqrt(batchnorm.active_neurons(weights, task.inputs))
            fits, fresh = (
                batchnorm.outputs(weights, x, task.inputs) for x in (task.inputs, task.test_inputs)
            )
        assert MSE.value(fits, task.targets) < 1e-4
        value = MODULES[architecture].trace(weights, task, MSE)
        found[sam] = value / least, losses.test_error(task, fresh)
    assert 0.98 < found[True][0] < 1.1 < 1.5 < found[False][0]
    assert found[True][1] < found[False][1]
