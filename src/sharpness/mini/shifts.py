"""Stand-ins for ImageNet-1k and its five shifts: scikit-learn's digits, altered by functions.

Ten ImageNet classes stand for the digits, in the order of their ids, so that digit k is logit k.
The strengths of the shifts are this project's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sharpness.data.small import digits

SEED = 0

CLASSES = (
    "n02708093",  # analog clock; with digital clock, ObjectNet's alarm clock
    "n02769748",  # backpack
    "n02906734",  # broom
    "n02992529",  # cellular telephone
    "n03063599",  # coffee mug
    "n03196217",  # digital clock
    "n03481172",  # hammer
    "n03729826",  # matchstick
    "n07749582",  # lemon
    "n07753592",  # banana
)
RENDERED = range(8)
"""Classes of the stand-in for ImageNet-R, which has 200 of 1000."""
ADVERSARIAL = (1, 3, 5, 7, 8, 9)
"""Classes of the stand-in for ImageNet-A, which has 200 others."""
HARDEST = 0.25
"""Share of each of these classes that is in the stand-in for ImageNet-A."""
CLOCKS = (0, 5)
"""Two digits that form one class of the stand-in for ObjectNet."""

HELD_OUT = 10
"""One in this many training images is held out from the soups; one in fifty in ImageNet."""

PARTS = ("test", "v2", "r", "a", "sketch", "objectnet")

Values = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class DigitImages:
    """Grey images (n, 8, 8) of digits, and the digits as labels (n,)."""

    pixels: Pixels
    labels: Labels

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def where(self, chosen: NDArray[np.bool_]) -> DigitImages:
        """Return the images that a mask (n,) selects."""
        return DigitImages(self.pixels[chosen], self.labels[chosen])


def digits_of(part: str) -> DigitImages:
    """Return the images of ``train``, ``test`` or a shift; they are the same at every call.

    The shifts are ``v2``, ``r``, ``a``, ``sketch`` and ``objectnet``.
    """
    images = digits("train" if part == "train" else "test")
    plain = DigitImages(images.pixels[:, 0].numpy(), images.labels.numpy())
    if part in ("train", "test"):
        return plain
    if part == "r":
        plain = plain.where(np.isin(plain.labels, RENDERED))
    if part == "a":
        return plain.where(_adversarial(plain))
    return shifted(plain, part, SEED)


def shifted(images: DigitImages, part: str, seed: int) -> DigitImages:
    """Apply the shift ``part``, a key of `SHIFTS`, to images."""
    values = SHIFTS[part](images.pixels.astype(np.float64), np.random.default_rng(seed))
    return DigitImages(values.clip(0, 255).round().astype(np.uint8), images.labels)


def held_out() -> NDArray[np.bool_]:
    """Return a mask (n,) of the training images on which the soups do not train."""
    order = np.argsort(digits_of("train").labels, kind="stable")
    mask = np.zeros(len(order), bool)
    mask[order[::HELD_OUT]] = True
    return mask


def groups(part: str) -> list[tuple[int, ...]]:
    """Return, for each class of a part, the digits that belong to it."""
    if part == "objectnet":
        return [CLOCKS, *((digit,) for digit in range(10) if digit not in CLOCKS)]
    chosen = {"r": RENDERED, "a": ADVERSARIAL}.get(part, range(10))
    return [(digit,) for digit in chosen]


def jitter(values: Values, random: np.random.Generator) -> Values:
    """Move images by up to a pixel and add noise, for ImageNet-V2 (newly collected images)."""
    moves = random.uniform(-0.6, 0.6, (len(values), 2))
    moved = [ndimage.shift(v, move, order=1) for v, move in zip(values, moves, strict=True)]
    return np.stack(moved) + random.normal(0, 12, values.shape)


def rendition(values: Values, random: np.random.Generator) -> Values:
    """Reduce images to three flat tones on a shaded ground, for ImageNet-R (renditions)."""
    tones = np.rint(values / 255 * 2) / 2
    shade = np.linspace(0, 1, 8) * random.uniform(60, 120, (len(values), 1, 1))
    return shade + tones * (255 - shade)


def outline(values: Values, random: np.random.Generator) -> Values:
    """Reduce images to the contour of the digit in one tone, for ImageNet-Sketch."""
    inside = values > 100
    return 255.0 * (inside & ~ndimage.binary_erosion(inside, np.ones((1, 3, 3))))


def viewpoint(values: Values, random: np.random.Generator) -> Values:
    """Rotate images by 15 to 35 degrees to either side, for ObjectNet (unusual viewpoints)."""
    angles = random.uniform(15, 35, len(values)) * random.choice([-1, 1], len(values))
    turned = [
        ndimage.rotate(v, angle, reshape=False, order=1)
        for v, angle in zip(values, angles, strict=True)
    ]
    return np.stack(turned)


SHIFTS: dict[str, Callable[[Values, np.random.Generator], Values]] = {
    "v2": jitter,
    "r": rendition,
    "sketch": outline,
    "objectnet": viewpoint,
}


def _adversarial(test: DigitImages) -> NDArray[np.bool_]:
    """Return a mask of the hardest images of each class, for ImageNet-A (unaltered images).

    They have the smallest margin of a nearest-centroid classifier: the distance to the nearest
    centroid of another class less that to their own.
    """
    train = digits_of("train")
    flat = train.pixels.reshape(len(train), -1).astype(np.float64)
    centroids = np.stack([flat[train.labels == k].mean(axis=0) for k in range(len(CLASSES))])
    points = test.pixels.reshape(len(test), 1, -1).astype(np.float64)
    distances = np.linalg.norm(points - centroids, axis=-1)  # (n, 10)
    rows = np.arange(len(test))
    own = distances[rows, test.labels]
    distances[rows, test.labels] = np.inf
    margins = distances.min(axis=1) - own
    chosen = np.zeros(len(test), bool)
    for k in ADVERSARIAL:
        members = np.flatnonzero(test.labels == k)
        hardest = members[np.argsort(margins[members], kind="stable")]
        chosen[hardest[: round(HARDEST * len(members))]] = True
    return chosen
