"""The parts of the CIFAR archives, by name, from the archive itself or from an unpacked folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from sharpness.archives import tar_members
from sharpness.problem import Problem

BATCHES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""The parts of CIFAR-10 and their published MD5 digests."""

CORRUPTIONS = tuple(
    f"{corruption}.npy"
    for corruption in (
        "shot_noise",
        "motion_blur",
        "snow",
        "pixelate",
        "gaussian_noise",
        "defocus_blur",
        "brightness",
        "fog",
        "zoom_blur",
        "frost",
        "glass_blur",
        "impulse_noise",
        "contrast",
        "jpeg_compression",
        "elastic_transform",
    )
)
"""The 15 parts of CIFAR-10-C that the authors use, in their order."""

LABELS = "labels.npy"

_BYTES = 8 << 30  # unpacked; CIFAR-10-C has 2.9 billion
_MEMBERS = 1000


def members(files: Sequence[Path], names: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Open the wanted members one after the other, in the archive's order; nothing is unpacked.

    Args:
        files: one tar archive, or the unpacked members themselves.
        names: the wanted members, without their folders.

    Yields:
        Name and stream, open until the next is asked for.

    Raises:
        Problem: if one is there twice, or after the last, if one is not there.
    """
    missing = set(names)
    opened = _from_archive(files[0]) if len(files) == 1 else _from_folder(files)
    for name, stream in opened:
        if name in missing:
            missing.remove(name)
            yield name, stream
        elif name in names:
            raise Problem(f"{files[0]}: holds {name} twice; fetch it again")
    if missing:
        raise Problem(f"{files[0]}: lacks {', '.join(sorted(missing))}")


def _from_archive(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    for archive, member in tar_members(path, _BYTES, _MEMBERS):
        stream = archive.extractfile(member) if member.isfile() else None  # links are not followed
        if stream is not None:
            yield PurePosixPath(member.name).name, stream


def _from_folder(files: Sequence[Path]) -> Iterator[tuple[str, IO[bytes]]]:
    for path in files:
        with open(path, "rb") as stream:
            yield path.name, stream
