"""A small model, small sets and a plan, and the files that an evaluation of them leaves."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sharpness import Cell, Definition
from sharpness.data.images import Images
from sharpness.evaluation.evaluate import EvaluatedModel
from sharpness.evaluation.plan import Plan, write_rows

WORST = Definition("worst", "linf", adaptive=True, logit_norm=False)
AVERAGE = Definition("average", "l2", adaptive=False, logit_norm=False)
CELLS = (
    Cell(WORST, 0.01),
    Cell(WORST, 0.01, "released"),
    Cell(WORST, 0.01, m=4),
    Cell(WORST, 0.01, steps=5),
    Cell(AVERAGE, 0.1),
    Cell(AVERAGE, 0.1, "released"),
    Cell(AVERAGE, 0.1, data="augmented"),
)
PLAN = Plan(CELLS, 16, 8, 3, {"paper": 4, "released": 2}, 0)
OK: dict[str, Any] = {"status": "ok", "reason": "", "train_error": 0.0}
OK |= {"seed": 0, "index": 0, "architecture": {}}


def images(count: int, seed: int) -> Images:
    stream = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 1, 8, 8), generator=stream, dtype=torch.uint8)
    labels = torch.randint(0, 3, (count,), generator=stream)
    return Images(pixels, labels, (0.5,), (0.25,), False, "noise", 3)


SETS = {"train": images(40, 1), "test": images(30, 2)}


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 3))


def made_subject(folder: Path) -> EvaluatedModel:
    checkpoint = folder / "checkpoints" / "model-000.safetensors"
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.write_bytes(b"weights")
    return EvaluatedModel("model-000", network(), checkpoint, folder / "state")


def record(part: str, reason: str = "") -> dict[str, Any]:
    """What ``locate`` says of the set that plays a part."""
    status = "missing" if reason else "present"
    return {"name": part, "status": status, "reason": reason, "title": part.upper(), "files": []}


def written(
    found: Mapping[str, Any], subject: EvaluatedModel, plan: Plan = PLAN
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The rows of the errors and of the cells."""
    folder = subject.state.parent
    files = [folder / kind / "model-000.csv" for kind in ("errors", "sharpness", "per_batch")]
    write_rows({"missing": {}, **found}, subject.state, plan.rows(), *files, evaluated="job.json")
    return read(files[0]), read(files[1])


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def column(rows: Sequence[Mapping[str, str]], name: str) -> list[str]:
    return [row[name] for row in rows]
