"""Models and data of a user's own, for tests: named as ``own_models:network``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

PLACES = {"cache": "unused", "mirror": None, "offline": True}


def network(width: int = 4, num_classes: int = 10) -> nn.Module:
    """Two layers on 64 numbers, or on an image of 8 × 8."""
    head = nn.Linear(width, num_classes)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Tanh(), head)


def always_last() -> nn.Module:
    """A model of three classes that says the last of them, whatever it sees."""
    model = network(num_classes=3)
    with torch.no_grad():
        model[3].weight.mul_(1e-3)
        model[3].bias.copy_(torch.tensor([0.0, 0.0, 1.0]))
    return model


def batches(split: str) -> list[tuple[Tensor, Tensor]]:
    """Four batches of eight examples of three classes."""
    generator = torch.Generator().manual_seed(("train", "test").index(split))
    return [
        (torch.randn(8, 64, generator=generator), torch.arange(8) % 3 if k else torch.arange(8) % 2)
        for k in range(4)
    ]


def pairs() -> list[tuple[Tensor, int]]:
    """Six examples of (input, target)."""
    return [(torch.full((64,), float(k)), k % 3) for k in range(6)]


def no_model() -> int:
    """Something else."""
    return 3


def columns() -> dict[str, Tensor]:
    """Neither batches nor a data set."""
    return {"inputs": torch.zeros(4, 64), "labels": torch.zeros(4)}


def image_folder(folder: Path, classes: tuple[str, ...] = ("cat", "dog", "fox")) -> Path:
    """Six images of each class, of another grey each."""
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 255, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder
