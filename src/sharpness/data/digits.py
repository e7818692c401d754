"""The digits that ship with scikit-learn: 1,797 grey images of 8 × 8, the data of scale mini."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from sharpness.data.images import Images
from sharpness.problem import Problem

TRAIN = 1000
SPLIT_SEED = 0


def digits(split: str) -> Images:
    """1,000 training or 797 test images, drawn once and the same at every call.

    The source's 17 levels are spread over 0 to 255; mean and deviation are the training images'.

    Args:
        split: ``train`` or ``test``.
    """
    table = np.loadtxt(_source(), delimiter=",")  # (1797, 65): 64 pixels and the label
    levels = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(table))
    train = levels[order[:TRAIN]]
    chosen = order[:TRAIN] if split == "train" else order[TRAIN:]
    return Images(
        pixels=torch.from_numpy(levels[chosen]),
        labels=torch.from_numpy(table[chosen, -1].astype(np.int64)),
        mean=(float(train.mean() / 255),),
        std=(float(train.std() / 255),),
        flip=False,
        title="digits",
        classes=10,
    )


def _source() -> Path:
    """The file itself: importing scikit-learn's reader takes longer than training a model."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise Problem("digits: scikit-learn, which ships them, is not installed")
    return Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
