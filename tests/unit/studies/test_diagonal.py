"""Diagonal linear networks: the mathematics of Sec. 5.2 and the claims of Figure 7."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from torch import Tensor, nn

from sharpness.io.errors import UserError
from sharpness.io.files import write_csv
from sharpness.measures.hessian import largest_eigenvalue, rescaled_hessian, trace
from sharpness.statistics.kendall import LEVEL, format_tau, kendall
from sharpness.studies.diagonal import networks
from sharpness.studies.diagonal.figure7 import (
    CHOSEN,
    COLUMNS,
    MEASURES,
    compose,
    converged,
    summarise,
)
from sharpness.studies.diagonal.geodesic import RADIUS, sharpness_inv, sharpness_mix
from sharpness.studies.diagonal.networks import (
    CONVERGED,
    network_rows,
    train_networks,
)
from sharpness.studies.diagonal.task import (
    SparseRegression,
    measure_network,
    network_hessian,
    network_scaling,
    sparse_regression,
)

Floats = npt.NDArray[np.float64]


def weights(d: int, seed: int = 0) -> tuple[Floats, Floats]:
    u, v = np.random.default_rng(seed).standard_normal((2, d))
    return u, v


def whitened(u: Floats, v: Floats, n: int) -> SparseRegression:
    """A task with XᵀX = nI, n ≥ d, that u ⊙ v solves: ‖·‖²/2n is ½‖·‖² with XᵀX = I."""
    q, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((n, u.size)))
    X = np.sqrt(n) * q
    return SparseRegression(X, X @ (u * v), u * v)


class DiagonalNetwork(nn.Module):
    """The network x ↦ ⟨x, u ⊙ v⟩ with parameters u and v, in this order."""

    def __init__(self, u: Floats, v: Floats) -> None:
        super().__init__()
        self.u, self.v = nn.Parameter(torch.tensor(u)), nn.Parameter(torch.tensor(v))

    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.u * self.v)


def half_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    """‖outputs − targets‖₂²/2n."""
    return (outputs - targets).square().mean() / 2


def limits(task: SparseRegression, u: Floats, v: Floats, c: Floats) -> tuple[float, float]:
    """Trace and largest eigenvalue of ∇²L ⊙ ccᵀ as the library computes them."""
    batches = [(torch.tensor(task.X), torch.tensor(task.y))]
    model = DiagonalNetwork(u, v)
    with rescaled_hessian(model, batches, torch.tensor(c), loss=half_squares) as operator:
        return trace(operator), largest_eigenvalue(operator)


def test_equation_7_is_the_hessian_anywhere() -> None:
    task, (u, v) = sparse_regression(3, n=7, d=10, nonzero=2), weights(10)
    expected = network_hessian(task, u, v)
    c = np.random.default_rng(5).uniform(0.5, 2, 20)
    found = limits(task, u, v, c)
    rescaled = expected * np.outer(c, c)
    assert found == pytest.approx((np.trace(rescaled), np.linalg.eigvalsh(rescaled)[-1]))


def test_rescaled_limits_are_norms_of_beta() -> None:
    """With c as corrected; with the printed one they are not, with |w| they are others."""
    u, v = weights(12)
    task, size = whitened(u, v, 20), np.abs(u * v)
    found = measure_network(task, u, v)
    assert found["rescaled_trace"] / 2 == pytest.approx(size.sum()) == pytest.approx(found["l1"])
    assert found["rescaled_eigenvalue"] / 2 == pytest.approx(size.max())
    assert found["linf"] == size.max()
    assert found["trace"] == pytest.approx(np.sum(u**2 + v**2))
    printed = np.sqrt(np.abs(np.concatenate([v / u, u / v])))
    assert limits(task, u, v, printed)[0] / 2 > 1.5 * size.sum()
    adaptive = limits(task, u, v, np.abs(np.concatenate([u, v])))
    assert adaptive == pytest.approx((2 * np.sum(size**2), 2 * size.max() ** 2))


@settings(max_examples=4)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6), st.integers(0, 10))
def test_rescaled_limits_do_not_see_a_reparametrization(powers: list[float], seed: int) -> None:
    """Nor does the test loss, for (αu, v/α) with an α for each coordinate, anywhere."""
    task, (u, v) = sparse_regression(seed, n=4, d=6, nonzero=2), weights(6, seed)
    alpha = np.exp(powers)
    before, after = measure_network(task, u, v), measure_network(task, alpha * u, v / alpha)
    for name in before.keys() - {"trace"}:
        assert after[name] == pytest.approx(before[name], rel=1e-8)
    alpha[0] = 100.0
    assert measure_network(task, alpha * u, v / alpha)["trace"] > 1.5 * before["trace"]


def test_a_zero_weight_has_a_zero_share() -> None:
    u, v = np.array([0.0, 2.0, 0.0, -1.0]), np.array([3.0, 0.0, 0.0, 2.0])
    np.testing.assert_allclose(network_scaling(u, v) ** 2, [0, 0, 0, 0.5, 0, 0, 0, 2])
    found = measure_network(whitened(u, v, 5), u, v)
    assert found["rescaled_trace"] / 2 == pytest.approx(2.0)
    assert found["rescaled_eigenvalue"] / 2 == pytest.approx(2.0)


def test_the_test_loss_is_that_of_fresh_inputs() -> None:
    task = sparse_regression(0)
    beta = np.random.default_rng(2).standard_normal(200)
    X = np.random.default_rng(3).standard_normal((20_000, 200))
    squares = np.square(X @ beta - X @ task.truth)
    error = squares.std() / np.sqrt(squares.size)
    assert abs(task.test_loss(beta) - squares.mean()) < 3 * error < 0.05 * squares.mean()


def test_the_task_is_the_papers() -> None:
    task = sparse_regression(4)
    assert (task.X.shape, np.count_nonzero(task.truth)) == ((80, 200), 20)
    np.testing.assert_array_equal(task.y, task.X @ task.truth)


def small(seed: int = 0) -> SparseRegression:
    return sparse_regression(seed, n=8, d=20, nonzero=2)


def test_training_is_gradient_descent_until_the_loss_is_small() -> None:
    task = small()
    found = train_networks(task, 3, 8000, seed=1)
    for network in [network for network in found if network.status == "converged"]:
        scale, _, (u, v) = networks._draw(task, 1, network.draw)
        assert network.scale == scale
        n, steps = len(task.y), 0
        while np.square(r := task.X @ (u * v) - task.y).mean() > CONVERGED:
            slope = 2 / n * task.X.T @ r
            u, v = u - network.learning_rate * v * slope, v - network.learning_rate * u * slope
            steps += 1
        assert network.steps == steps > 100
        np.testing.assert_allclose(network.u, u, rtol=1e-9)
        np.testing.assert_allclose(network.v, v, rtol=1e-9)
        assert network.train_loss == pytest.approx(np.square(r).mean(), rel=1e-9)
        assert network.train_loss <= CONVERGED


def test_geodesic_sharpness_is_the_maximum() -> None:
    """Values computed apart from this code, and both limits."""
    beta, optimum = np.array([1, -0.5, 0.8, 0.3, -1.2]), np.array([0.9, -0.7, 0.8, 0.1, -1])
    r = beta - optimum
    assert sharpness_mix(r, 0.1) == pytest.approx(0.1219804, abs=1e-7)
    assert sharpness_inv(beta, r, 0.01) == pytest.approx(0.0083362, abs=1e-7)
    assert sharpness_inv(beta, r, 0.1) == pytest.approx(0.1136789, abs=1e-7)
    assert sharpness_inv(np.array([1.3]), np.array([0.3]), 0.1) == pytest.approx(0.1574892)
    limit = 2 * np.sqrt(2) * np.linalg.norm(beta * r)
    assert sharpness_inv(beta, r, 1e-6) / 1e-6 == pytest.approx(limit, rel=1e-4)
    assert sharpness_inv(beta, 0 * r, 1e-4) == pytest.approx(2e-8 * 1.2**2, rel=1e-3)


@pytest.mark.parametrize("seed", [2, 11])
def test_no_point_of_the_sphere_is_higher_than_the_maximum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    beta, r = rng.standard_normal(6), 0.05 * rng.standard_normal(6)
    b = rng.standard_normal((200_000, 6))
    b *= 0.1 / np.sqrt(2) / np.linalg.norm(b, axis=1, keepdims=True)
    rises = np.square(beta * np.exp(2 * b) - (beta - r)).sum(axis=1) - r @ r
    assert 0.97 * sharpness_inv(beta, r, 0.1) < rises.max() < sharpness_inv(beta, r, 0.1)


def test_a_network_is_measured_by_the_residual_of_its_training() -> None:
    """For whitened inputs that is β − β*."""
    u, v = weights(6)
    task = whitened(u, v, 9)
    moved = 1.1 * u
    found, beta = measure_network(task, moved, v), moved * v
    assert found["s_mix"] == pytest.approx(sharpness_mix(beta - u * v, RADIUS))
    assert found["s_inv"] == pytest.approx(sharpness_inv(beta, beta - u * v, RADIUS))


def test_a_network_does_not_depend_on_which_others_are_trained_with_it() -> None:
    many, few = (train_networks(small(), wanted, 4000, seed=2) for wanted in (12, 5))
    assert {network.status for network in many} == {"converged", "too slow"}
    assert few[-1].status == "converged"
    for one, other in zip(many, few, strict=False):
        assert (one.draw, one.status, one.steps) == (other.draw, other.status, other.steps)
        np.testing.assert_allclose((one.u, one.v), (other.u, other.v), rtol=1e-9)


def test_training_gives_up_when_nothing_converges(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="steps is 5, in which 0 of 20 networks converged; 2 are"):
        train_networks(small(), 2, 5, seed=0)
    monkeypatch.setattr(networks, "RATES", (5.0, 9.0))
    diverged = networks._trained(small(), range(4), 1000, seed=0)
    assert {network.status for network in diverged} == {"diverged"}
    assert all(network.steps < 1000 for network in diverged)


def taus(networks: pd.DataFrame) -> dict[str, float]:
    """τ of each measure with the test loss."""
    loss = networks["test_loss"]
    return {name: kendall(networks[name], loss, resamples=0).tau for name in MEASURES}


FEW = 5


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first networks of seed 8 that converge in a few steps."""
    path = tmp_path_factory.mktemp("diagonal") / "networks.csv"
    write_csv(path, network_rows(FEW, 5000, 8), COLUMNS)
    return path


def test_a_file_has_all_draws_and_measures_those_that_converge(some: Path) -> None:
    every, networks = pd.read_csv(some), converged(some)
    assert tuple(every.columns) == COLUMNS
    assert list(every["draw"]) == list(range(len(every)))
    assert len(networks) == FEW < len(every)
    assert (networks["train_loss"] <= CONVERGED).all()
    assert networks.notna().all(axis=None)
    others = every[every["status"] != "converged"]
    assert (others["train_loss"] > CONVERGED).all()
    assert others[["test_loss", *MEASURES]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("seed", "networks", "low", "high"),
    [
        pytest.param(8, 40, -0.4, -0.2, marks=pytest.mark.full),
        pytest.param(8, 200, -0.35, -0.2, marks=pytest.mark.slow),
        pytest.param(4, 200, -0.3, -0.1, marks=pytest.mark.slow),
        pytest.param(0, 200, -0.1, 0.1, marks=pytest.mark.slow),
    ],
)
def test_claims_of_figure_7(
    tmp_path: Path, seed: int, networks: int, low: float, high: float
) -> None:
    """The trend of λmax is reverse where a coordinate of β* stands out; with seed 0 none does."""
    path = tmp_path / "networks.csv"
    write_csv(path, network_rows(networks, 30_000, seed), COLUMNS)
    found, tau = converged(path), taus(converged(path))
    assert len(pd.read_csv(path)) == pytest.approx(1.15 * networks, rel=0.05)
    assert 0.75 < tau["rescaled_trace"] < 0.9
    assert 0.04 < tau["rescaled_trace"] - tau["trace"] < 0.12
    assert low < tau["rescaled_eigenvalue"] < high
    assert tau["l1"] == pytest.approx(tau["rescaled_trace"], abs=0.02)
    assert (found["rescaled_trace"] / 2 / found["l1"]).between(0.9, 1.1).all()


def test_the_summary_says_what_the_files_show(some: Path, tmp_path: Path) -> None:
    other = tmp_path / "reverse.csv"
    table = pd.read_csv(some).assign(seed=9)
    table.assign(test_loss=-table["test_loss"]).to_csv(other, index=False)
    both = summarise({"networks": [some, other]})
    (tau,) = [f for f in both if f.published == "about 0.8"]
    found = kendall(converged(some)["rescaled_trace"], converged(some)["test_loss"])
    assert (tau.quantity, tau.setting) == ("τ(tr ∇̃²L, test loss)", f"{FEW} networks, seed 8")
    assert tau.value == f"{found.tau:.2f}"
    interval = f"{100 * LEVEL:g} % interval {found.low:.2f} to {found.high:.2f}"
    assert tau.spread == f"{interval}; seeds 8, 9: {found.tau:.2f}, -{found.tau:.2f}"
    (reverse,) = [f for f in both if f.published == "can be reverse"]
    pool = converged(some)
    tau_of_both = kendall(pool["rescaled_trace"], pool["rescaled_eigenvalue"]).tau
    assert reverse.quantity == "τ(tr ∇̃²L, λmax ∇̃²L)"
    assert reverse.value == format_tau(tau_of_both)
    assert reverse.note.endswith("on this task")
    verdicts = {f.published: f.verdict for f in both}
    assert verdicts["about 0.8"] == ("confirmed" if 0.7 < found.tau < 0.9 else "not confirmed")
    assert verdicts["can be reverse"] in ("confirmed", "not testable here")
    assert verdicts[""] == ""
    assert both[-2].value == f"{FEW} of {len(table)} drawn"
    assert both[-2].note == f"left out: {len(table) - FEW} out of steps, 0 diverged"


def test_two_networks_have_no_rank(some: Path, tmp_path: Path) -> None:
    converged(some).head(2).to_csv(tmp_path / "few.csv", index=False)
    *taus_found, _, _ = summarise({"networks": [tmp_path / "few.csv"]})
    assert {finding.value for finding in taus_found} == {"undefined"}


@pytest.fixture
def reversed_task(some: Path, tmp_path: Path) -> Path:
    """The same networks as a task of seed 9 where λmax falls as the trace rises."""
    table = pd.read_csv(some).assign(seed=9)
    table.assign(rescaled_eigenvalue=-table["rescaled_trace"]).to_csv(
        tmp_path / "reversed.csv", index=False
    )
    return tmp_path / "reversed.csv"


def test_the_chosen_task_has_findings_of_its_own(some: Path, reversed_task: Path) -> None:
    alone = summarise({"networks": [some], "reversal": []})
    both = summarise({"networks": [some], "reversal": [reversed_task]})
    assert [f for f in both if "seed 9" not in f.setting] == alone
    (reverse,) = [f for f in both if f.published == "can be reverse" and "seed 9" in f.setting]
    assert reverse.value == "-1.00"
    assert reverse.note == f"{CHOSEN}; reverse on this task"
    assert reverse.verdict == "confirmed"
    same = summarise({"networks": [some], "reversal": [some]})  # one of the seeds
    assert len([f for f in same if f.quantity.startswith("networks with")]) == 1


def printed(axes: Axes) -> str:
    return axes.get_title().replace("−", "-")


def test_the_figure_has_a_block_of_panels_for_each_task(some: Path, reversed_task: Path) -> None:
    canvas = compose("fig7", {"networks": [some], "reversal": reversed_task})
    canvas.draw_without_rendering()
    panels = [axes for part in canvas.subfigs for axes in part.axes if axes.get_title()]
    networks = converged(some)
    first = kendall(networks["l1"], networks["rescaled_trace"], resamples=0).tau
    last = kendall(networks["rescaled_trace"], networks["rescaled_eigenvalue"], resamples=0).tau
    expected = [first, *taus(networks).values(), last]
    assert [printed(axes) for axes in panels[:7]] == [f"τ = {format_tau(tau)}" for tau in expected]
    assert all(len(axes.collections[0].get_offsets()) == FEW for axes in panels)
    assert (len(panels), printed(panels[-1])) == (14, "τ = -1.00")
    names = [part.get_suptitle() for part in canvas.subfigs]
    assert names[0] == "Task of seed 8"
    assert names[1].startswith("Task of seed 9, chosen for the paper's claim")
    findings = summarise({"networks": [some], "reversal": reversed_task})
    values = [f.value for f in findings if f.quantity.startswith("τ") and "S_" not in f.quantity]
    assert sorted(f"τ = {value}" for value in values) == sorted(map(printed, panels))
    assert len(compose("fig7", {"networks": [some]}).subfigs) == 1
