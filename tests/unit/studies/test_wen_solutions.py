"""The experiments of Wen et al. as data, their driver, Table 1 and the figures."""

from __future__ import annotations

import subprocess
import sys
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
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure as Canvas

from sharpness.io.errors import UserError
from sharpness.io.files import write_csv
from sharpness.plots.style import STYLE, title_lines
from sharpness.studies.findings import Finding
from sharpness.studies.wen import training
from sharpness.studies.wen.figures import compose
from sharpness.studies.wen.measures import (
    CELLS,
    COLUMNS,
    ReferenceNetwork,
    gauss_newton,
    measure_solution,
)
from sharpness.studies.wen.networks import Loss, initial_weights, parity
from sharpness.studies.wen.runs import Catalogue, Run, architectures, load_runs
from sharpness.studies.wen.solutions import COLUMNS as ROW
from sharpness.studies.wen.solutions import (
    POINTS,
    Solution,
    memorising,
    solutions,
    write_solutions,
)
from sharpness.studies.wen.summary import summarise
from sharpness.studies.wen.training import LONGEST, Progress, Training, stretches
from sharpness.training import checkpoint

CATALOGUE = Path(__file__).parents[3] / "resources" / "two_layer_relu.yaml"
FIGURES = ["wen1", "wen2", "wen4", "wen5", "wen6", "wen7", "wen8", "wen9", "wen10", "wen11"]
BOUNDS = {"no-bias": 21.909, "bias": 22.271, "layernorm": 2.0, "batchnorm": 6.928}


# ---- the catalogue ----


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_runs(CATALOGUE)


def test_the_catalogue_has_every_figure_and_a_pool_for_each_architecture(
    catalogue: Catalogue,
) -> None:
    assert list(catalogue.figures) == [*FIGURES, "wenpool"]
    assert all(len(catalogue.shown(figure)) >= (figure != "wen2") + 1 for figure in FIGURES)
    for runs in architectures(catalogue.runs).values():
        assert len({run.role for run in runs if run.pool}) == 4
    assert all(len(run.seeds) >= 3 for run in catalogue.runs)


def test_the_published_schedules_are_the_papers(catalogue: Catalogue) -> None:
    by_id = {run.id: run for run in catalogue.runs}
    epochs = {"bias-sam": 600_000, "softplus-sam": 205_000, "logistic-batchnorm-sam": 40_020}
    assert {name: by_id[name].epochs("published") for name in epochs} == epochs
    (phase,) = by_id["bias-gd"].phases("published")
    assert (phase.learning_rate, phase.rho, phase.batch, phase.weight_decay) == (0.01, 0, 0, 0.05)
    assert by_id["bias-sam"].reduced("default")
    assert not by_id["bias-sam"].reduced("published")
    assert not by_id["bias-noise"].reduced("default")  # the paper has none


def test_the_snakefile_may_load_the_catalogue() -> None:
    code = (
        "import sys; from sharpness.studies.wen.runs import load_runs; "
        f"load_runs({str(CATALOGUE)!r}); "
        "print(sorted({'torch', 'numba', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sead": 1}, "runs.no-bias-gd.sead: "),
        ({"architecture": "resnet"}, "runs.no-bias-gd.architecture: "),
        ({"seeds": [1, 1]}, "runs.no-bias-gd: .*seeds: one is there twice"),
        ({"smoothing": 0.2}, "runs.no-bias-gd: .*smoothing"),
        ({"panel": ""}, "runs.no-bias-gd: .*set both or none"),
        ({"figure": "wen3"}, "runs.no-bias-gd.figure: 'wen3' is not under figures"),
        ({"panel": "b"}, "runs.no-bias-sam.panel: wen1 has two of 'b'"),
        ({"id": "no-bias-sam"}, "runs.no-bias-sam.id: it is used twice"),
        ({"schedules": {"default": []}}, "runs.no-bias-gd.schedules.default: "),
    ],
)
def test_an_error_names_file_run_and_key(tmp_path: Path, changes: Any, said: str) -> None:
    entries = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    entries["runs"][0].update(changes)
    file = tmp_path / "runs.yaml"
    file.write_text(yaml.safe_dump(entries), encoding="utf-8")
    with pytest.raises(UserError, match=rf"^{file}: {said}"):
        load_runs(file)


# ---- the driver ----


@settings(max_examples=20)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=4))
def test_stretches_tile_the_phases(lengths: list[int]) -> None:
    found = stretches(lengths)
    assert all(0 < stretch.stop - stretch.start <= LONGEST for stretch in found)
    steps = [(s.phase, epoch) for s in found for epoch in range(s.start, s.stop)]
    phases = [phase for phase, length in enumerate(lengths) for _ in range(length)]
    assert steps == list(zip(phases, range(sum(lengths)), strict=True))


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
    def found(folder: str) -> Solution:
        return solutions("bias", [small()], [1], "default", tmp_path / folder)[0]

    whole, save = found("whole"), Progress.save
    assert [p["epoch"] for p in whole.curve] == [0, *(s.stop for s in stretches([6, 4]))]

    def dying(self: Progress, path: Path) -> None:
        save(self, path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "save", dying)
        for _ in whole.curve:  # one stretch a start, the last one measures
            with pytest.raises(KeyboardInterrupt):
                found("killed")
    with monkeypatch.context() as patch:  # finished: nothing is trained again
        patch.setattr(training, "advance", None)
        assert same(found("killed"), whole)
    (state,) = (tmp_path / "killed").iterdir()
    state.write_bytes(state.read_bytes()[:100])  # by a power cut
    assert same(found("killed"), whole)


def test_a_solution_does_not_depend_on_its_job(tmp_path: Path) -> None:
    a, b = small("a"), small("b", rate=0.01)
    many = solutions("bias", [a, b, small("c", "no-bias")], [1, 2], "default", tmp_path / "many")
    alone, *_ = solutions("bias", [b], [2], "default", tmp_path / "alone")
    names = [(solution.row["run"], solution.row["seed"]) for solution in many]
    assert names[:4] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert same(many[3], alone)
    assert not np.array_equal(many[2].weights["W1"], many[3].weights["W1"])


def test_the_state_is_named_by_what_determines_it() -> None:
    name = Training(small(), 1, "default").name
    alike = [small(title="other"), small(seeds=[1, 5])]
    assert {Training(run, 1, "default").name for run in alike} == {name}
    assert Training(small(), 1, "published").name == name  # the same phases
    different = [
        *(small(rate=0.03), small(width=8), small(architecture="softplus")),
        *(small(init={"gain": 0.5}), small(loss="logistic")),
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
    weights = initial_weights(architecture, 5, 6, 3, gain=0.7)
    doubles = {name: w.astype(np.float64) for name, w in weights.items()}
    network = ReferenceNetwork(architecture, doubles, task.inputs)
    f = network(torch.tensor(task.inputs))
    gradients = [torch.autograd.grad(x, network.parameters(), retain_graph=True) for x in f]
    squares = [sum(part.square().sum().item() for part in gradient) for gradient in gradients]
    curvature = loss.curvature(f.detach().numpy(), task.targets)
    expected = np.mean(curvature * np.array(squares))
    assert gauss_newton(architecture, weights, task, loss) == pytest.approx(expected, rel=1e-9)


def test_the_measures_of_a_flattest_solution() -> None:
    task = parity(1, d=12, n=10)
    weights = memorising("bias", task)
    found = measure_solution("bias", weights, task, Loss("mse"))
    assert tuple(found) == COLUMNS
    assert found["trace"] == pytest.approx(4 * 13**0.5)
    assert found["gauss_newton"] == pytest.approx(found["trace"])
    assert all(found[cell.id] > 0 for cell in CELLS)
    assert found == measure_solution("bias", weights, task, Loss("mse"))


# ---- what is made of the files ----


Made = tuple[list[dict[str, Any]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def made(catalogue: Catalogue) -> Made:
    """Rows and curves as if every run had been trained; 1-SAM fails with bias."""
    rng = np.random.default_rng(0)
    rows, curves = [], []
    for run in catalogue.runs:
        fails = run.architecture in ("bias", "softplus", "three-layer") and run.role == "sam"
        last = run.epochs("default")
        common = {
            **{"architecture": run.architecture, "run": run.id, "role": run.role},
            **{"task": run.task.name, "loss": run.loss, "schedule": "default", "status": "ok"},
            **{"bound": BOUNDS.get(run.architecture, "") if run.pool else "", "epochs": last},
            **{"train_loss": 0.0, "train_error": 0.0},
        }
        for seed in run.seeds:
            least = BOUNDS.get(run.architecture, 22)
            trace, error = least * (1 + rng.random() / 3), 0.3 if fails else 0.02 * rng.random()
            measures = dict.fromkeys(COLUMNS, trace)
            rows.append({**common, "seed": seed, "test_error": error, **measures})
            point = {"run": run.id, "seed": seed, "trace": trace, "gauss_newton": trace}
            curves += [{**point, "epoch": k, "test_error": 0.5 / (1 + k)} for k in (0, 1, 10, last)]
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


TABLE_1 = {
    "ReLU without bias": ("yes", "not refuted", "yes", "yes"),
    "ReLU with bias": ("no", "no", "no", "no"),
    "simplified BatchNorm": ("yes", "not refuted", "yes", "yes"),
    "simplified LayerNorm": ("no", "no", "yes", "yes"),
}


def test_table_1_as_published(tmp_path: Path, made: Made) -> None:
    found = answers(summarise(files_of(tmp_path, *made)))
    for network, entries in TABLE_1.items():
        assert (*found[FLAT, network], *found[SAM, network]) == entries


def test_only_a_claim_that_was_put_to_the_test_has_a_verdict(tmp_path: Path, made: Made) -> None:
    rows, curves = made

    def verdicts(rows: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
        found = summarise(files_of(tmp_path, rows, curves))
        assert {f.verdict for f in found if not f.published} == {""}
        return {(f.quantity.split(" (")[0], f.setting): f.verdict for f in found}

    reduced = verdicts(rows)
    for network, (published, *_) in TABLE_1.items():
        theorem = published == "yes"  # which no example confirms
        assert reduced[FLAT, network] == ("not testable here" if theorem else "confirmed")
        assert reduced[SAM, network] == "not testable here"
    whole = [row | {"schedule": "published"} for row in rows]
    assert {verdicts(whole)[SAM, network] for network in TABLE_1} == {"confirmed"}
    for run, question, error in (
        ("bias-sam", (SAM, "ReLU with bias"), 0.01),
        ("no-bias-sam", (SAM, "ReLU without bias"), 0.3),
        ("no-bias-generalising", (FLAT, "ReLU without bias"), 1.0),
    ):
        found = verdicts(changed(whole, run, test_error=error))
        assert found[question] == "not confirmed"
    generalizes = [v for (q, s), v in verdicts(whole).items() if q == "test accuracy" and v]
    assert len(generalizes) == 5


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
        ("bias-sam", {"test_error": 0.01, "only": 2}, (SAM, "ReLU with bias"), "in part"),
        ("no-bias-sam", {"test_error": 0.3}, (SAM, "ReLU without bias"), "no"),
        ("bias-memorising", {"test_error": 0.0}, (FLAT, "ReLU with bias"), "not refuted"),
        ("bias-memorising", {"trace": 30.0}, (FLAT, "ReLU with bias"), "not refuted"),
        ("no-bias-generalising", {"test_error": 1.0}, (FLAT, "ReLU without bias"), "no"),
        ("no-bias-generalising", {"trace": 30.0}, (FLAT, "ReLU without bias"), "not measured"),
        (
            *("batchnorm-sam", {"trace": 13 * 6.928}, (SAM, "simplified BatchNorm")),
            "yes, at 13 times the least trace known",
        ),
    ],
)
def test_the_answers_follow_the_numbers(
    tmp_path: Path, made: Made, run: str, changes: dict[str, Any], question: Any, answer: str
) -> None:
    rows, curves = made
    files = files_of(tmp_path, changed(rows, run, **changes), curves)
    assert answers(summarise(files))[question][1] == answer


def test_tau_is_that_of_the_pool_alone(tmp_path: Path, made: Made) -> None:
    rows, curves = made
    # Errors that rise with the trace in the pool; the logistic and the ball runs fall with it.
    signs = [1 if (r.get("task"), r.get("loss")) == ("parity", "mse") else -1 for r in rows]
    rows = [
        {**row, "test_error": sign * row["trace"] / 1000}
        for row, sign in zip(rows, signs, strict=True)
    ]
    findings = summarise(files_of(tmp_path, rows, curves))
    found = [f for f in findings if f.quantity == "τ(Tr ∇²L, test error)"]
    assert len(found) == 6
    assert {(f.value, f.spread) for f in found} == {("1.00", "within each seed 1.00, 1.00, 1.00")}
    assert any("ReLU with bias: 12 solutions of 4 runs with 3 seeds" in f.setting for f in found)


def test_a_diverged_run_is_reported_and_left_out_of_tau(tmp_path: Path, made: Made) -> None:
    rows, curves = made
    empty = dict.fromkeys([*COLUMNS, "test_error"], "")
    rows = changed(rows, "bias-sgd", status="diverged", reason="diverged by epoch 3", **empty)
    found = summarise(files_of(tmp_path, rows, curves))
    assert [f.value for f in found if f.setting.startswith("bias-sgd")] == ["not measured"] * 2
    assert any("diverged by epoch 3" in f.note for f in found)
    assert any("9 solutions of 3 runs" in f.setting for f in found)


def texts(canvas: Canvas) -> str:
    found = [text.get_text() for text in canvas.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(found)


@pytest.mark.parametrize("schedule", ["default", "published"])
@pytest.mark.parametrize("figure", [*FIGURES, "wenpool"])
def test_no_title_is_cut_or_touches_another(
    tmp_path: Path, catalogue: Catalogue, made: Made, figure: str, schedule: str
) -> None:
    rows, curves = made
    files = files_of(tmp_path, [{**row, "schedule": schedule} for row in rows], curves)
    with matplotlib.rc_context(STYLE):
        canvas = compose(figure, files)
        title = title_lines(catalogue.figures[figure].title, "a note", canvas.get_figwidth())
        whole = canvas.suptitle("\n".join(title))
        assert ("epochs" in texts(canvas)) or figure == "wenpool"
        assert canvas.get_figwidth() <= 7
        canvas.draw_without_rendering()
        boxes = [axes.title.get_window_extent() for axes in canvas.axes if axes.get_title()]
        for box in [*boxes, whole.get_window_extent()]:
            assert 0 <= box.x0 < box.x1 <= canvas.bbox.x1
            assert box.y1 <= canvas.bbox.y1
        for left, right in pairwise(boxes):
            assert left.x1 < right.x0 or left.y0 > right.y1


def test_the_traces_of_a_figure_have_one_kind_of_scale(tmp_path: Path, made: Made) -> None:
    rows, curves = made
    wide = [
        {**point, "trace": 10.0 ** point["seed"]} if "batchnorm" in point["run"] else point
        for point in curves
    ]
    canvas = compose("wen10", files_of(tmp_path, rows, wide))
    assert [axes.get_yscale() for axes in canvas.axes[2:4]] == ["log", "log"]
    below = [{**point, "trace": -point["trace"]} for point in wide]
    canvas = compose("wen10", files_of(tmp_path, rows, below))
    assert [axes.get_yscale() for axes in canvas.axes[2:4]] == ["symlog", "symlog"]


def test_a_figure_says_which_part_of_its_schedule_was_run(tmp_path: Path, made: Made) -> None:
    rows, curves = made
    said = texts(compose("wen4", files_of(tmp_path, rows, curves)))
    assert "8,000 of 600,000 epochs" in said
    assert "(c) label-noise SGD (ours)" in said
    rows = [{**row, "schedule": "published"} for row in rows]
    said = texts(compose("wen4", files_of(tmp_path, rows, curves)))
    assert "600,000 epochs" in said
    assert " of 600,000" not in said


def lines(canvas: Canvas, panel: int) -> list[npt.NDArray[np.float64]]:
    return [np.asarray(line.get_xydata()) for line in canvas.axes[panel].lines]


def test_a_panel_shows_accuracy_trace_and_bound(tmp_path: Path, made: Made) -> None:
    canvas = compose("wen4", files_of(tmp_path, *made))
    above, below = lines(canvas, 1), lines(canvas, 4)  # (b) of three columns
    assert len(above) == 3
    assert np.allclose(above[0][:, 1], [1 - 0.5 / 2, 1 - 0.5 / 11, 1 - 0.5 / 8001])
    assert len(below) == 4
    assert below[-1][0, 1] == BOUNDS["bias"]


def test_a_run_that_is_missing_leaves_its_panel_empty(tmp_path: Path, made: Made) -> None:
    rows, curves = ([row for row in part if "softplus" not in row["run"]] for part in made)
    assert "not measured" in texts(compose("wen5", files_of(tmp_path, rows, curves)))
    assert "not measured" in texts(compose("wenpool", files_of(tmp_path, rows, curves)))
