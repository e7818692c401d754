"""Training one model of a sweep, from wherever the last run left it (Sec. 5.1)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from tqdm import tqdm

from sharpness.errors import ROWS, error_and_loss
from sharpness.files import finite
from sharpness.room import Room
from sharpness.training.batches import batches
from sharpness.training.learner import Learner
from sharpness.training.settings import learning_rate
from sharpness.training.state import State
from sharpness.training.task import Task, Trained

if TYPE_CHECKING:
    from sharpness.data.images import Images


def train(
    task: Task, data: Images, state_folder: str | Path, device: torch.device | str = "cpu"
) -> Trained:
    """Train a model, or finish a training that was cut off, or return a finished one.

    The state folder holds one file per task, replaced whole after every epoch, so that a kill
    costs one epoch. Everything random depends on (seed, index, epoch) alone: on a CPU with a given
    number of threads, a resumed training ends in the same bits as an uninterrupted one.

    A loss that is not finite ends the training after its epoch; that is a result, not an error.

    Args:
        task: what to train.
        data: the training images.
        state_folder: where states live; made if absent.
        device: where to train.
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
    room = Room(whose=f"model {task.index}")
    found = room.fitting(
        lambda rows: error_and_loss(learner.network, data, rows or ROWS), min(ROWS, len(data))
    )
    record = _record(task, data, curve, *found)
    weights = {name: t.cpu().contiguous() for name, t in learner.network.state_dict().items()}
    State(weights, {}, curve, record).save(file)
    return Trained(weights, record)


def _run(
    task: Task, data: Images, learner: Learner, curve: list[dict[str, Any]], file: Path
) -> None:
    """Do the epochs that the curve lacks."""
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
    """One pass over the images; its row of the curve."""
    settings = task.settings
    per_epoch = math.ceil(len(data.labels) / settings.batch_size)
    total = per_epoch * settings.epochs
    # Sums stay on the device: a step never waits for a number.
    losses = torch.zeros((), device=data.pixels.device)
    misses = torch.zeros((), device=data.pixels.device, dtype=torch.int64)
    rows = 0
    rate = 0.0
    learner.network.train()
    for step, (inputs, targets) in enumerate(batches(task, data, epoch), epoch * per_epoch):
        peak = task.hyperparameters.learning_rate
        rate = learning_rate(step, total, peak, settings.warmup_fraction)
        loss, logits = learner.step(inputs, targets, rate)
        losses += loss * len(inputs)
        misses += _misses(logits, targets if targets.ndim == 1 else targets.argmax(1))
        rows += len(inputs)
    return {
        "epoch": epoch + 1,
        "loss": finite(losses.item() / rows),
        "error": misses.item() / rows,
        "learning_rate": rate,
    }


def _misses(logits: Tensor, labels: Tensor) -> Tensor:
    # The largest of several NaN would be a class like any other.
    wrong = (logits.argmax(1) != labels) | ~logits.isfinite().all(1)
    return wrong.sum()


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
        "train_loss": finite(loss),
        "epochs": len(curve),
        "curve": curve,
        "data": {"title": data.title, "digest": data.digest()},
        "digest": task.digest(data),
    }


def _diverged(curve: list[dict[str, Any]]) -> bool:
    return bool(curve) and curve[-1]["loss"] is None
