"""Where ImageNet-1k and its shifts lie, what is in them, and how they differ from the published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharpness.data.class_folders import Naming, belongs, names, subfolders, summary
from sharpness.data.registry import REGISTRY, SOURCES
from sharpness.data.unpack import made_once, unpacked
from sharpness.io.download import Absent, known
from sharpness.io.errors import UserError
from sharpness.io.files import sha256
from sharpness.io.numpy_file import read_npy

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
        UserError: if training images or an archive are lacking, an archive is not the official one,
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
        raise UserError(f"{given}: has val/, but lacks train/; add it")
    if place.is_dir():
        return place
    missing = [name for name in ARCHIVES if not (given / name).is_file()]
    if len(missing) == len(ARCHIVES):
        advice = SOURCES["imagenet"].advice
        raise Absent(f"data.imagenet.folder: {given} has neither train/ nor archives; {advice}")
    if missing:
        raise UserError(f"{given}: lacks {', '.join(missing)}; all three archives are needed")
    size = sum((given / name).stat().st_size for name in ARCHIVES)
    room = size + size // 20  # a million files take whole blocks of the disk
    return made_once(place, room, lambda part: _unpack(given, part))


def _classes(folder: Path) -> list[str]:
    """The classes of the training images, in the order of the logits."""
    parts = [part for part in SPLITS.values() if (folder / part).is_dir()]
    found = {part: subfolders(folder / part) for part in parts}
    for part in parts:
        if not found[part]:
            raise UserError(f"{folder / part}: has no class folders, such as n01440764; add them")
        for name in found[part]:
            if not belongs(name, "wnid"):
                raise UserError(f"{folder / part / name}: is no class of ImageNet-1k; move it away")
    for name in found.get("val", ()):
        if name not in found["train"]:
            raise UserError(f"{folder / 'val' / name}: there is no such class in train")
    return found["train"]


def held_out(path: Path, images: int) -> NDArray[np.bool_]:
    """Which training images the soups' publishers held out, (images,), in ImageFolder order.

    Args:
        path: their ``imagenet_98_idxs.npy``, in which 1 means held out.
        images: the number of training images.

    Raises:
        UserError: if there is no such file, it holds anything else, or it belongs to another number
            of images.
    """
    if not path.is_file():
        raise UserError(f"data.imagenet.holdout: {path} is no file; correct it or remove the key")
    try:
        index = read_npy(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); mend it") from error
    fits = index.dtype.kind in "biuf" and bool(np.isin(index, (0, 1)).all())
    if index.shape != (images,) or not fits:
        raise UserError(
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
        raise UserError(f"data.imagenet.folder: {reason}") from error
    for name in (*ARCHIVES, official.META_FILE):
        (part / name).unlink()


@dataclass(frozen=True)
class FolderLayout:
    """How a shift of ImageNet is laid out.

    Attributes:
        naming: of the class folders.
        inside: where these lie in the unpacked archive.
    """

    naming: Naming
    inside: tuple[str, ...]


LAYOUTS = {
    "imagenet-v2": FolderLayout("number", ("imagenetv2-matched-frequency-format-val",)),
    "imagenet-r": FolderLayout("wnid", ("imagenet-r",)),
    "imagenet-a": FolderLayout("wnid", ("imagenet-a",)),
    "imagenet-sketch": FolderLayout("wnid", ("sketch",)),
    "objectnet": FolderLayout("objectnet", ("images", "objectnet-1.0/images")),
}

PUBLISHED = {
    "imagenet": {"classes": 1000, "train": 1_281_167, "test": 50_000},
    "imagenet-2p": {"classes": 1000, "test": 26_000},
    "imagenet-v2": {"classes": 1000, "test": 10_000},
    "imagenet-r": {"classes": 200, "test": 30_000},
    "imagenet-a": {"classes": 200, "test": 7_500},
    "imagenet-sketch": {"classes": 1000, "test": 50_889},
    "objectnet": {"classes": 113, "test": 18_574},
}
"""How many classes, and images in each split, the published sets have."""


def find(name: str, key: str, path: Path | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of a set of photos.

    Args:
        name: of the data set.
        key: ``file`` or ``folder``.
        path: the archive or folder of the photos; None if there is none.
        settings: as for `locate.locate`.

    Returns:
        ``folder`` of the class folders (for ImageNet, of its splits); ``classes``, the names of
        the class folders (for ImageNet in the order of the logits); ``splits``, for each that is
        there ``folder``, ``images`` and ``digest`` of all names and sizes; ``holdout``, ``path``
        and ``sha256`` of the index or None; ``files``, the archive; ``remark``, how the set
        differs from the published one.

    Raises:
        Absent: if the photos are not there.
        UserError: if they are not what they should be.
    """
    if path is None or not (path.is_file() if key == "file" else path.exists()):
        raise Absent(_advice(name, key, path))
    if name in LAYOUTS:
        found = _find_shift(name, key, path, Path(settings["cache"]).expanduser())
    else:
        found = find_imagenet(name, path, settings)
    found["remark"] = "" if settings.get("standin") else _remark(name, found)
    return found


def _find_shift(name: str, key: str, path: Path, cache: Path) -> dict[str, Any]:
    files = []
    if key == "file":
        digest = sha256(path)
        files = [{"path": str(path), "sha256": digest}]
        path = unpacked(path, cache / "unpacked" / f"{name}-{digest[:16]}")
    folder, classes = _class_folders(path, LAYOUTS[name])
    if not classes:
        reason = f"{path}: has no class folders of {name}; {_advice(name, key)}"
        raise Absent(reason) if key == "folder" else UserError(reason)
    part = summary(folder, names(folder, classes))
    found = {"folder": str(folder), "classes": classes, "splits": {"test": part}}
    return {**found, "holdout": None, "files": files}


def _class_folders(given: Path, layout: FolderLayout) -> tuple[Path, list[str]]:
    """The folder in which the class folders lie, and their names; none if it cannot be told."""
    for folder in (given, *(given / step for step in layout.inside)):
        found = subfolders(folder) if folder.is_dir() else []
        classes = [name for name in found if belongs(name, layout.naming)]
        # Two thirds of ObjectNet's folders are of classes that ImageNet does not have.
        if classes and layout.naming != "objectnet" and classes != found:
            odd = next(name for name in found if name not in classes)
            raise UserError(f"{folder / odd}: is no class of ImageNet-1k; move it away")
        if classes:
            return folder, classes
    return given, []


def _remark(name: str, found: Mapping[str, Any]) -> str:
    """How a set differs from the published one in size; empty if it does not."""
    counts = {split: part["images"] for split, part in found["splits"].items()}
    counts["classes"] = len(found["classes"])
    words = {"classes": "classes", "train": "training images", "test": "test images"}
    odd = [
        f"{counts[key]} {words[key]} where {number} are published"
        for key, number in PUBLISHED[name].items()
        if counts.get(key, number) != number
    ]
    if "test" not in counts:
        odd.append("no test images, for val/ is absent")
    return f"has {' and '.join(odd)}" if odd else ""


def _advice(name: str, key: str, path: Path | None = None) -> str:
    """Where to get a set, and which setting names it."""
    source = REGISTRY[name].source or name
    keys = " or ".join(f"data.{source}.{word}" for word in SOURCES[source].takes)
    lacking = f"data.{source}.{key}: {path} is not there; " if path else ""
    advice = SOURCES[source].advice or f"get {known(source).url}"
    return f"{lacking}{advice}; name it in {keys}"
