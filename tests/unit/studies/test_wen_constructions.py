"""The explicit flattest solutions of P_xor: at the bound, memorising or generalising."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_relu import hessian_trace

from sharpness.io.errors import UserError
from sharpness.studies.wen.measures import ReferenceNetwork, measure_solution
from sharpness.studies.wen.networks import LearningTask, Loss, Weights, ball, parity
from sharpness.studies.wen.solutions import (
    exclusive_or,
    generalising,
    least_trace,
    memorising,
)

D, N = 30, 100
TASK = parity(1, d=D, n=N)
NETWORKS = {
    "memorising": [(memorising, name) for name in ("bias", "layernorm")],
    "generalising": [
        *((generalising, name) for name in ("no-bias", "bias", "layernorm", "batchnorm")),
        (exclusive_or, "batchnorm"),
    ],
}
AT_THE_BOUND = [pair for pairs in NETWORKS.values() for pair in pairs][:-1]


def outputs(architecture: str, weights: Weights, task: LearningTask, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return ReferenceNetwork(architecture, weights, task.inputs)(torch.tensor(x)).numpy()


def trace_at_interpolation(architecture: str, weights: Weights, task: LearningTask) -> float:
    """(2/n) Σ ‖∇f(xᵢ)‖², by autograd (Lemma 4.1)."""
    module = ReferenceNetwork(architecture, weights, task.inputs)
    values = module(torch.tensor(task.inputs))
    gradients = [torch.autograd.grad(f, module.parameters(), retain_graph=True) for f in values]
    return 2 * float(np.mean([sum(float(part.square().sum()) for part in g) for g in gradients]))


def test_bounds_in_numbers() -> None:
    numbers = {"no-bias": 21.9089, "bias": 22.2711, "layernorm": 2, "batchnorm": 6.9282}
    for architecture, number in numbers.items():
        assert least_trace(architecture, D) == pytest.approx(number, abs=5e-5)
    with pytest.raises(UserError, match="softplus"):
        least_trace("softplus", D)


@pytest.mark.parametrize(("build", "architecture"), NETWORKS["memorising"])
def test_memorising_networks_know_nothing_else(build, architecture: str) -> None:
    weights = build(architecture, TASK)
    f = outputs(architecture, weights, TASK, TASK.inputs)
    np.testing.assert_allclose(f, TASK.targets, rtol=0, atol=1e-12)
    assert len(weights["W2"]) == N
    # Not one fresh example is right, also where it differs in a single sign from a known one.
    beside = TASK.inputs * np.where(np.eye(D)[np.arange(N) % D] > 0, -1, 1)
    for x in (TASK.test_inputs, beside):
        np.testing.assert_array_equal(outputs(architecture, weights, TASK, x), 0)


@pytest.mark.parametrize(("build", "architecture"), NETWORKS["generalising"])
def test_generalising_networks_know_the_whole_cube(build, architecture: str) -> None:
    f = outputs(architecture, build(architecture, TASK), TASK, TASK.test_inputs)
    np.testing.assert_allclose(f, TASK.test_targets, rtol=0, atol=1e-9)
    small = parity(2, d=5, n=12)
    cube = np.array(list(itertools.product([-1.0, 1.0], repeat=5)))
    f = outputs(architecture, build(architecture, small), small, cube)
    np.testing.assert_allclose(f, cube[:, 0] * cube[:, 1], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("build", "architecture"), AT_THE_BOUND)
def test_traces_are_at_the_bound(build, architecture: str) -> None:
    found = trace_at_interpolation(architecture, build(architecture, TASK), TASK)
    least = least_trace(architecture, D)
    # BatchNorm approaches its infimum as the first layer grows.
    assert found == pytest.approx(least, rel=1e-6 if architecture == "batchnorm" else 1e-12)
    assert found >= least * (1 - 1e-12)


@pytest.mark.parametrize(("build", "architecture"), AT_THE_BOUND)
def test_lemma_4_1_gives_the_trace_of_the_hessian(build, architecture: str) -> None:
    task = parity(3, d=5, n=10)
    found = hessian_trace(architecture, build(architecture, task), task)
    assert found == pytest.approx(least_trace(architecture, 5), rel=1e-5)


def test_four_neurons_with_batchnorm_are_sharper_than_three() -> None:
    found = trace_at_interpolation("batchnorm", exclusive_or("batchnorm", TASK), TASK)
    assert found == pytest.approx(8, rel=1e-6)
    assert len(generalising("batchnorm", TASK)["W2"]) == 3


@settings(max_examples=10)
@given(st.sampled_from(["no-bias", "bias"]), st.floats(0.3, 3), st.integers(0, 1000))
def test_any_other_balance_of_the_layers_is_sharper(
    architecture: str, scale: float, seed: int
) -> None:
    task = parity(seed, d=6, n=10)
    builds = [generalising] if architecture == "no-bias" else [generalising, memorising]
    for build in builds:
        weights = build(architecture, task)
        factors = {"W1": scale, "b1": scale, "W2": 1 / scale}
        other = {name: w * factors[name] for name, w in weights.items()}
        # Tr ∇²L = (2/n) Σ (‖x'‖² W2² + h²), two equal halves at the bound.
        expected = least_trace(architecture, 6) * (scale**2 + scale**-2) / 2
        assert trace_at_interpolation(architecture, other, task) == pytest.approx(expected)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_no_network_with_batchnorm_beats_its_active_neurons(seed: int, width: int) -> None:
    """(2/n) Σ ‖∇f‖² ≥ 4 √(k mean f²): 4√k where f interpolates signs."""
    rng, task = np.random.default_rng(seed), parity(seed, d=4, n=9, test=1)
    weights = {
        "W1": 100 * rng.normal(size=(width, 4)),
        "b1": 100 * rng.normal(size=width),
        "W2": rng.normal(size=width),
        "g": np.array(rng.normal()),
    }
    k = np.count_nonzero((task.inputs @ weights["W1"].T + weights["b1"] > 0).any(axis=0))
    f = outputs("batchnorm", weights, task, task.inputs)
    least = 4 * math.sqrt(k * np.mean(f**2))
    assert trace_at_interpolation("batchnorm", weights, task) >= least * (1 - 1e-9)
    if not f.any():
        return
    # At g² = rms(f)/√k, with W2 making up for it, only what the finite W1 adds is left.
    g = (np.mean(f**2) / k) ** 0.25
    best = {**weights, "W2": weights["W2"] * weights["g"] / g, "g": np.array(g)}
    best |= {name: 1e5 * weights[name] for name in ("W1", "b1")}
    assert trace_at_interpolation("batchnorm", best, task) == pytest.approx(least, rel=1e-4)


@pytest.mark.parametrize("build", [memorising, generalising, exclusive_or])
def test_what_cannot_be_built_is_refused(build) -> None:
    with pytest.raises(UserError, match="three-layer"):
        build("three-layer", TASK)
    with pytest.raises(UserError, match="task ball"):
        build("bias", ball(1))
    if build is memorising:
        with pytest.raises(UserError, match="no-bias"):
            build("no-bias", TASK)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("pair", AT_THE_BOUND, ids=lambda pair: f"{pair[0].__name__}-{pair[1]}")
def test_every_construction_can_be_measured(pair, seed: int) -> None:
    build, architecture = pair
    task = parity(seed, d=D, n=N)
    found = measure_solution(architecture, build(architecture, task), task, Loss("mse"))
    assert all(map(math.isfinite, found.values()))
