"""Out of memory: fewer examples at a time, the same numbers; where that cannot be, one line.

The device is a model that refuses to take more than so many examples, as a full card does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from evaluations import CELLS, OK, PLAN, SETS, images, made_subject, network, record
from torch import Tensor, nn

from sharpness import Definition, sharpness
from sharpness.evaluation import datasets as sets_module
from sharpness.evaluation import evaluate as evaluating
from sharpness.evaluation.datasets import EvalDatasets
from sharpness.evaluation.evaluate import evaluate, evaluate_models
from sharpness.io.errors import UserError
from sharpness.io.files import read_json
from sharpness.measures import worst
from sharpness.measures.cell_values import Effort
from sharpness.measures.error_rates import error_and_loss
from sharpness.measures.micro_batch import OutOfMemory
from sharpness.training import loop
from sharpness.training.hyperparameters import Hyperparameters, Training
from sharpness.training.loop import SweepJob, train_models
from sharpness.training.optimizer import Learner

CPU = torch.device("cpu")
WORST = Definition("worst", "l2", adaptive=True, logit_norm=True)
EFFORT = Effort(steps=3, samples=4)
Refusal = Callable[[], Exception]

REFUSALS: dict[str, Refusal] = {
    "torch": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "driver": lambda: RuntimeError("CUDA error: out of memory"),
    "cublas": lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."),
    "cpu": lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ..."),
}


def small(model: nn.Module, rows: int, refusal: Refusal = REFUSALS["torch"]) -> list[int]:
    """Make the model refuse more than ``rows`` examples; the sizes that it has been asked for."""
    asked: list[int] = []

    def refuse(_: nn.Module, inputs: tuple[Tensor, ...], keywords: dict[str, Tensor]) -> None:
        size = len(inputs[0] if inputs else next(iter(keywords.values())))
        asked.append(size)
        if size > rows:
            raise refusal()

    model.register_forward_pre_hook(refuse, with_kwargs=True)
    return asked


def points() -> list[tuple[Tensor, Tensor]]:
    """A batch of 16 and one of 10."""
    batch = next(iter(SETS["train"].subset(slice(0, 26)).batches(26)))
    inputs, labels = batch
    assert isinstance(inputs, Tensor)
    return [(inputs[:16], labels[:16]), (inputs[16:], labels[16:])]


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_batches_are_halved_until_they_fit(refusal: Refusal, capsys: Any) -> None:
    model = network()
    asked = small(model, 5, refusal)
    found = sharpness(model, points(), WORST, 0.1, steps=3)
    assert repr(found) == repr(sharpness(network(), points(), WORST, 0.1, steps=3, micro_batch=4))
    assert asked[:3] == [16, 8, 4]
    # Each division is compared with the whole batch, where that fits.
    assert {size for size in asked[3:] if size <= 5} == {4, 2}
    assert capsys.readouterr().err.splitlines() == [
        "the model: out of memory with micro-batches of 16; goes on with 8",
        "the model: out of memory with micro-batches of 8; goes on with 4",
    ]


@pytest.mark.parametrize("case", ["worst", "average"])
def test_memory_that_runs_out_in_the_middle_starts_the_cell_anew(case: str) -> None:
    """The fourth pass finds a fuller card: nothing of the passes before it is kept."""
    definition = replace(WORST, case=case)  # type: ignore[arg-type]
    model, passes = network(), [0]

    def refuse(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        passes[0] += 1
        if passes[0] >= 4 and len(inputs[0]) > 8:
            raise REFUSALS["torch"]()

    model.register_forward_pre_hook(refuse)
    found = sharpness(model, points(), definition, 0.1, steps=3, samples=4)
    again = sharpness(network(), points(), definition, 0.1, steps=3, samples=4, micro_batch=8)
    assert repr(found) == repr(again)


def test_memory_that_runs_out_in_the_backward_pass_is_no_other_thing() -> None:
    class Heavy(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            if len(gradient) > 4:
                raise REFUSALS["torch"]()
            return gradient

    model = network()
    model[2].register_forward_hook(lambda module, inputs, outputs: Heavy.apply(outputs))
    found = sharpness(model, points(), WORST, 0.1, steps=3)
    expected = sharpness(network(), points(), WORST, 0.1, steps=3, micro_batch=4)
    assert repr(found) == repr(expected)


def test_no_room_for_one_example_is_a_line_and_another_error_is_not_taken_for_it() -> None:
    full, wrong = network(), network()
    asked = small(full, 0)
    with pytest.raises(OutOfMemory, match="one example at a time, as if micro_batch were 1"):
        sharpness(full, points(), WORST, 0.1)
    assert asked == [16, 8, 4, 2, 1]
    asked = small(wrong, 5, lambda: RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(UserError, match="shapes cannot be multiplied"):
        sharpness(wrong, points(), WORST, 0.1)
    assert asked == [16]


def test_a_worst_case_whose_vectors_do_not_fit_is_refused_with_what_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Six vectors of 12 weights of four bytes take 288 bytes; half of them are free."""
    model = nn.Linear(3, 3)
    batches = [(torch.rand(2, 3), torch.tensor([0, 1]))]
    monkeypatch.setattr(worst, "free_memory", lambda _: 144)
    with pytest.raises(OutOfMemory, match="perturb at most 6 weights"):
        sharpness(model, batches, WORST, 0.1)
    assert sharpness(model, batches, replace(WORST, case="average"), 0.1)


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(sets_module, "load_dataset", lambda name, *_, **__: SETS[name])
    return {part: record(part) for part in ("train", "test")}


def test_a_job_keeps_the_smaller_number_and_says_so_once(
    data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    files = {name: tmp_path / f"{name}.safetensors" for name in ("one", "two")}
    for name, path in files.items():
        path.write_text(name)
    sizes: dict[str, list[int]] = {}

    def load_model(path: Path, device: torch.device) -> nn.Module:
        model = network()
        sizes[path.stem] = small(model, 6)
        return model

    monkeypatch.setattr(evaluating, "load_model", load_model)
    tight, wide = tmp_path / "tight", tmp_path / "wide"
    found = evaluate_models(files, [OK, OK], PLAN, data, tight, CPU, micro_batch=20)
    lines = [line for line in capsys.readouterr().err.splitlines() if "memory" in line]
    assert lines == [
        "one: out of memory with micro-batches of 20; goes on with 10",
        "one: out of memory with micro-batches of 10; goes on with 5",
    ]
    assert max(size for size in sizes["two"] if size <= 6) == 5
    monkeypatch.setattr(evaluating, "load_model", lambda path, device: network())
    assert found == evaluate_models(files, [OK, OK], PLAN, data, wide, CPU, micro_batch=5)
    for name in files:
        for item in [*found[name]["errors"], *found[name]["cells"]]:
            assert read_json(tight / name / item) == read_json(wide / name / item)
    assert len(found["two"]["cells"]) == len(CELLS)


def test_a_job_without_room_for_one_example_ends_and_keeps_no_failed_cell(
    data: dict[str, Any], tmp_path: Path
) -> None:
    subject = made_subject(tmp_path)
    sets = EvalDatasets(data)
    done = evaluate(subject, replace(PLAN, cells=CELLS[:1]), sets, OK)
    before = {path: path.read_bytes() for path in subject.state.iterdir()}
    small(subject.model, 0)
    with pytest.raises(UserError, match="model-000: out of memory with one example at a time"):
        evaluate(subject, PLAN, sets, OK)
    assert {path: path.read_bytes() for path in subject.state.iterdir()} == before
    assert {path.name for path in before} == {*done["errors"], *done["cells"]}


SETTINGS = Training(epochs=1, batch_size=8)


def sweep(folder: Path) -> SweepJob:
    architecture = {"name": "preact-resnet", "width": 8, "blocks": [1, 1]}
    return SweepJob(0, architecture, SETTINGS, images(24, 3), folder, CPU)


MODELS = {
    "model-000": (0, Hyperparameters(learning_rate=0.1, sam_rho=0.0, mixup=False, augment=False))
}


def test_a_training_out_of_memory_is_one_line_for_its_batches_are_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*_: object) -> None:
        raise REFUSALS["torch"]()

    monkeypatch.setattr(Learner, "step", step)
    with pytest.raises(
        UserError, match=r"model-000: out of memory with batches of 8; .*batch_size"
    ):
        train_models(MODELS, ["model-000"], sweep(tmp_path))


def test_the_training_error_is_counted_in_smaller_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_models(MODELS, ["model-000"], sweep(tmp_path / "whole"))
    asked: list[int] = []

    def scarce(model: nn.Module, examples: Any, rows: int) -> tuple[float, float]:
        asked.append(rows)
        if min(rows, len(examples)) > 8:
            raise REFUSALS["torch"]()
        return error_and_loss(model, examples, rows)

    monkeypatch.setattr(loop, "error_and_loss", scarce)
    found = train_models(MODELS, ["model-000"], sweep(tmp_path / "scarce"))
    assert asked == [1024, 12, 6]
    loss, expected = (r["model-000"].pop("train_loss") for r in (found, whole))
    assert loss == pytest.approx(expected)
    assert found == whole
