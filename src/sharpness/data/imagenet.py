"""ImageNet-1k in a folder of the user's: the usual layout, or the three official archives.

The images are not free to download: their users register at image-net.org.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharpness.data.classes import belongs
from sharpness.data.listing import names, subfolders, summary
from sharpness.data.registry import SOURCES
from sharpness.data.unpacking import made_once
from sharpness.downloads.fetch import Absent
from sharpness.files import sha256
from sharpness.numpyfiles import read_npy
from sharpness.problem import Problem

ARCHIVES = (
    "ILSVRC2012_img_train.tar",
    "ILSVRC2012_img_val.tar",
    "ILSVRC2012_devkit_t12.tar.gz",
)
SPLITS = {"train": "train", "test": "val"}
"""The folder of each split. Only ``train`` must be there: the weights are measured on it."""


def find_imagenet(name: str, given: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of ImageNet, or of the part of it that was held out.

    Args:
        name: ``imagenet`` or ``imagenet-2p``.
        given: the folder that the user names; nothing is written to it.
        settings: ``cache``, into whose ``unpacked/imagenet`` archives are unpacked, and
            ``holdout``.

    Raises:
        Absent: if neither images nor archives are there, or no hold-out is named.
        Problem: if training images or an archive are lacking, an archive is not the official one,
            a class does not fit, the hold-out is not there or does not fit, or there is no room.
    """
    folder = _folder(given, Path(settings["cache"]).expanduser())
    classes = _classes(folder)
    train, held = list(names(folder / "train", classes)), None
    found: dict[str, Any] = {"folder": str(folder), "classes": classes, "holdout": None}
    if settings.get("holdout"):
        index = Path(settings["holdout"]).expanduser()
        held = held_out(index, len(train))
        found["holdout"] = {"path": str(index), "sha256": sha256(index)}
    if name == "imagenet":
        parts = {"train": summary(folder / "train", train)}
        if (folder / "val").is_dir():
            test = names(folder / "val", subfolders(folder / "val"))
            parts["test"] = summary(folder / "val", test)
        return {**found, "files": [], "splits": parts}
    if held is None:
        raise Absent(
            "data.imagenet.holdout: is not set; name imagenet_98_idxs.npy of "
            "https://github.com/mlfoundations/model-soups there"
        )
    part = summary(folder / "train", chosen(train, held))
    return {**found, "files": [], "splits": {"test": part}}


def _folder(given: Path, cache: Path) -> Path:
    """The folder that holds ``train``: the given one, or its archives unpacked, now or before."""
    place = cache / "unpacked" / "imagenet"
    if (given / "train").is_dir():
        return given
    if (given / "val").is_dir():
        raise Problem(f"{given}: has val/, but lacks train/; add it")
    if place.is_dir():
        return place
    missing = [name for name in ARCHIVES if not (given / name).is_file()]
    if len(missing) == len(ARCHIVES):
        advice = SOURCES["imagenet"].advice
        raise Absent(f"data.imagenet.folder: {given} has neither train/ nor archives; {advice}")
    if missing:
        raise Problem(f"{given}: lacks {', '.join(missing)}; all three archives are needed")
    size = sum((given / name).stat().st_size for name in ARCHIVES)
    room = size + size // 20  # a million files take whole blocks of the disk
    return made_once(place, room, lambda part: _unpack(given, part))


def _classes(folder: Path) -> list[str]:
    """The classes of the training images, in the order of the logits."""
    parts = [part for part in SPLITS.values() if (folder / part).is_dir()]
    found = {part: subfolders(folder / part) for part in parts}
    for part in parts:
        if not found[part]:
            raise Problem(f"{folder / part}: has no class folders, such as n01440764; add them")
        for name in found[part]:
            if not belongs(name, "wnid"):
                raise Problem(f"{folder / part / name}: is no class of ImageNet-1k; move it away")
    for name in found.get("val", ()):
        if name not in found["train"]:
            raise Problem(f"{folder / 'val' / name}: there is no such class in train")
    return found["train"]


def held_out(path: Path, images: int) -> NDArray[np.bool_]:
    """Which training images the soups' publishers held out, (images,), in ImageFolder order.

    Args:
        path: their ``imagenet_98_idxs.npy``, in which 1 means held out.
        images: the number of training images.

    Raises:
        Problem: if there is no such file, it holds anything else, or it belongs to another number
            of images.
    """
    if not path.is_file():
        raise Problem(f"data.imagenet.holdout: {path} is no file; correct it or remove the key")
    try:
        index = read_npy(path)
    except OSError as error:
        raise Problem(f"{path}: cannot be read ({error.strerror or error}); mend it") from error
    fits = index.dtype.kind in "biuf" and bool(np.isin(index, (0, 1)).all())
    if index.shape != (images,) or not fits:
        raise Problem(
            f"{path}: is {index.dtype} of shape {index.shape}, not a 0 or 1 for each of the "
            f"{images} training images"
        )
    return index.astype(bool)


def chosen(images: list[str], mask: NDArray[np.bool_]) -> list[str]:
    """The images at which the mask is true."""
    return [image for image, wanted in zip(images, mask, strict=True) if wanted]


def _unpack(given: Path, part: Path) -> None:
    """All images sorted into class folders by torchvision, which knows the archives' MD5."""
    from torchvision.datasets import imagenet as official  # seconds, and only here

    for name in ARCHIVES:
        (part / name).symlink_to((given / name).resolve())
    try:
        official.parse_devkit_archive(part)
        official.parse_val_archive(part)
        official.parse_train_archive(part)
    except RuntimeError as error:  # an MD5 that differs
        reason = " ".join(str(error).replace(str(part), str(given)).split())
        raise Problem(f"data.imagenet.folder: {reason}") from error
    for name in (*ARCHIVES, official.META_FILE):
        (part / name).unlink()
