"""The digits that ship with scikit-learn: 1,797 grey images of 8 × 8, the data of scale mini."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sharpness.data.images import Images

TRAIN = 1000
SPLIT_SEED = 0


def digits(split: str) -> Images:
    """1,000 training or 797 test images, the same at every call, each class in both.

    The source's 17 levels are spread over 0 to 255; mean and deviation are the training images'.

    Args:
        split: ``train`` or ``test``.
    """
    source = load_digits()
    levels = np.rint(source.images * (255 / 16)).astype(np.uint8)[:, None]
    parts = train_test_split(
        np.arange(len(levels)),
        train_size=TRAIN,
        stratify=source.target,
        random_state=SPLIT_SEED,
    )
    train, chosen = levels[parts[0]], parts[0] if split == "train" else parts[1]
    return Images(
        pixels=torch.from_numpy(levels[chosen]),
        labels=torch.from_numpy(source.target[chosen].astype(np.int64)),
        mean=(float(train.mean() / 255),),
        std=(float(train.std() / 255),),
        flip=False,
        title="digits",
        classes=10,
    )
