"""The work of one job without Snakemake, for a process of its own that may be killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from evaluations import OK, PLAN, SETS, made_subject, record

from sharpness.checkpoints.convert import download_checkpoint
from sharpness.checkpoints.table import PublishedModel
from sharpness.data.small import digits
from sharpness.evaluation import datasets
from sharpness.evaluation.evaluate import evaluate as evaluated
from sharpness.io.files import write_json
from sharpness.training import loop
from sharpness.training.hyperparameters import Hyperparameters, Training
from sharpness.training.loop import SweepJob, train_models

RESNET = {"name": "preact-resnet", "width": 8, "blocks": [1, 1]}
VIT = {
    "name": "vit",
    "image_size": 32,
    "patch_size": 4,
    "dim": 192,
    "depth": 4,
    "heads": 4,
    "mlp_dim": 768,
    "classes": 10,
}
MODELS = {
    "plain": (0, Hyperparameters(0.1, 0.0, False, False)),
    "everything": (1, Hyperparameters(0.1, 0.05, True, True)),
}
EPOCHS = 8
MEMBER = PublishedModel("one", {}, "https://publisher.example/pool/one.npz")


def announced(work: Callable[[Path], None], folder: Path, mark: Path, window: str = "") -> None:
    """Say that the work begins, and do it; with a window, die in it at the second rename."""
    torch.set_num_threads(1)
    if window:
        _die_at_a_rename(window)
    mark.touch()
    work(folder)


def _die_at_a_rename(window: str) -> None:
    replace, renames = os.replace, []

    def deadly(source: Any, target: Any) -> None:
        renames.append(target)
        if len(renames) == 2 and window == "half written":
            os.truncate(source, os.stat(source).st_size // 2)
        if len(renames) == 2 and window != "after the rename":
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)
        if len(renames) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = deadly  # type: ignore[assignment]


def train(folder: Path) -> None:
    """Train two small models; ``begun`` says which epochs were begun, and by whom."""
    epoch = loop._epoch

    def noted(task: Any, data: Any, learner: Any, number: int) -> Any:
        with open(folder / "begun", "a") as stream:
            stream.write(f"{task.index} {number}\n")
        return epoch(task, data, learner, number)

    loop._epoch = noted
    images = digits("train").subset(slice(0, 400))
    settings = Training(epochs=EPOCHS, batch_size=32)
    sweep = SweepJob(0, RESNET, settings, images, folder / "state", torch.device("cpu"))
    write_json(folder / "trained.json", train_models(MODELS, list(MODELS), sweep))


def evaluate(folder: Path) -> None:
    """Evaluate one small model, item by item."""
    datasets.load_dataset = lambda name, *_, **__: SETS[name]  # type: ignore[assignment]
    found = evaluated(
        made_subject(folder), PLAN, datasets.EvalDatasets({p: record(p) for p in SETS}), OK
    )
    write_json(folder / "evaluated.json", found)


def epochs_begun(folder: Path, model: str) -> list[int]:
    """The epochs that `train` began of a model, in their order, those of killed runs too."""
    file = folder / "begun"
    lines = file.read_text().splitlines() if file.exists() else []
    return [int(line.split()[1]) for line in lines if int(line.split()[0]) == MODELS[model][0]]


def download(folder: Path, keep: bool = True) -> None:
    """Fetch a model from a mirror and convert it."""
    places: Any = {"cache": folder / "cache", "mirror": folder.parent / "mirror", "offline": True}
    out = folder / "checkpoint.safetensors"
    download_checkpoint(MEMBER, "augreg", VIT, out, **places, standin=False, keep=keep)


def download_and_drop(folder: Path) -> None:
    """The same without keeping the publisher's file."""
    download(folder, keep=False)
