"""The networks of Wen, Ma and Li: tasks, losses, steps by hand against autograd, exact traces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_relu import (
    EPOCHS,
    LOSSES,
    MSE,
    SEEDS,
    TASK,
    D,
    N,
    example_losses,
    hessian_trace,
    network,
    single,
    trained,
    trained_by_autograd,
    visits,
)

from sharpness.studies.wen import batchnorm, networks, plain
from sharpness.studies.wen.measures import ReferenceNetwork, outputs, trace
from sharpness.studies.wen.networks import (
    EPSILON,
    NAMES,
    TASKS,
    LearningTask,
    Loss,
    Weights,
    ball,
    initial_weights,
    parity,
)
from sharpness.studies.wen.runs import Phase
from sharpness.studies.wen.solutions import least_trace
from sharpness.studies.wen.training import advance

NORMALISED = st.sampled_from(["layernorm", "batchnorm"])
ARCHITECTURES = pytest.mark.parametrize("architecture", NAMES)
BATCHES = pytest.mark.parametrize("batch", [1, 3])
PLAIN = ("no-bias", "bias", "softplus", "three-layer")


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


def test_test_error_is_the_share_of_wrong_signs_or_the_squared_error() -> None:
    targets = np.array([1.0, -1.0, 1.0, -1.0])
    x = np.zeros((4, 2))
    signs = LearningTask("parity", x, targets, x, targets)
    assert networks.test_error(signs, [0.1, 0.1, 0.0, -5.0]) == 0.5
    assert networks.test_error(signs, [0.1, np.nan, 0.1, np.nan]) == 0.5
    assert networks.test_error(replace(signs, name="ball"), [1.0, -1.0, 1.0, 1.0]) == 1.0


# ---- initial weights ----


@pytest.mark.parametrize("architecture", NAMES)
def test_initial_weights_fill_torchs_bounds(architecture: str) -> None:
    weights = initial_weights(architecture, 25, 100, 1, first_layer_scale=0.5, gain=0.3)
    assert tuple(weights) == NAMES[architecture]
    bounds = {"W1": 0.5 / 5, "b1": 0.5 / 5, "W2": 0.1, "W3": 0.1}
    for name, w in weights.items():
        assert w.dtype == np.float32
        if name == "g":
            assert w == np.float32(0.3)
        else:
            assert 0.9 * bounds[name] < np.abs(w).max() <= np.float32(bounds[name])
            assert abs(w.mean()) < 0.25 * bounds[name]


# ---- training ----

STEPS = {
    "SGD": Phase(learning_rate=0.02, epochs=EPOCHS, weight_decay=0.7),
    "1-SAM": Phase(learning_rate=0.02, epochs=EPOCHS, rho=0.2, weight_decay=0.7),
    "SAM in batches": Phase(learning_rate=0.02, epochs=EPOCHS, rho=0.2, batch=3, weight_decay=0.7),
    "GD": Phase(learning_rate=0.02, epochs=EPOCHS, batch=0),
}
KEPT = {
    "1-SAM, norm kept": Phase(learning_rate=0.02, epochs=EPOCHS, rho=0.2, norm=3.0),
    "GD, norm kept": Phase(learning_rate=0.02, epochs=EPOCHS, batch=0, norm=3.0),
}


@LOSSES
@pytest.mark.parametrize(
    ("architecture", "phase"),
    [(name, phase) for name in NAMES for phase in STEPS.values()]
    + [("layernorm", phase) for phase in KEPT.values()],
    ids=[f"{name}, {step}" for name in NAMES for step in STEPS] + list(KEPT),
)
def test_steps_are_those_of_autograd(architecture: str, phase: Phase, loss: Loss) -> None:
    start = network(architecture)
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (EPOCHS, N))
    expected = trained_by_autograd(architecture, start, phase, loss, noise)
    found = trained(architecture, start, phase, loss, noise=noise)
    # Softplus is computed by a series.
    tolerance = 1e-7 if architecture == "softplus" and phase.batch == 1 else 1e-11
    for name in NAMES[architecture]:
        assert np.abs(found[name] - start[name]).max() > 1e-4
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=tolerance)


@BATCHES
@pytest.mark.parametrize("architecture", ["bias", "three-layer", "layernorm", "batchnorm"])
def test_nothing_moves_where_no_unit_is_active(architecture: str, batch: int) -> None:
    start = network(architecture)
    start["b1"][:] = -100
    found = trained(
        architecture, start, Phase(learning_rate=0.1, epochs=EPOCHS, rho=0.3, batch=batch)
    )
    assert squared_distance(found, start) == 0


@BATCHES
@ARCHITECTURES
def test_single_precision_follows_double_and_continues_to_the_byte(
    architecture: str, batch: int
) -> None:
    double, phase = (
        network(architecture),
        Phase(learning_rate=0.02, epochs=EPOCHS, rho=0.1, batch=batch),
    )
    expected, whole = (trained(architecture, w, phase) for w in (double, single(double)))
    parts = trained(architecture, single(double), phase, orders=visits()[:1])
    parts = trained(architecture, parts, phase, orders=visits()[1:])
    for name in double:
        assert whole[name].dtype == np.float32
        np.testing.assert_allclose(whole[name], expected[name], rtol=0, atol=1e-5)
        assert whole[name].tobytes() == parts[name].tobytes()


def test_advance_draws_orders_and_signs_from_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        plain, "advance", lambda *given_: seen.append((given_[-1].orders, given_[-1].noise))
    )
    task = parity(0, d=D, n=50)
    for seed, noise in (((1, 2), 0.5), ((1, 2), 0.5), ((1, 3), 0.5), ((1, 2), 0.0)):
        advance(
            "bias",
            network("bias"),
            task,
            MSE,
            Phase(learning_rate=1, epochs=1, noise=noise),
            3,
            seed,
        )
    (orders, noise), again, (other, other_noise), (_, silence) = seen
    assert (orders.tolist(), noise.tolist()) == tuple(part.tolist() for part in again)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(50), (3, 1)))
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders, other)
    assert not np.array_equal(noise, other_noise)
    assert set(np.unique(noise)) == {-0.5, 0.5}
    assert not silence.any()


# ---- traces ----


@LOSSES
@pytest.mark.parametrize("adaptive", [False, True])
@ARCHITECTURES
def test_trace_is_that_of_the_hessian(architecture: str, adaptive: bool, loss: Loss) -> None:
    weights = network(architecture, width=6)  # far from a minimum
    found = trace(architecture, weights, TASK, loss, adaptive=adaptive)
    expected = hessian_trace(architecture, weights, TASK, loss, adaptive=adaptive)
    assert found == pytest.approx(expected, rel=1e-10)


@ARCHITECTURES
def test_outputs_are_those_of_the_module(architecture: str) -> None:
    weights = network(architecture)
    with torch.no_grad():
        module = ReferenceNetwork(architecture, weights, TASK.inputs)
        expected = module(torch.tensor(TASK.test_inputs))
    found = outputs(architecture, weights, TASK.test_inputs, TASK.inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


# ---- invariances ----


@settings(max_examples=8)
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


# ---- simplified LayerNorm and BatchNorm ----


@LOSSES
@BATCHES
def test_steps_and_traces_where_epsilon_divides(batch: int, loss: Loss) -> None:
    start = network("layernorm", width=6)
    for name in ("W1", "b1"):
        start[name] *= 0.01 * EPSILON
    phase = Phase(learning_rate=1e-9, epochs=EPOCHS, batch=batch)
    expected = trained_by_autograd("layernorm", start, phase, loss, np.zeros((EPOCHS, N)))
    found = trained("layernorm", start, phase, loss)
    for w in (start, found):
        h = TASK.inputs @ w["W1"].T + w["b1"]
        assert np.linalg.norm(np.maximum(h, 0), axis=1).max() < EPSILON
        exact = hessian_trace("layernorm", w, TASK, loss)
        assert trace("layernorm", w, TASK, loss) == pytest.approx(exact, rel=1e-10)
    for name in NAMES["layernorm"]:
        step = expected[name] - start[name]
        np.testing.assert_allclose(found[name] - start[name], step, atol=1e-6 * np.abs(step).max())


@settings(max_examples=10)
@given(SEEDS, NORMALISED)
def test_outputs_ignore_the_scale_of_the_first_layer(seed: int, architecture: str) -> None:
    """The whole of it, with LayerNorm, or each neuron's that the training set makes active."""
    weights, rng = network(architecture, seed), np.random.default_rng(seed)
    factors = np.full(len(weights["b1"]), rng.uniform(0.1, 10))
    if architecture == "batchnorm":
        active = (TASK.inputs @ weights["W1"].T + weights["b1"] > 0).any(axis=0)
        factors = np.where(active, rng.uniform(0.1, 10, active.size), 1)
    first = {"W1": factors[:, None] * weights["W1"], "b1": factors * weights["b1"]}
    found, expected = (
        outputs(architecture, w, TASK.test_inputs, TASK.inputs)
        for w in ({**weights, **first}, weights)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    # So does the adaptive trace, of derivatives by the weights' relative sizes.
    found, expected = (
        trace(architecture, w, TASK, MSE, adaptive=True) for w in ({**weights, **first}, weights)
    )
    assert found == pytest.approx(expected, rel=1e-7)


FLAT = {"first_layer_scale": 0.1, "gain": 0.5}


@pytest.mark.parametrize(
    ("architecture", "width", "factors", "most", "phases"),
    [
        (
            "no-bias",
            64,
            {},
            1.5,
            [
                Phase(learning_rate=0.01, epochs=2000, rho=0.05),
                Phase(learning_rate=0.01, epochs=300),
            ],
        ),
        (
            "layernorm",
            32,
            FLAT,
            1.1,
            [
                Phase(learning_rate=0.05, epochs=1500, rho=0.1),
                Phase(learning_rate=0.05, epochs=300),
            ],
        ),
        (
            *("batchnorm", 32, FLAT, 1.1),
            [
                Phase(learning_rate=0.01, epochs=20),
                Phase(learning_rate=0.01, epochs=1500, rho=0.05),
                Phase(learning_rate=0.01, epochs=300),
            ],
        ),
    ],
)
def test_sam_at_batch_size_one_minimises_sharpness(
    architecture: str, width: int, factors: dict[str, float], most: float, phases: list[Phase]
) -> None:
    task, found = parity(1, d=8, n=24, test=200), {}
    for sam in (False, True):
        weights = initial_weights(architecture, 8, width, 1, **factors)
        for number, phase in enumerate(phases if sam else phases[-1:]):
            rng = np.random.default_rng(number)
            orders = rng.permuted(np.tile(np.arange(24), (phase.epochs, 1)), axis=1)
            weights = trained(architecture, weights, phase, task=task, orders=orders)
        least = least_trace(architecture, 8)
        if architecture == "batchnorm":
            least = 4 * np.sqrt(batchnorm.active_neurons(weights, task.inputs))
        fits, fresh = (
            outputs(architecture, weights, x, task.inputs) for x in (task.inputs, task.test_inputs)
        )
        assert MSE.value(fits, task.targets) < 1e-4
        found[sam] = (
            trace(architecture, weights, task, MSE) / least,
            networks.test_error(task, fresh),
        )
    assert 0.98 < found[True][0] < most < 0.75 * found[False][0]
    assert found[True][1] < found[False][1]
