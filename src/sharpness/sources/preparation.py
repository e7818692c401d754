"""How images or sentences become the inputs of a model: by its own preprocessing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sharpness.data.recipes import centre, standardized
from sharpness.io.errors import UserError


@dataclass(frozen=True)
class ImageInputs:
    """Preprocessing of one image.

    Attributes:
        description: what it does, in JSON; it is recorded, and enters the digest of the examples.
        transform: from an image in ``mode`` to values (channels, height, width), float32.
        mode: Pillow's colour mode, "RGB" or "L".
    """

    description: Mapping[str, Any]
    transform: Callable[[Image.Image], Tensor | NDArray[np.float32]] = field(repr=False)
    mode: str = "RGB"

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the values of an image of any mode; ValueError if it cannot be transformed."""
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            raise ValueError(f"mode {image.mode} has more than 8 bits a channel; convert it to 8")
        converted = image if image.mode == self.mode else image.convert(self.mode)
        try:
            values = self.transform(converted)
        except Exception as error:  # a library's transform may raise anything
            raise ValueError(f"cannot be preprocessed: {error}") from error
        return np.ascontiguousarray(torch.as_tensor(values).numpy(), dtype=np.float32)

    @property
    def key(self) -> Mapping[str, Any]:
        """The description, by which `data.photos.Photos` digests its examples."""
        return self.description


@dataclass(frozen=True)
class TextInputs:
    """Tokenization of sentences, or pairs of sentences.

    Attributes:
        description: as in `ImageInputs`.
        tokenize: from lists of sentences (and second sentences) to tensors by name, (n, length).
    """

    description: Mapping[str, Any]
    tokenize: Callable[[Sequence[str], Sequence[str] | None], Mapping[str, Tensor]] = field(
        repr=False
    )


Preparation = ImageInputs | TextInputs


def given_inputs(size: int, mean: Sequence[float], std: Sequence[float]) -> ImageInputs:
    """Return a preprocessing: the short side resized to ``size``, the centre cropped, standardized.

    ``mean`` and ``std`` are those of pixels in [0, 1], one value a channel: three, or one for grey.

    Raises:
        UserError: if they are not one or three of each, or are not those of pixels in [0, 1].
    """
    wrong = not all(0 <= value <= 1 for value in mean) or not all(0 < v < math.inf for v in std)
    if len(mean) != len(std) or len(mean) not in (1, 3) or wrong:
        raise UserError(
            f"inputs: mean {list(mean)} and std {list(std)}: give one value each for grey images, "
            "three for colour; pixels are in [0, 1], and std is positive"
        )
    means, stds = tuple(mean), tuple(std)

    def transform(image: Image.Image) -> NDArray[np.float32]:
        pixels = centre(image, size, size)
        return standardized(pixels.reshape(size, size, len(means)), means, stds)

    kept = {"resize": "short side, bicubic", "crop": "centre", "size": size}
    description = {"library": "own", **kept, "mean": list(means), "std": list(stds)}
    return ImageInputs(description, transform, "RGB" if len(means) == 3 else "L")
