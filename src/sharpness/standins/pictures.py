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
from sharpness.standins.augment import randaugment
from sharpness.standins.shifts import PARTS, Photos, groups, photos
from sharpness.standins.training import generator, seed
from sharpness.training.mixup import mixup

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
    random, weights = generator(name, "views"), np.random.default_rng(seed(name, "mixup"))

    def loss(chosen: Tensor) -> Tensor:
        inputs, targets = images.normalized(images.pixels[chosen]), images.labels[chosen]
        inputs = randaugment(inputs, augmentation.layers, augmentation.magnitude, random)
        if augmentation.mixup:
            weight = float(weights.beta(augmentation.mixup, augmentation.mixup))
            inputs, targets = mixup(inputs, targets, images.classes, weight, random)
        return cross_entropy(network(inputs), targets, label_smoothing=smoothing)

    return loss
