"""``imagefolder:PATH``: one folder of images for each class."""

from __future__ import annotations

from pathlib import Path

import torch

from sharpness.data.listing import names, sized, subfolders
from sharpness.data.photos import Photos
from sharpness.io.errors import UserError
from sharpness.io.files import expanded
from sharpness.sources.opened import OpenData, Order, image_inputs
from sharpness.sources.preparation import Preparation


def image_folder(text: str, rest: str, order: Order) -> OpenData:
    """Open the images of a folder that has a subfolder for each class.

    Raises:
        UserError: if it is no such folder, or a class has no images, or folders of its own.
    """
    folder = Path(expanded(rest))
    if not folder.is_dir():
        raise UserError(f"{text}: {folder} is no folder")
    classes = tuple(subfolders(folder))
    if not classes:
        raise UserError(f"{text}: {folder} has no subfolder for each class")
    for name in classes:
        if inner := subfolders(folder / name):
            raise UserError(
                f"{text}: {folder / name / inner[0]} is a folder within a class, whose images "
                "would be left out; move them up, or move it away"
            )
    found = list(names(folder, classes))
    chosen = [found[place] for place in order(found)]
    labels = torch.tensor([classes.index(name.partition("/")[0]) for name in chosen])

    def make(inputs: Preparation | None) -> Photos:
        recipe = image_inputs(inputs, text)
        return Photos(text, folder, list(sized(folder, chosen)), labels, None, recipe)

    return OpenData(text, classes, labels, make)
