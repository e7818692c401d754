"""Find the photos of ImageNet-1k and its shifts, and compare them with the published sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharpness.data.listing import (
    Naming,
    held_out,
    is_imagenet_class,
    names,
    select_images,
    subfolders,
    summary,
)
from sharpness.data.registry import REGISTRY, SOURCES
from sharpness.data.unpack import made_once, unpacked
from sharpness.io.download import Absent, download_named
from sharpness.io.errors import UserError
from sharpness.io.files import sha256

ARCHIVES = (
    "ILSVRC2012_img_train.tar",
    "ILSVRC2012_img_val.tar",
    "ILSVRC2012_devkit_t12.tar.gz",
)
SPLITS = {"train": "train", "test": "val"}
"""Folder of each split. Only ``train`` is required: sharpness is measured on it."""


def find_imagenet(name: str, given: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record entries of ``imagenet``, or of its held-out part ``imagenet-2p``.

    ``settings`` has ``holdout`` and ``cache``: archives are unpacked into its
    ``unpacked/imagenet``. Nothing is written to the user's folder, ``given``.

    Raises:
        Absent: if there are neither images nor archives, or no hold-out is named.
        UserError: if training images or an archive are missing, an archive is not the official one,
            a class folder or the hold-out does not fit, or there is too little disk space.
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
    part = summary(folder / "train", select_images(train, held))
    return {**found, "files": [], "splits": {"test": part}}


def _folder(given: Path, cache: Path) -> Path:
    """Return the folder that holds ``train``: the given one, or that of the unpacked archives."""
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
    room = size + size // 20  # each of a million files occupies whole disk blocks
    return made_once(place, room, lambda part: _unpack(given, part))


def _classes(folder: Path) -> list[str]:
    """Return the classes of the training images, in the order of the logits."""
    parts = [part for part in SPLITS.values() if (folder / part).is_dir()]
    found = {part: subfolders(folder / part) for part in parts}
    for part in parts:
        if not found[part]:
            raise UserError(f"{folder / part}: has no class folders, such as n01440764; add them")
        for name in found[part]:
            if not is_imagenet_class(name, "wnid"):
                raise UserError(f"{folder / part / name}: is no class of ImageNet-1k; move it away")
    for name in found.get("val", ()):
        if name not in found["train"]:
            raise UserError(f"{folder / 'val' / name}: there is no such class in train")
    return found["train"]


def _unpack(given: Path, part: Path) -> None:
    """Sort all images into class folders with torchvision, which checks the archives' MD5."""
    from torchvision.datasets import imagenet as official  # slow to import

    for name in ARCHIVES:
        (part / name).symlink_to((given / name).resolve())
    try:
        official.parse_devkit_archive(part)
        official.parse_val_archive(part)
        official.parse_train_archive(part)
    except RuntimeError as error:  # an MD5 differs
        reason = " ".join(str(error).replace(str(part), str(given)).split())
        raise UserError(f"data.imagenet.folder: {reason}") from error
    for name in (*ARCHIVES, official.META_FILE):
        (part / name).unlink()


@dataclass(frozen=True)
class FolderLayout:
    """How a shift of ImageNet names its class folders, and where in its archive they may lie."""

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
"""Numbers of classes, and of images in each split, of the published sets."""


def find_photos(
    name: str, key: str, path: Path | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the record entries of a data set of photos.

    ``path`` is the archive or folder of the photos, according to ``key`` (``file`` or ``folder``),
    or None if there is none; ``settings`` are those of `locate.locate`.

    Returns:
        ``folder`` with the class folders (for ImageNet, with its splits); ``classes``, the names of
        the class folders (for ImageNet in logit order); ``splits``, for each one found ``folder``,
        ``images`` and ``digest`` of all names and sizes; ``holdout``, ``path`` and ``sha256`` of
        the index, or None; ``files``, the archive; ``remark``, differences from the published set.

    Raises:
        Absent: if the photos are missing.
        UserError: if the photos cannot be those of this data set.
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
    """Return the folder with the class folders, and their names; no names if none are found."""
    for folder in (given, *(given / step for step in layout.inside)):
        found = subfolders(folder) if folder.is_dir() else []
        classes = [name for name in found if is_imagenet_class(name, layout.naming)]
        # Two thirds of ObjectNet's folders are of classes that ImageNet does not have.
        if classes and layout.naming != "objectnet" and classes != found:
            odd = next(name for name in found if name not in classes)
            raise UserError(f"{folder / odd}: is no class of ImageNet-1k; move it away")
        if classes:
            return folder, classes
    return given, []


def _remark(name: str, found: Mapping[str, Any]) -> str:
    """Describe how the counts differ from the published ones; empty if they do not."""
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
    source = REGISTRY[name].source or name
    keys = " or ".join(f"data.{source}.{word}" for word in SOURCES[source].takes)
    lacking = f"data.{source}.{key}: {path} is not there; " if path else ""
    advice = SOURCES[source].advice or f"get {download_named(source).url}"
    return f"{lacking}{advice}; name it in {keys}"
