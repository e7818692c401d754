"""The digits of `shifts` as images in memory, and the loss of a network on augmented ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sharpness.data.images import Images
from sharpness.data.preprocessing import CLIP_MEAN, CLIP_STD
from sharpness.mini.shifts import PARTS, Photos, groups, photos
from sharpness.mini.trainer import seed, torch_generator
from sharpness.training.loader import mixup

LARGEST = 20
"""The magnitude at which an operation has its full strength."""
LEAST = 0.2
"""The strength at magnitude 0, which is not the identity in the original either."""
SQUARE = 3
"""The side of what is erased."""


def randaugment(inputs: Tensor, layers: int, magnitude: int, random: torch.Generator) -> Tensor:
    """Apply ``layers`` operations, each drawn from four for the batch, its amounts for each image.

    Args:
        inputs: (n, 3, 8, 8), standardized: 0 is grey.
        layers: N of the original.
        magnitude: M of the original, 0 to 20; strength grows linearly with it.
        random: draws operations and their amounts.
    """
    strength = LEAST + (1 - LEAST) * magnitude / LARGEST
    for choice in torch.randint(len(OPERATIONS), (layers,), generator=random).tolist():
        inputs = OPERATIONS[choice](inputs, strength, random)
    return inputs


def move(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Move by up to ``strength`` pixels along each axis, interpolated; what leaves comes back."""
    for axis in (2, 3):
        share = strength * (2 * torch.rand(len(inputs), 1, 1, 1, generator=random) - 1)
        neighbour = torch.where(share > 0, inputs.roll(1, axis), inputs.roll(-1, axis))
        inputs = inputs.lerp(neighbour, share.abs().expand_as(inputs))
    return inputs


def noise(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Independent grey noise at every pixel, of deviation 0.4 at full strength."""
    return inputs + 0.4 * strength * torch.randn(len(inputs), 1, 8, 8, generator=random)


def contrast(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Up to three fifths of the way to grey."""
    return inputs * (1 - 0.6 * strength * torch.rand(len(inputs), 1, 1, 1, generator=random))


def erase(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """A square faded towards grey, wholly at full strength."""
    corner = torch.randint(8 - SQUARE + 1, (2, len(inputs), 1), generator=random)
    offset = torch.arange(8) - corner  # (2, n, 8)
    rows, columns = (offset >= 0) & (offset < SQUARE)
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    return inputs * (1 - strength * inside.to(inputs.dtype))


OPERATIONS = (move, noise, contrast, erase)


Channels = tuple[float, ...]
AUGREG = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
CLIP = CLIP_MEAN, CLIP_STD
"""Mean and deviation of the channels, as `sharpness.data.preprocessing` has them for photos."""


class Augmentation(NamedTuple):
    """What is done to images while training.

    Attributes:
        layers: operations an image.
        magnitude: of each, 0 to 20.
        mixup: α of the Beta distribution, 0 for none.
    """

    layers: int = 0
    magnitude: int = 0
    mixup: float = 0.0


PLAIN = Augmentation()


def pictures(images: Photos, recipe: tuple[Channels, Channels], part: str = "train") -> Images:
    """Grey images in three channels, prepared by a recipe, with the classes of a part."""
    classes = tuple(groups(part))
    number = {digit: label for label, digits in enumerate(classes) for digit in digits}
    labels = torch.tensor([number[digit] for digit in images.labels.tolist()])
    pixels = torch.from_numpy(images.pixels)[:, None].expand(-1, 3, -1, -1)
    mean, std = recipe
    return Images(pixels, labels, mean, std, False, part, len(classes), classes)


def parts(recipe: tuple[Channels, Channels]) -> dict[str, Images]:
    """The sets on which errors are measured: the test digits and the five shifts."""
    return {part: pictures(photos(part), recipe, part) for part in PARTS}


def classification(
    network: nn.Module,
    images: Images,
    name: str,
    augmentation: Augmentation = PLAIN,
    smoothing: float = 0.0,
) -> Callable[[Tensor], Tensor]:
    """The cross-entropy of a network on augmented views of the images with these numbers.

    Args:
        network: gives a logit for each class.
        images: for training.
        name: determines the views.
        augmentation: what is done to the images.
        smoothing: of the labels.
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
