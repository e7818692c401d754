"""The networks of Wen, Ma and Li: tasks, losses, steps by hand against autograd, exact traces."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd.functional import hessian
from torch.func import functional_call
from torch.nn.functional import logsigmoid

from sharpness.problem import Problem
from sharpness.simple.two_layer_relu import gradients, losses, plain
from sharpness.simple.two_layer_relu.algorithms import TRAINERS, advance
from sharpness.simple.two_layer_relu.data import TASKS, Task, ball, parity
from sharpness.simple.two_layer_relu.initial import initial
from sharpness.simple.two_layer_relu.losses import Loss
from sharpness.simple.two_layer_relu.modules import NAMES, TwoLayer, Weights
from sharpness.simple.two_layer_relu.phases import Phase
from sharpness.simple.two_layer_relu.traces import outputs, trace
from sharpness.simple.two_layer_relu.visits import Visits

MINE = ("no-bias", "bias", "softplus", "three-layer")
MSE, LOGISTIC = Loss("mse"), Loss("logistic", smoothing=0.2)
LOSSES = pytest.mark.parametrize("loss", [MSE, LOGISTIC], ids=["mse", "logistic"])
SEEDS = st.integers(0, 2**31)


def network(architecture: str, d: int = 4, width: int = 12, seed: int = 0) -> Weights:
    """Float64 weights large enough for outputs of order one."""
    weights = initial(architecture, d, width, seed)
    return {name: 2 * w.astype(np.float64) for name, w in weights.items()}


def example_losses(f: Tensor, y: Tensor, loss: Loss) -> Tensor:
    """ℓ(f, y) as the paper writes it, which ``Loss`` does not."""
    if loss.kind == "mse":
        return (f - y) ** 2
    return -(1 - loss.smoothing) * logsigmoid(y * f) - loss.smoothing * logsigmoid(-y * f)


def autograd(
    architecture: str, weights: Weights, task: Task, x: npt.ArrayLike, y: npt.ArrayLike, loss: Loss
) -> Weights:
    """∇ of the mean loss of some examples."""
    module = TwoLayer(architecture, weights, task.inputs)
    example_losses(module(torch.tensor(x)), torch.tensor(y), loss).mean().backward()
    return {name: np.asarray(part.grad) for name, part in module.named_parameters()}


def trained_by_autograd(
    architecture: str,
    weights: Weights,
    task: Task,
    loss: Loss,
    phase: Phase,
    orders: npt.NDArray[np.int64],
    noise: npt.NDArray[np.float64],
) -> Weights:
    """What the kernels compute, step by step from the definitions."""
    size = phase.batch or len(task.targets)
    for order, shifts in zip(orders, noise, strict=True):
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            batch = task.inputs[rows], task.targets[rows] + shifts[start : start + size], loss
            g = autograd(architecture, weights, task, *batch)
            if phase.rho:
                norm = np.sqrt(sum(np.sum(part**2) for part in g.values()))
                there = {k: w + phase.rho * g[k] / norm for k, w in weights.items()}
                g = autograd(architecture, there, task, *batch)
            rate, decay = phase.learning_rate, phase.weight_decay
            weights = {k: w - rate * (g[k] + decay * w) for k, w in weights.items()}
    return weights


def visits(n: int, epochs: int, seed: int = 0) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).permuted(np.tile(np.arange(n), (epochs, 1)), axis=1)


def module_of(architecture: str) -> ModuleType:
    return TRAINERS[architecture]


def squared_distance(one: Weights, other: Weights) -> float:
    return sum(float(np.sum((one[name] - other[name]) ** 2)) for name in one)


# ---- tasks ----


def test_parity_is_the_product_of_the_first_two_signs() -> None:
    task = parity(3, d=5, n=40, test=2000)
    for x, y in ((task.inputs, task.targets), (task.test_inputs, task.test_targets)):
        assert set(np.unique(x)) == {-1.0, 1.0}
        np.testing.assert_array_equal(y, x[:, 0] * x[:, 1])
    assert task.inputs.shape == (40, 5)
    # Independent fair signs: means of 2,000 have a standard deviation of 0.022.
    np.testing.assert_allclose(task.test_inputs.T @ task.test_inputs / 2000, np.eye(5), atol=0.1)


def test_ball_is_uniform_in_the_ball() -> None:
    task = ball(3, d=4, n=30, test=5000)
    x, y = task.test_inputs, task.test_targets
    np.testing.assert_allclose(y, np.abs(x[:, 0]) - np.abs(x[:, 1]))
    # The share of the volume within ‖x‖, which is uniform on [0, 1]; and E xxᵀ = d/(d + 2) I.
    shares = np.sort((np.linalg.norm(x, axis=1) / 2) ** 4)
    np.testing.assert_allclose(shares, (np.arange(5000) + 0.5) / 5000, atol=0.03)
    np.testing.assert_allclose(x.T @ x / 5000, 4 / 6 * np.eye(4), atol=0.05)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_its_seed(name: str) -> None:
    first, again, other = (TASKS[name](seed, d=6, n=20, test=20) for seed in (1, 1, 2))
    assert first.name == name
    np.testing.assert_array_equal(first.test_inputs, again.test_inputs)
    assert not np.array_equal(first.inputs, other.inputs)
    assert not np.array_equal(first.inputs, first.test_inputs)


# ---- losses ----


@LOSSES
def test_slope_and_curvature_are_derivatives(loss: Loss) -> None:
    f = torch.linspace(-30, 30, 61, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([-1.0, 1.0], dtype=torch.float64).repeat(31)[:61]
    values = example_losses(f, y, loss)
    (slopes,) = torch.autograd.grad(values.sum(), f, create_graph=True)
    (curvatures,) = torch.autograd.grad(slopes.sum(), f)
    outputs = f.detach().numpy()
    assert loss.value(outputs, y.numpy()) == pytest.approx(values.mean().item())
    np.testing.assert_allclose(loss.slope(outputs, y), slopes.detach(), atol=1e-14)
    np.testing.assert_allclose(loss.curvature(outputs, y), curvatures, atol=1e-14)


@pytest.mark.parametrize("p", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("y", [-1.0, 1.0])
def test_smoothed_loss_is_least_at_the_log_odds(p: float, y: float) -> None:
    loss, best = Loss("logistic", p), y * np.log((1 - p) / p)
    assert loss.slope([best], [y])[0] == pytest.approx(0, abs=1e-15)
    assert loss.value([best], [y]) < min(loss.value([best + step], [y]) for step in (-0.01, 0.01))


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(Problem, match="loss 'hinge'"):
        Loss("hinge")


def test_test_error_is_the_share_of_wrong_signs_or_the_squared_error() -> None:
    targets = np.array([1.0, -1.0, 1.0, -1.0])
    x = np.zeros((4, 2))
    signs = Task("parity", x, targets, x, targets)
    assert losses.test_error(signs, [0.1, 0.1, 0.0, -5.0]) == 0.5
    assert losses.test_error(signs, [0.1, np.nan, 0.1, np.nan]) == 0.5
    assert losses.test_error(replace(signs, name="ball"), [1.0, -1.0, 1.0, 1.0]) == 1.0


# ---- initial weights ----


@pytest.mark.parametrize("architecture", NAMES)
def test_initial_weights_fill_torchs_bounds(architecture: str) -> None:
    weights = initial(architecture, 25, 100, 1, first_layer_scale=0.5, gain=0.3)
    assert tuple(weights) == NAMES[architecture]
    bounds = {"W1": 0.5 / 5, "b1": 0.5 / 5, "W2": 0.1, "W3": 0.1}
    for name, w in weights.items():
        assert w.dtype == np.float32
        if name == "g":
            assert w == np.float32(0.3)
        else:
            assert 0.9 * bounds[name] < np.abs(w).max() <= np.float32(bounds[name])
            assert abs(w.mean()) < 0.25 * bounds[name]
    TwoLayer(architecture, weights, np.ones((3, 25), np.float32))(torch.ones(2, 25))  # shapes fit
    assert not np.array_equal(weights["W1"], initial(architecture, 25, 100, 2)["W1"] * 0.5)


# ---- training ----

STEPS = {
    "SGD": Phase(0.02, 3),
    "SGD with decay": Phase(0.02, 3, weight_decay=0.7),
    "1-SAM": Phase(0.02, 3, rho=0.4),
    "1-SAM with decay": Phase(0.02, 3, rho=0.4, weight_decay=0.7),
    "batches": Phase(0.02, 3, batch=3, weight_decay=0.7),
    "SAM in batches": Phase(0.02, 3, rho=0.4, batch=3),
    "GD": Phase(0.02, 3, batch=0),
}


@LOSSES
@pytest.mark.parametrize("phase", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("architecture", MINE)
def test_steps_are_those_of_autograd(architecture: str, phase: Phase, loss: Loss) -> None:
    task, weights = parity(3, d=4, n=7, test=1), network(architecture)
    orders, noise = visits(7, 3), np.random.default_rng(1).uniform(-0.5, 0.5, (3, 7))
    if loss.kind == "logistic":
        noise[:] = 0  # its reference is defined for signs alone
    expected = trained_by_autograd(architecture, weights, task, loss, phase, orders, noise)
    start = {name: w.copy() for name, w in weights.items()}
    X, y = task.inputs, task.targets
    module_of(architecture).advance(architecture, weights, Visits(X, y, loss, phase, orders, noise))
    # Softplus is computed by a series.
    tolerance = 1e-7 if architecture == "softplus" and phase.batch == 1 else 1e-12
    for name in weights:
        assert np.abs(weights[name] - start[name]).max() > 1e-3
        np.testing.assert_allclose(weights[name], expected[name], rtol=0, atol=tolerance)


def test_softplus_by_series() -> None:
    h = np.linspace(-25, 25, 2001)
    a, p = np.empty_like(h), np.empty_like(h)
    plain._activate(h, a, p, True)
    np.testing.assert_allclose(a, np.logaddexp(0, h), rtol=0, atol=2e-8)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-h)), rtol=0, atol=2e-8)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("architecture", ["bias", "three-layer"])
def test_sam_stays_where_no_unit_is_active(architecture: str, batch: int) -> None:
    weights = network(architecture)
    weights["b1"][:] = -100
    before = {name: w.copy() for name, w in weights.items()}
    advance(architecture, weights, parity(0, d=4, n=4), MSE, Phase(0.1, 1, 0.1, batch), 2, (0,))
    assert squared_distance(weights, before) == 0


@pytest.mark.parametrize("architecture", MINE)
def test_single_precision_follows_double(architecture: str) -> None:
    task, double = parity(3, d=4, n=7, test=1), network(architecture)
    single = {name: w.astype(np.float32) for name, w in double.items()}
    for weights in (single, double):
        advance(architecture, weights, task, MSE, Phase(0.02, 1, rho=0.2), 3, (5,))
    assert all(w.dtype == np.float32 for w in single.values())
    assert squared_distance(single, double) < 1e-10


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("architecture", MINE)
def test_a_run_continues_from_its_weights(architecture: str, batch: int) -> None:
    task, phase = parity(3, d=4, n=7, test=1), Phase(0.02, 4, rho=0.2, batch=batch)
    orders, noise = visits(7, 4), np.zeros((4, 7))
    whole, parts = network(architecture), network(architecture)
    given_, run = (task.inputs, task.targets, MSE, phase), module_of(architecture).advance
    run(architecture, whole, Visits(*given_, orders, noise))
    for half in (slice(0, 2), slice(2, 4)):
        run(architecture, parts, Visits(*given_, orders[half], noise[half]))
    assert squared_distance(whole, parts) == 0


def test_advance_draws_orders_and_signs_from_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        plain, "advance", lambda *given_: seen.append((given_[-1].orders, given_[-1].noise))
    )
    for seed in ((1, 2), (1, 2), (1, 3)):
        advance("bias", network("bias"), parity(0, d=4, n=50), MSE, Phase(1, 1, noise=0.5), 3, seed)
    advance("bias", network("bias"), parity(0, d=4, n=50), MSE, Phase(1, 1), 3, (1, 2))
    (orders, noise), (orders_again, noise_again), (other, other_noise), (_, silence) = seen
    np.testing.assert_array_equal(orders, orders_again)
    np.testing.assert_array_equal(noise, noise_again)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(50), (3, 1)))
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders, other)
    assert not np.array_equal(noise, other_noise)
    assert set(np.unique(noise)) == {-0.5, 0.5}
    assert 0.3 < np.mean(noise > 0) < 0.7
    assert not silence.any()


def test_only_layernorm_can_keep_its_norm() -> None:
    with pytest.raises(Problem, match="norm 10"):
        advance("bias", network("bias"), parity(0, d=4, n=4), MSE, Phase(1, 1, norm=10), 1, (0,))


def test_sam_at_batch_size_one_minimises_sharpness() -> None:
    task = parity(1, d=8, n=24, test=200)
    found = {}
    for rho in (0.0, 0.05):
        weights = initial("no-bias", 8, 64, 1)
        advance("no-bias", weights, task, MSE, Phase(0.01, 1, rho=rho), 2000, (1,))
        f = outputs("no-bias", weights, task.inputs, task.inputs)
        assert MSE.value(f, task.targets) < 0.01
        fresh = outputs("no-bias", weights, task.test_inputs, task.inputs)
        found[rho] = trace("no-bias", weights, task, MSE), losses.test_error(task, fresh)
    # No interpolator without bias has a trace below 4√d (Sec. 3); SAM stops a little short of one.
    assert 0.95 * 4 * np.sqrt(8) < found[0.05][0] < 0.6 * found[0.0][0]
    assert found[0.05][1] < found[0.0][1]


# ---- traces ----


def hessian_trace(
    architecture: str, weights: Weights, task: Task, loss: Loss, adaptive: bool
) -> float:
    """The diagonal of the whole Hessian by autograd, summed."""
    module = TwoLayer(architecture, weights, task.inputs)
    flat = torch.cat([torch.tensor(w).flatten() for w in weights.values()])
    shapes = [np.shape(w) for w in weights.values()]
    sizes = [int(np.prod(shape)) for shape in shapes]

    def mean_loss(values: Tensor) -> Tensor:
        parts = zip(weights, values.split(sizes), shapes, strict=True)
        parameters = {name: part.reshape(shape) for name, part, shape in parts}
        f = functional_call(module, parameters, torch.tensor(task.inputs))
        return example_losses(f, torch.tensor(task.targets), loss).mean()

    diagonal = hessian(mean_loss, flat).diagonal()
    return float((diagonal * flat**2 if adaptive else diagonal).sum())


@LOSSES
@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("architecture", NAMES)
def test_trace_is_that_of_the_hessian(architecture: str, adaptive: bool, loss: Loss) -> None:
    task, weights = parity(2, d=4, n=9, test=1), network(architecture)  # far from a minimum
    found = trace(architecture, weights, task, loss, adaptive=adaptive)
    assert found == pytest.approx(hessian_trace(architecture, weights, task, loss, adaptive))


@pytest.mark.parametrize("architecture", NAMES)
def test_outputs_are_those_of_the_module(architecture: str) -> None:
    task, weights = ball(2, d=4, n=9, test=5), network(architecture)
    module = TwoLayer(architecture, weights, task.inputs)
    with torch.no_grad():
        expected = module(torch.tensor(task.test_inputs))
    found = outputs(architecture, weights, task.test_inputs, task.inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# ---- invariances ----


def permuted(architecture: str, weights: Weights, units: npt.NDArray[np.intp]) -> Weights:
    """The same function with the hidden units of the first layer in another order."""
    columns = {"W2": (..., units), "W1": (units,), "b1": (units,)}
    return {
        k: np.ascontiguousarray(w[columns[k]]) if k in columns else w.copy()
        for k, w in weights.items()
    }


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from(MINE), st.permutations(range(12)))
def test_units_may_change_places(seed: int, architecture: str, units: list[int]) -> None:
    task, weights = parity(seed, d=4, n=9, test=1), network(architecture, seed=seed)
    other = permuted(architecture, weights, np.array(units))
    for adaptive in (False, True):
        values = [trace(architecture, w, task, MSE, adaptive=adaptive) for w in (weights, other)]
        assert values[1] == pytest.approx(values[0])
    for w in (weights, other):
        advance(architecture, w, task, MSE, Phase(0.005, 1, rho=0.1), 2, (seed,))
    assert squared_distance(permuted(architecture, weights, np.array(units)), other) < 1e-16


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from(["no-bias", "bias", "three-layer"]), st.floats(0.2, 5))
def test_adaptive_trace_ignores_the_scale_between_layers(
    seed: int, architecture: str, scale: float
) -> None:
    task, weights = ball(seed, d=4, n=9, test=5), network(architecture, seed=seed)
    factors = {"W1": scale, "b1": scale, "W2": 1 / scale}
    other = {name: w * factors.get(name, 1.0) for name, w in weights.items()}
    for value in (
        lambda w: outputs(architecture, w, task.test_inputs, task.inputs),
        lambda w: trace(architecture, w, task, MSE, adaptive=True),
    ):
        np.testing.assert_allclose(value(other), value(weights), rtol=1e-9, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from(MINE))
def test_a_gradient_is_the_mean_over_its_batch(seed: int, architecture: str) -> None:
    task, weights = parity(seed, d=4, n=6, test=1), network(architecture, seed=seed)
    X, y = task.inputs, task.targets
    whole = gradients.gradient(architecture, MSE, weights, X, y)
    halves = [
        gradients.gradient(architecture, MSE, weights, X[s], y[s]) for s in (slice(3), slice(3, 6))
    ]
    for name in weights:
        mean = (halves[0][name] + halves[1][name]) / 2
        np.testing.assert_allclose(whole[name], mean, rtol=1e-9, atol=1e-12)
