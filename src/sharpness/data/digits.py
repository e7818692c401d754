"""The digits that ship with scikit-learn: 1,797 grey images of 8 × 8, the data of scale mini.

Five corruptions of the test images stand in for CIFAR-10-C. The kinds are those of Hendrycks &
Dietterich (2019): noise, blur, contrast, occlusion, geometry. The strengths are this project's own,
chosen so that each misleads a good small network on roughly 15 to 50 % of the images.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

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


SEED = 0

Array = NDArray[np.float64]


def digits_c() -> Images:
    """The test digits under each corruption in turn, 5 × 797 images, the same at every call."""
    clean = digits("test")
    values = clean.pixels[:, 0].numpy().astype(np.float64)
    random = np.random.default_rng(SEED)
    corrupted = [corrupt(values, random) for corrupt in CORRUPTIONS.values()]
    pixels = np.concatenate(corrupted).clip(0, 255).round().astype(np.uint8)
    return replace(
        clean,
        pixels=torch.from_numpy(pixels[:, None]),
        labels=clean.labels.repeat(len(CORRUPTIONS)),
        title="digits-c",
    )


def gaussian_noise(values: Array, random: np.random.Generator) -> Array:
    """Independent noise at every pixel."""
    return values + random.normal(0, 70, values.shape)


def blur(values: Array, random: np.random.Generator) -> Array:
    """A Gaussian kernel of four fifths of a pixel."""
    return ndimage.gaussian_filter(values, (0, 0.8, 0.8))


def contrast(values: Array, random: np.random.Generator) -> Array:
    """Three fifths of the contrast about a fixed grey."""
    return 100 + (values - 100) * 0.6


def occlusion(values: Array, random: np.random.Generator) -> Array:
    """A white square of 3 × 3 pixels somewhere on each image."""
    covered = values.copy()
    for image, (y, x) in zip(covered, random.integers(0, 6, (len(values), 2)), strict=True):
        image[y : y + 3, x : x + 3] = 255
    return covered


def rotation(values: Array, random: np.random.Generator) -> Array:
    """A turn by 22 degrees to either side."""
    signs = random.choice([-1, 1], len(values))
    turned = [
        ndimage.rotate(image, 22 * sign, reshape=False, order=1)
        for image, sign in zip(values, signs, strict=True)
    ]
    return np.stack(turned)


CORRUPTIONS = {
    "gaussian_noise": gaussian_noise,
    "blur": blur,
    "contrast": contrast,
    "occlusion": occlusion,
    "rotation": rotation,
}
