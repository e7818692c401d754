"""Data sets that the project knows by name, with the preprocessing of a model of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image

from sharpness.data.images import Images
from sharpness.data.load import BORDER, load_dataset
from sharpness.data.photos import Photos
from sharpness.data.registry import REGISTRY
from sharpness.io.errors import UserError
from sharpness.sources.examples import Pictures
from sharpness.sources.opened import OpenData, Split, image_inputs
from sharpness.sources.preparation import ImageInputs, Preparation


def known_data(name: str, split: Split, record: Mapping[str, Any] | None) -> OpenData:
    """Open a data set that the project knows, in its own order; ``record`` is from `locate`.

    Raises:
        UserError: if it is missing, or its files are damaged.
    """
    if record is None:
        raise UserError(f"data {name!r}: is not located")
    if REGISTRY[name].kind == "photos":
        return _known_photos(name, split, record)
    images = load_dataset(name, split, record)
    assert isinstance(images, Images)

    def make(inputs: Preparation | None) -> Images | Pictures:
        if inputs is None:
            return images
        pixels = images.pixels.permute(0, 2, 3, 1).squeeze(-1).numpy()
        origin = [name, images.digest()]

        def open_one(place: int) -> Image.Image:
            return Image.fromarray(
                pixels[place].squeeze(-1) if pixels.shape[-1] == 1 else pixels[place]
            )

        places = range(len(images))
        return Pictures(
            images.title, open_one, places, images.labels, image_inputs(inputs, name), origin
        )

    classes = tuple(map(str, range(images.classes)))
    return OpenData(images.title, classes, images.labels, make)


def _known_photos(name: str, split: Split, record: Mapping[str, Any]) -> OpenData:
    plain = load_dataset(name, split, record, {"name": "photos", "recipe": "clip", "size": 224})
    assert isinstance(plain, Photos)

    def make(inputs: Preparation | None) -> Photos:
        return replace(
            plain, recipe=_without_border(image_inputs(inputs, name), BORDER.get(name, 0))
        )

    classes = tuple(map(str, range(1000)))
    return OpenData(plain.title, classes, plain.labels, make, fixed=True)


def _without_border(inputs: ImageInputs, border: int) -> ImageInputs:
    """Cut ``border`` pixels off each side of a photo before it is preprocessed."""
    if not border:
        return inputs

    def transform(image: Image.Image) -> Any:
        width, height = image.size
        return inputs.transform(image.crop((border, border, width - border, height - border)))

    return replace(inputs, transform=transform, description={**inputs.key, "border": border})
