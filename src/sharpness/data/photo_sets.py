"""Where a set of photos lies, what is in it, and how that differs from what was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharpness.data.classes import Naming, belongs
from sharpness.data.imagenet import find_imagenet
from sharpness.data.listing import names, subfolders, summary
from sharpness.data.registry import REGISTRY, SOURCES
from sharpness.data.unpacking import unpacked
from sharpness.downloads.fetch import Absent, known
from sharpness.files import sha256
from sharpness.problem import Problem


@dataclass(frozen=True)
class Layout:
    """How a shift of ImageNet is laid out.

    Attributes:
        naming: of the class folders.
        inside: where these lie in the unpacked archive.
    """

    naming: Naming
    inside: tuple[str, ...]


LAYOUTS = {
    "imagenet-v2": Layout("number", ("imagenetv2-matched-frequency-format-val",)),
    "imagenet-r": Layout("wnid", ("imagenet-r",)),
    "imagenet-a": Layout("wnid", ("imagenet-a",)),
    "imagenet-sketch": Layout("wnid", ("sketch",)),
    "objectnet": Layout("objectnet", ("images", "objectnet-1.0/images")),
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
        settings: as for `places.locate`.

    Returns:
        ``folder`` of the class folders (for ImageNet, of its splits); ``classes``, the names of
        the class folders (for ImageNet in the order of the logits); ``splits``, for each that is
        there ``folder``, ``images`` and ``digest`` of all names and sizes; ``holdout``, ``path``
        and ``sha256`` of the index or None; ``files``, the archive; ``remark``, how the set
        differs from the published one.

    Raises:
        Absent: if the photos are not there.
        Problem: if they are not what they should be.
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
        raise Absent(reason) if key == "folder" else Problem(reason)
    part = summary(folder, names(folder, classes))
    found = {"folder": str(folder), "classes": classes, "splits": {"test": part}}
    return {**found, "holdout": None, "files": files}


def _class_folders(given: Path, layout: Layout) -> tuple[Path, list[str]]:
    """The folder in which the class folders lie, and their names; none if it cannot be told."""
    for folder in (given, *(given / step for step in layout.inside)):
        found = subfolders(folder) if folder.is_dir() else []
        classes = [name for name in found if belongs(name, layout.naming)]
        # Two thirds of ObjectNet's folders are of classes that ImageNet does not have.
        if classes and layout.naming != "objectnet" and classes != found:
            odd = next(name for name in found if name not in classes)
            raise Problem(f"{folder / odd}: is no class of ImageNet-1k; move it away")
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
