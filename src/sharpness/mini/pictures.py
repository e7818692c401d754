"""The digits of `shifts` as images in memory, their augmentation, and the training loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sharpness.data.images import Images
from sharpness.data.preprocessing import CLIP_MEAN, CLIP_STD
from sharpness.mini.shifts import PARTS, DigitImages, digits_of, groups
from sharpness.mini.trainer import seed, torch_generator
from sharpness.training.loader import mixup

LARGEST = 20
"""Magnitude at which an operation has full strength."""
LEAST = 0.2
"""Strength at magnitude 0, which is not the identity in RandAugment either."""
SQUARE = 3
"""Side of the erased square, in pixels."""


def randaugment(inputs: Tensor, layers: int, magnitude: int, random: torch.Generator) -> Tensor:
    """Apply ``layers`` operations, each drawn for the batch and its amounts for each image.

    Args:
        inputs: (n, 3, 8, 8), standardized: 0 is grey.
        layers: N of RandAugment.
        magnitude: M of RandAugment, 0 to 20; strength grows linearly with it.
        random: generator of operations and amounts.
    """
    strength = LEAST + (1 - LEAST) * magnitude / LARGEST
    for choice in torch.randint(len(OPERATIONS), (layers,), generator=random).tolist():
        inputs = OPERATIONS[choice](inputs, strength, random)
    return inputs


def move(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Shift by up to ``strength`` pixels along each axis, interpolated and cyclic."""
    for axis in (2, 3):
        share = strength * (2 * torch.rand(len(inputs), 1, 1, 1, generator=random) - 1)
        neighbour = torch.where(share > 0, inputs.roll(1, axis), inputs.roll(-1, axis))
        inputs = inputs.lerp(neighbour, share.abs().expand_as(inputs))
    return inputs


def noise(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Add independent grey noise to every pixel, of standard deviation 0.4 at full strength."""
    return inputs + 0.4 * strength * torch.randn(len(inputs), 1, 8, 8, generator=random)


def contrast(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Reduce contrast by a random share, at most 60 % at full strength."""
    return inputs * (1 - 0.6 * strength * torch.rand(len(inputs), 1, 1, 1, generator=random))


def erase(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Fade a random square towards grey, entirely at full strength."""
    corner = torch.randint(8 - SQUARE + 1, (2, len(inputs), 1), generator=random)
    offset = torch.arange(8) - corner  # (2, n, 8)
    rows, columns = (offset >= 0) & (offset < SQUARE)
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    return inputs * (1 - strength * inside.to(inputs.dtype))


OPERATIONS = (move, noise, contrast, erase)


Channels = tuple[float, ...]
AUGREG = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
CLIP = CLIP_MEAN, CLIP_STD
"""Means and standard deviations of the channels, as in `sharpness.data.preprocessing`."""


class Augmentation(NamedTuple):
    """Augmentation in training: arguments of `randaugment`, and mixup's α (0 for none)."""

    layers: int = 0
    magnitude: int = 0
    mixup: float = 0.0


PLAIN = Augmentation()


def to_images(
    images: DigitImages, recipe: tuple[Channels, Channels], part: str = "train"
) -> Images:
    """Convert grey images to three channels; labels are the classes of ``part``.

    ``recipe`` holds the means and standard deviations of the channels.
    """
    classes = tuple(groups(part))
    number = {digit: label for label, digits in enumerate(classes) for digit in digits}
    labels = torch.tensor([number[digit] for digit in images.labels.tolist()])
    pixels = torch.from_numpy(images.pixels)[:, None].expand(-1, 3, -1, -1)
    mean, std = recipe
    return Images(pixels, labels, mean, std, False, part, len(classes), classes)


def parts(recipe: tuple[Channels, Channels]) -> dict[str, Images]:
    """Return the sets on which errors are measured: the test digits and the five shifts."""
    return {part: to_images(digits_of(part), recipe, part) for part in PARTS}


def make_loss(
    network: nn.Module,
    images: Images,
    name: str,
    augmentation: Augmentation = PLAIN,
    smoothing: float = 0.0,
) -> Callable[[Tensor], Tensor]:
    """Return the cross-entropy on augmented images as a function of their indices.

    ``name`` seeds the augmentation; ``smoothing`` is that of the labels.
    """
    random, weights = torch_generator(name, "views"), np.random.default_rng(seed(name, "mixup"))

    def loss(chosen: Tensor) -> Tensor:
        inputs, targets = images.normalized(images.pixels[chosen]), images.labels[chosen]
        inputs = randaugment(inputs, augmentation.layers, augmentation.magnitude, random)
        if augmentation.mixup:
            weight = float(weights.beta(augmentation.mixup, augmentation.mixup))
            inputs, targets = mixup(inputs, targets, images.classes, weight, random)
        return cross_entropy(network(inputs), targets, label_smoothing=smoothing)

    return loss
