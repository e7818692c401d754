"""Training of the models of one job of a sweep, each resumed from its saved state (Sec. 5.1)."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from sharpness.data.images import Images
from sharpness.io.errors import UserError, out_of_memory
from sharpness.io.files import finite_or_none
from sharpness.measures.error_rates import ROWS, error_and_loss
from sharpness.measures.micro_batch import MicroBatch
from sharpness.training.checkpoint import State
from sharpness.training.hyperparameters import REVISION, Hyperparameters, Training, learning_rate
from sharpness.training.loader import batches
from sharpness.training.optimizer import Learner
from sharpness.training.records import Task, Trained


def train_model(
    task: Task, data: Images, state_folder: str | Path, device: torch.device | str = "cpu"
) -> Trained:
    """Train a model, resume an interrupted training, or return a finished one.

    The state folder holds one file per task, replaced atomically after every epoch, so that a kill
    costs one epoch. Everything random depends on (seed, index, epoch) alone: on a CPU with a given
    number of threads, a resumed training ends in the same bits as an uninterrupted one.

    A loss that is not finite ends the training after its epoch, as status "diverged", not an error.
    """
    device = torch.device(device)
    file = Path(state_folder) / f"{task.digest(data)}.safetensors"
    state = State.load(file)
    if state is not None and state.record is not None:
        return Trained(state.weights, state.record)
    data = data.to(device)
    learner = Learner(task, device)
    curve: list[dict[str, Any]] = []
    if state is not None:
        learner.resume(state, str(file))
        curve = state.curve
    _run(task, data, learner, curve, file)
    room = MicroBatch(whose=f"model {task.index}")
    found = room.run_with_oom_retry(
        lambda rows: error_and_loss(learner.network, data, rows or ROWS), min(ROWS, len(data))
    )
    record = _record(task, data, curve, *found)
    weights = {name: t.cpu().contiguous() for name, t in learner.network.state_dict().items()}
    State(weights, {}, curve, record).save(file)
    return Trained(weights, record)


def _run(
    task: Task, data: Images, learner: Learner, curve: list[dict[str, Any]], file: Path
) -> None:
    """Train the epochs that the curve lacks."""
    title = f"{data.title}, model {task.index}"
    with tqdm(
        total=task.settings.epochs, initial=len(curve), desc=title, unit="epoch", mininterval=1
    ) as bar:
        while len(curve) < task.settings.epochs and not _diverged(curve):
            curve.append(_epoch(task, data, learner, len(curve)))
            learner.state(curve).save(file)
            bar.set_postfix(loss=curve[-1]["loss"], error=curve[-1]["error"], refresh=False)
            bar.update()


def _epoch(task: Task, data: Images, learner: Learner, epoch: int) -> dict[str, Any]:
    """Train for one epoch; return its row of the curve."""
    settings = task.settings
    per_epoch = math.ceil(len(data.labels) / settings.batch_size)
    total = per_epoch * settings.epochs
    # Sums stay on the device, so that no step waits for a transfer.
    losses = torch.zeros((), device=data.pixels.device)
    misses = torch.zeros((), device=data.pixels.device, dtype=torch.int64)
    rows, rate = 0, 0.0
    learner.network.train()
    for step, (inputs, targets) in enumerate(batches(task, data, epoch), epoch * per_epoch):
        peak = task.hyperparameters.learning_rate
        rate = learning_rate(step, total, peak, settings.warmup_fraction)
        loss, logits = learner.step(inputs, targets, rate)
        losses += loss * len(inputs)
        labels = targets if targets.ndim == 1 else targets.argmax(1)
        # argmax of NaN logits would be a class like any other.
        misses += ((logits.argmax(1) != labels) | ~logits.isfinite().all(1)).sum()
        rows += len(inputs)
    return {
        "epoch": epoch + 1,
        "loss": finite_or_none(losses.item() / rows),
        "error": misses.item() / rows,
        "learning_rate": rate,
    }


def _record(
    task: Task, data: Images, curve: list[dict[str, Any]], error: float, loss: float
) -> dict[str, Any]:
    reason = ""
    if _diverged(curve):
        reason = f"diverged: the loss is not finite in epoch {len(curve)}"
    elif not math.isfinite(loss):
        reason = "diverged: the loss of the final weights is not finite"
    return {
        **task.described(),
        "status": "diverged" if reason else "ok",
        "reason": reason,
        "train_error": error,
        "train_loss": finite_or_none(loss),
        "epochs": len(curve),
        "curve": curve,
        "data": {"title": data.title, "digest": data.digest()},
        "digest": task.digest(data),
    }


def _diverged(curve: list[dict[str, Any]]) -> bool:
    return bool(curve) and curve[-1]["loss"] is None


@dataclass(frozen=True)
class SweepJob:
    """Settings that all models of a pool share.

    ``seed`` is the pool's; ``architecture`` lacks the sizes that the images determine; ``state`` is
    the folder in which each model has its own state folder.
    """

    seed: int
    architecture: Mapping[str, Any]
    settings: Training
    images: Images
    state: Path
    device: torch.device

    def task(self, index: int, hyperparameters: Hyperparameters) -> Task:
        """Return the task that determines one model."""
        architecture = {
            **self.architecture,
            "in_channels": self.images.pixels.shape[1],
            "classes": self.images.classes,
        }
        if self.architecture["name"] == "simple-vit":
            architecture["image_size"] = self.images.pixels.shape[-1]
        return Task(self.seed, index, architecture, hyperparameters, self.settings)


def train_models(
    models: Mapping[str, tuple[int, Hyperparameters]], names: Sequence[str], sweep: SweepJob
) -> dict[str, dict[str, Any]]:
    """Train the named models, skipping finished ones; return the record of each training.

    Raises:
        UserError: if a batch does not fit in memory. Half a batch would be another training.
    """
    records = {}
    for name in names:
        trained = _trained(name, *models[name], sweep)
        records[name] = {**trained.record, "revision": REVISION}
        print(f"{name}: {_summary(trained.record)}", file=sys.stderr)
    return records


def _trained(name: str, index: int, hyperparameters: Hyperparameters, sweep: SweepJob) -> Trained:
    try:
        task = sweep.task(index, hyperparameters)
        return train_model(task, sweep.images, sweep.state / name, sweep.device)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise UserError(
            f"{name}: out of memory with batches of {sweep.settings.batch_size}; take a device "
            "with more, or lower the pool's training.batch_size, which makes other models"
        ) from error


def _summary(record: Mapping[str, Any]) -> str:
    if record["status"] != "ok":
        return str(record["reason"])
    return f"trained, training error {100 * record['train_error']:.2f} %"
