"""The experiments of Wen et al. as data, their driver, Table 1 and the figures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure as Canvas

from sharpness.figures.style import STYLE
from sharpness.files import write_csv
from sharpness.problem import Problem
from sharpness.simple.findings import Finding
from sharpness.simple.two_layer_relu import training
from sharpness.simple.two_layer_relu.catalogue import (
    Catalogue,
    architectures,
    load_catalogue,
)
from sharpness.simple.two_layer_relu.constructions import memorising
from sharpness.simple.two_layer_relu.data import parity
from sharpness.simple.two_layer_relu.figures import compose
from sharpness.simple.two_layer_relu.initial import initial
from sharpness.simple.two_layer_relu.losses import Loss
from sharpness.simple.two_layer_relu.measures import CELLS, COLUMNS, gauss_newton, measured
from sharpness.simple.two_layer_relu.modules import TwoLayer
from sharpness.simple.two_layer_relu.pool import solutions, write_solutions
from sharpness.simple.two_layer_relu.progress import Progress
from sharpness.simple.two_layer_relu.runs import Run
from sharpness.simple.two_layer_relu.solution import COLUMNS as ROW
from sharpness.simple.two_layer_relu.solution import POINTS, Solution
from sharpness.simple.two_layer_relu.stretches import LONGEST, stretches
from sharpness.simple.two_layer_relu.summary import summarise
from sharpness.simple.two_layer_relu.training import Training
from sharpness.training import checkpoint

CATALOGUE = Path(__file__).parents[1] / "resources" / "two_layer_relu.yaml"
FIGURES = ["wen1", "wen2", "wen4", "wen5", "wen6", "wen7", "wen8", "wen9", "wen10", "wen11"]
BOUNDS = {"no-bias": 21.909, "bias": 22.271, "layernorm": 2.0, "batchnorm": 6.928}


# ---- the catalogue ----


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CATALOGUE)


def test_the_catalogue_has_every_figure_and_a_pool_for_each_architecture(
    catalogue: Catalogue,
) -> None:
    assert list(catalogue.figures) == [*FIGURES, "wenpool"]
    assert all(len(catalogue.shown(figure)) >= (figure != "wen2") + 1 for figure in FIGURES)
    for runs in architectures(catalogue.runs).values():
        assert len([run for run in runs if run.pool]) >= 4
        assert len({run.role for run in runs if run.pool}) == 4
    assert all(len(run.seeds) >= 3 for run in catalogue.runs)


def test_the_published_schedules_are_the_papers(catalogue: Catalogue) -> None:
    epochs = {run.id: run.epochs("published") for run in catalogue.runs if not run.ours}
    assert epochs["bias-sam"] == 600_000
    assert epochs["softplus-sam"] == 205_000
    assert epochs["batchnorm-sam"] == 200_020
    assert epochs["layernorm-sam-norm"] == 1_500
    assert epochs["logistic-batchnorm-sam"] == 40_020
    run = next(run for run in catalogue.runs if run.id == "bias-gd")
    (phase,) = run.phases("published")
    assert (phase.learning_rate, phase.rho, phase.batch, phase.weight_decay) == (0.01, 0, 0, 0.05)


def test_only_the_papers_runs_can_be_reduced(catalogue: Catalogue) -> None:
    by_id = {run.id: run for run in catalogue.runs}
    assert by_id["bias-sam"].reduced("default")
    assert not by_id["bias-sam"].reduced("published")
    assert not by_id["bias-noise"].reduced("default")
    assert not by_id["layernorm-sam-norm"].reduced("default")


def test_the_snakefile_may_load_the_catalogue() -> None:
    code = (
        "import sys; from sharpness.simple.two_layer_relu.catalogue import load_catalogue; "
        f"load_catalogue({str(CATALOGUE)!r}); "
        "print(sorted({'torch', 'numba', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _first(**changes: Any) -> Callable[[Any], None]:
    return lambda entries: entries["runs"][0].update(changes)


def _phase(**changes: Any) -> Callable[[Any], None]:
    return lambda entries: entries["runs"][0]["schedules"]["default"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_first(sead=1), "runs.no-bias-gd.sead: "),
        (_first(architecture="resnet"), "runs.no-bias-gd.architecture: "),
        (_first(role="magic"), "runs.no-bias-gd.role: "),
        (_first(seeds=[]), "runs.no-bias-gd.seeds: "),
        (_first(seeds=[1, 1]), "runs.no-bias-gd: .*seeds: one is there twice"),
        (_first(smoothing=0.2), "runs.no-bias-gd: .*smoothing"),
        (_first(panel=""), "runs.no-bias-gd: .*set both or none"),
        (_first(figure="wen3"), "runs.no-bias-gd.figure: 'wen3' is not under figures"),
        (_first(panel="b"), "runs.no-bias-sam.panel: wen1 has two of 'b'"),
        (_first(id="no-bias-sam"), "runs.no-bias-sam.id: it is used twice"),
        (_first(schedules={"default": []}), "runs.no-bias-gd.schedules.default: "),
        (_phase(epochs=0), "runs.no-bias-gd.schedules.default.0.epochs: "),
        (_phase(rho=-1), "runs.no-bias-gd.schedules.default.0.rho: "),
        (_phase(learning_rate=float("inf")), "runs.no-bias-gd.schedules.default.0.learning_rate: "),
        (_phase(norm=10), "runs.no-bias-gd: .*only layernorm"),
        (lambda entries: entries.pop("runs"), "runs: "),
        (lambda entries: entries["figures"]["wen1"].pop("title"), "figures.wen1.title: "),
        (lambda entries: entries["table1"].update(vit={}), "table1.vit: "),
    ],
)
def test_an_error_names_file_run_and_key(
    tmp_path: Path, change: Callable[[Any], None], said: str
) -> None:
    entries = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    change(entries)
    file = tmp_path / "runs.yaml"
    file.write_text(yaml.safe_dump(entries), encoding="utf-8")
    with pytest.raises(Problem, match=rf"^{file}: {said}"):
        load_catalogue(file)


@pytest.mark.parametrize("text", ["runs: [", "- a list"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "runs.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Problem, match=str(file)):
        load_catalogue(file)


# ---- the driver ----


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=4))
def test_stretches_tile_the_phases(phases: list[int]) -> None:
    found = stretches(phases)
    ends = np.cumsum(phases)
    assert found[0].start == 0
    assert found[-1].stop == ends[-1]
    assert all(a.stop == b.start for a, b in pairwise(found))
    for stretch in found:
        assert 0 < stretch.stop - stretch.start <= LONGEST
        low, high = ends[stretch.phase] - phases[stretch.phase], ends[stretch.phase]
        assert low <= stretch.start < stretch.stop <= high


def small(
    name: str = "tiny", architecture: str = "bias", rate: float = 0.02, **changes: Any
) -> Run:
    phases = [
        {"learning_rate": rate, "rho": 0.05, "epochs": 6},
        {"learning_rate": rate / 2, "rho": 0.1, "batch": 4, "noise": 0.5, "epochs": 4},
    ]
    return Run.model_validate(
        {
            **{"id": name, "title": "T", "architecture": architecture, "width": 7, "role": "sam"},
            "task": {"name": "parity", "d": 12, "n": 9},
            "schedules": {"default": phases, "published": phases},
            **changes,
        }
    )


def same(a: Solution, b: Solution) -> bool:
    weights = [a.weights[name].tobytes() == b.weights[name].tobytes() for name in a.weights]
    return all(weights) and (a.row, a.curve) == (b.row, b.curve)


def test_a_killed_training_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small()
    whole, *_ = solutions("bias", [run], [1], "default", tmp_path / "whole")
    saves = 0
    save = Progress.save

    def dying(self: Progress, path: Path) -> None:
        nonlocal saves
        save(self, path)
        saves += 1
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "save", dying)
        for _ in range(len(whole.curve)):  # one stretch a start, the last one measures
            with pytest.raises(KeyboardInterrupt):
                solutions("bias", [run], [1], "default", tmp_path / "killed")
    assert saves == len(whole.curve) > 5
    with monkeypatch.context() as patch:  # finished: nothing is trained again
        patch.setattr(training, "advance", None)
        again, *_ = solutions("bias", [run], [1], "default", tmp_path / "killed")
    assert same(again, whole)


def test_a_cut_off_state_is_made_again(tmp_path: Path) -> None:
    first, *_ = solutions("bias", [small()], [1], "default", tmp_path)
    (state,) = tmp_path.iterdir()
    state.write_bytes(state.read_bytes()[:100])
    second, *_ = solutions("bias", [small()], [1], "default", tmp_path)
    assert same(first, second)


def test_a_solution_does_not_depend_on_its_job(tmp_path: Path) -> None:
    a, b = small("a"), small("b", rate=0.01)
    many = solutions("bias", [a, b, small("c", "no-bias")], [1, 2], "default", tmp_path / "many")
    alone, *_ = solutions("bias", [b], [2], "default", tmp_path / "alone")
    names = [(solution.row["run"], solution.row["seed"]) for solution in many]
    assert names[:4] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert same(many[3], alone)
    assert not np.array_equal(many[2].weights["W1"], many[3].weights["W1"])


def test_a_seed_that_a_run_lacks_is_left_out(tmp_path: Path) -> None:
    found = solutions("bias", [small(seeds=[2])], [1, 2], "default", tmp_path)
    assert {solution.row["seed"] for solution in found} == {2}


def test_an_unknown_schedule_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="schedule 'long' is unknown"):
        solutions("bias", [small()], [1], "long", tmp_path)


def test_the_state_is_named_by_what_determines_it() -> None:
    name = Training(small(), 1, "default").name
    alike = [small(title="other"), small(claim="x"), small(seeds=[1, 5])]
    assert {Training(run, 1, "default").name for run in alike} == {name}
    assert Training(small(), 1, "published").name == name  # the same phases
    different = [small(rate=0.03), small(width=8), small(architecture="softplus")]
    different += [
        small(init={"gain": 0.5}),
        small(loss="logistic"),
        small(smoothing=0.1, loss="logistic"),
    ]
    names = {Training(run, 1, "default").name for run in different}
    assert len(names | {name, Training(small(), 2, "default").name}) == 8


def test_the_initial_weights_do_not_come_from_the_bits_of_the_data(catalogue: Catalogue) -> None:
    training = Training(next(run for run in catalogue.runs if run.id == "bias-gd"), 1, "default")
    signs = np.sign(training.initial()["W1"].ravel()[:1500])
    inputs = training.task.inputs.ravel()
    for shown in (inputs[:1500], inputs[::2], inputs[1::2]):
        assert 0.45 < np.mean(signs == shown) < 0.55


def test_a_diverged_training_says_so(tmp_path: Path) -> None:
    with np.errstate(all="ignore"):
        (solution, *_) = solutions("bias", [small(rate=1e6)], [1], "default", tmp_path)
    assert solution.row["status"] == "diverged"
    assert "epoch" in solution.row["reason"]
    assert "trace" not in solution.row
    assert all(np.isfinite(list(point.values())[2:]).all() for point in solution.curve)


def test_the_files_hold_every_solution(tmp_path: Path) -> None:
    found = solutions("bias", [small("a"), small("b")], [1, 2], "default", tmp_path / "state")
    paths = [tmp_path / name for name in ("rows.csv", "curves.csv", "weights.safetensors")]
    write_solutions(found, *paths)
    rows, curves = pd.read_csv(paths[0]), pd.read_csv(paths[1])
    assert tuple(rows) == ROW
    assert tuple(curves) == POINTS
    assert list(rows["role"]) == ["sam"] * 4 + ["construction"] * 4
    assert set(rows["bound"]) == {4 * 13**0.5}
    last = curves[(curves["run"] == "b") & (curves["seed"] == 2)].iloc[-1]
    assert last["epoch"] == 10
    assert last["trace"] == rows["trace"][3]
    weights, _ = checkpoint.load(paths[2])
    assert np.array_equal(weights["b/2/W1"].numpy(), found[3].weights["W1"])
    memorised = rows[rows["run"] == "bias-memorising"]
    assert (memorised["train_error"] == 0).all()
    assert np.allclose(memorised["trace"], memorised["bound"])


# ---- the measures ----


@pytest.mark.parametrize("architecture", ["bias", "softplus", "layernorm", "batchnorm"])
@pytest.mark.parametrize("loss", [Loss("mse"), Loss("logistic", 0.2)])
def test_the_gauss_newton_part_is_that_of_autograd(architecture: str, loss: Loss) -> None:
    task = parity(3, d=5, n=8)
    weights = initial(architecture, 5, 6, 3, gain=0.7)
    network = TwoLayer(
        architecture, {k: v.astype(np.float64) for k, v in weights.items()}, task.inputs
    )
    f = network(torch.tensor(task.inputs))
    squares = [
        sum(
            part.square().sum()
            for part in torch.autograd.grad(value, network.parameters(), retain_graph=True)
        )
        for value in f
    ]
    curvature = loss.curvature(f.detach().numpy(), task.targets)
    expected = np.mean(curvature * np.array([float(square) for square in squares]))
    assert gauss_newton(architecture, weights, task, loss) == pytest.approx(expected, rel=1e-9)


def test_the_measures_of_a_flattest_solution() -> None:
    task = parity(1, d=12, n=10)
    weights = memorising("bias", task)
    found = measured("bias", weights, task, Loss("mse"))
    assert tuple(found) == COLUMNS
    assert found["trace"] == pytest.approx(4 * 13**0.5)
    assert found["gauss_newton"] == pytest.approx(found["trace"])
    assert all(found[cell.id] > 0 for cell in CELLS)
    assert found == measured("bias", weights, task, Loss("mse"))


# ---- what is made of the files ----


@pytest.fixture(scope="module")
def made(catalogue: Catalogue) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows and curves as if every run had been trained; 1-SAM fails with bias."""
    rng = np.random.default_rng(0)
    rows, curves = [], []
    for run in catalogue.runs:
        fails = run.architecture in ("bias", "softplus", "three-layer") and run.role == "sam"
        bound = BOUNDS.get(run.architecture, "") if run.pool else ""
        for seed in run.seeds:
            trace = 25 + 100 * rng.random()
            row = {
                **{"architecture": run.architecture, "run": run.id, "role": run.role},
                **{"seed": seed, "task": run.task.name, "loss": run.loss, "schedule": "default"},
                **{"status": "ok", "bound": bound, "epochs": run.epochs("default")},
                **dict.fromkeys(("train_loss", "train_error"), 0.0),
                "test_error": 0.3 if fails else 0.02 * rng.random(),
                **dict.fromkeys(COLUMNS, trace),
            }
            rows.append(row)
            for epoch in (0, 1, 10, run.epochs("default")):
                point = {
                    "run": run.id,
                    "seed": seed,
                    "epoch": epoch,
                    "test_error": 0.5 / (1 + epoch),
                }
                curves.append({**point, "trace": trace, "gauss_newton": trace})
    for architecture, bound in BOUNDS.items():
        for name, error in (("memorising", 1.0), ("generalising", 0.0)):
            if name == "memorising" and architecture in ("no-bias", "batchnorm"):
                continue
            row = {"architecture": architecture, "run": f"{architecture}-{name}", "seed": 1}
            row |= {"role": "construction", "status": "ok", "bound": bound, "test_error": error}
            rows.append({**row, **dict.fromkeys(COLUMNS, bound)})
    return rows, curves


def files_of(
    folder: Path, rows: list[dict[str, Any]], curves: list[dict[str, Any]]
) -> dict[str, Any]:
    half = len(rows) // 2
    write_csv(folder / "s1.csv", rows[:half], ROW)
    write_csv(folder / "s2.csv", rows[half:], ROW)
    write_csv(folder / "c.csv", curves, POINTS)
    W1 = torch.tensor(np.random.default_rng(0).normal(size=(20, 30)))
    checkpoint.save(folder / "w.safetensors", {"batchnorm-sam/1/W1": W1}, {})
    return {
        "catalogue": CATALOGUE,
        "solutions": [folder / "s1.csv", folder / "s2.csv"],
        "curves": [folder / "c.csv"],
        "weights": [folder / "w.safetensors"],
    }


def answers(found: list[Finding]) -> dict[tuple[str, str], tuple[str, str]]:
    return {(f.quantity.split(" (")[0], f.setting): (f.published, f.value) for f in found}


FLAT, SAM = "All flattest solutions generalize", "1-SAM generalizes"


def test_table_1_as_published(tmp_path: Path, made: Any) -> None:
    found = answers(summarise(files_of(tmp_path, *made)))
    assert found[FLAT, "ReLU without bias"] == ("yes", "not refuted")
    assert found[SAM, "ReLU without bias"] == ("yes", "yes")
    assert found[FLAT, "ReLU with bias"] == ("no", "no")
    assert found[SAM, "ReLU with bias"] == ("no", "no")
    assert found[FLAT, "simplified BatchNorm"] == ("yes", "not refuted")
    assert found[SAM, "simplified BatchNorm"] == ("yes", "yes")
    assert found[FLAT, "simplified LayerNorm"] == ("no", "no")
    assert found[SAM, "simplified LayerNorm"] == ("yes", "yes")


def changed(rows: list[dict[str, Any]], run: str, **changes: Any) -> list[dict[str, Any]]:
    """The rows with those of a run changed, all or that of a seed."""
    assert any(row["run"] == run for row in rows)
    seed = changes.pop("only", None)
    return [
        {**row, **changes} if row["run"] == run and seed in (None, row["seed"]) else row
        for row in rows
    ]


@pytest.mark.parametrize(
    ("run", "changes", "question", "answer"),
    [
        ("bias-sam", {"test_error": 0.01}, (SAM, "ReLU with bias"), "yes"),
        ("bias-sam", {"test_error": 0.01, "only": 2}, (SAM, "ReLU with bias"), "in part"),
        ("no-bias-sam", {"test_error": 0.3}, (SAM, "ReLU without bias"), "no"),
        ("layernorm-sam", {"test_error": 0.3, "only": 3}, (SAM, "simplified LayerNorm"), "in part"),
        ("bias-memorising", {"test_error": 0.0}, (FLAT, "ReLU with bias"), "not refuted"),
        ("bias-memorising", {"trace": 30.0}, (FLAT, "ReLU with bias"), "not refuted"),
        ("no-bias-generalising", {"test_error": 1.0}, (FLAT, "ReLU without bias"), "no"),
        ("no-bias-generalising", {"trace": 30.0}, (FLAT, "ReLU without bias"), "not measured"),
        ("bias-gd", {"test_error": 0.4}, (SAM, "ReLU with bias"), "no"),
    ],
)
def test_the_answers_follow_the_numbers(
    tmp_path: Path, made: Any, run: str, changes: dict[str, Any], question: Any, answer: str
) -> None:
    rows, curves = made
    files = files_of(tmp_path, changed(rows, run, **changes), curves)
    assert answers(summarise(files))[question][1] == answer


def test_tau_is_that_of_the_pool_alone(tmp_path: Path, made: Any) -> None:
    rows, curves = made
    # Errors that rise with the trace in the pool; the logistic and the ball runs fall with it.
    rows = [
        {**row, "test_error": row["trace"] / 1000 * (1 if _pooled(row) else -1)} for row in rows
    ]
    found = {
        f.setting.split(":")[0]: f
        for f in summarise(files_of(tmp_path, rows, curves))
        if f.quantity == "τ(Tr ∇²L, test error)"
    }
    assert len(found) == 6
    for finding in found.values():
        assert finding.value == "1.00"
        assert finding.spread == "within each seed 1.00, 1.00, 1.00"
    assert "12 solutions of 4 runs with 3 seeds" in found["ReLU with bias"].setting


def _pooled(row: dict[str, Any]) -> bool:
    return (row.get("task"), row.get("loss")) == ("parity", "mse")


def test_a_diverged_run_is_reported_and_left_out_of_tau(tmp_path: Path, made: Any) -> None:
    rows, curves = made
    empty = dict.fromkeys([*COLUMNS, "test_error"], "")
    rows = changed(rows, "bias-sgd", status="diverged", reason="diverged by epoch 3", **empty)
    found = summarise(files_of(tmp_path, rows, curves))
    assert [f.value for f in found if f.setting.startswith("bias-sgd")] == ["not measured"] * 2
    assert any("diverged by epoch 3" in f.note for f in found)
    assert any("9 solutions of 3 runs" in f.setting for f in found)


def test_no_files_are_a_problem() -> None:
    with pytest.raises(Problem, match="no file of solutions"):
        summarise({"catalogue": CATALOGUE, "solutions": []})


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with matplotlib.rc_context():
        matplotlib.rcParams.update(STYLE)
        yield


def texts(canvas: Canvas) -> str:
    found = [text.get_text() for text in canvas.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(found)


@pytest.mark.parametrize("figure", [*FIGURES, "wenpool"])
def test_every_figure_is_composed(tmp_path: Path, made: Any, figure: str) -> None:
    canvas = compose(figure, files_of(tmp_path, *made))
    said = texts(canvas)
    if figure != "wenpool":
        assert "epochs" in said
    assert canvas.get_figwidth() <= 7
    canvas.savefig(tmp_path / "figure.png", dpi=40)


def test_a_published_schedule_is_not_called_a_part(tmp_path: Path, made: Any) -> None:
    rows, curves = made
    rows = [{**row, "schedule": "published"} for row in rows]
    said = texts(compose("wen4", files_of(tmp_path, rows, curves)))
    assert "600,000 epochs" in said
    assert " of 600,000" not in said


def test_a_figure_says_which_part_of_its_schedule_was_run(tmp_path: Path, made: Any) -> None:
    said = texts(compose("wen4", files_of(tmp_path, *made)))
    assert "8,000 of 600,000 epochs" in said
    assert "(c) label-noise SGD (ours)" in said


def lines(canvas: Canvas, panel: int) -> list[npt.NDArray[np.float64]]:
    return [np.asarray(line.get_xydata()) for line in canvas.axes[panel].lines]


def test_a_panel_shows_accuracy_trace_and_bound(tmp_path: Path, made: Any) -> None:
    canvas = compose("wen4", files_of(tmp_path, *made))
    above, below = lines(canvas, 1), lines(canvas, 4)  # (b) of three columns
    assert len(above) == 3
    assert np.allclose(above[0][:, 1], [1 - 0.5 / 2, 1 - 0.5 / 11, 1 - 0.5 / 8001])
    assert len(below) == 4
    assert below[-1][0, 1] == BOUNDS["bias"]


def test_a_negative_trace_has_a_place_on_its_axis(tmp_path: Path, made: Any) -> None:
    rows, curves = made
    curves = changed(curves, "layernorm-sam", trace=-40.0)
    canvas = compose("wen6", files_of(tmp_path, rows, curves))
    low, high = canvas.axes[3].get_ylim()
    assert low < -40
    assert high > 100
    assert "without the residuals' part" in texts(canvas)


def test_a_run_that_is_missing_leaves_its_panel_empty(tmp_path: Path, made: Any) -> None:
    rows, curves = ([row for row in part if "softplus" not in row["run"]] for part in made)
    assert "not measured" in texts(compose("wen5", files_of(tmp_path, rows, curves)))
    assert "not measured" in texts(compose("wenpool", files_of(tmp_path, rows, curves)))


def test_an_unknown_figure_is_refused(tmp_path: Path, made: Any) -> None:
    with pytest.raises(Problem, match="figure 'wen3' is unknown"):
        compose("wen3", files_of(tmp_path, *made))
