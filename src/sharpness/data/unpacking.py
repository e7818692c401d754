"""Archives into folders: once, whole or not at all, and without trust in what they say."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from sharpness.archives import MEMBERS, allowance, bound, damage, tar_members
from sharpness.downloads.fetch import locked
from sharpness.problem import Problem

BYTES = 64 << 30
"""Unpacked size of one archive; the largest published one has about 9 GB."""


def made_once(place: Path, room: int, make: Callable[[Path], None]) -> Path:
    """A folder that is made once, by one run at a time, and appears only when it is whole.

    Args:
        place: the folder's final path.
        room: how many bytes it will need.
        make: fills the empty folder that it is given.

    Returns:
        ``place``.

    Raises:
        Problem: if there is no room.
    """
    if place.is_dir():
        return place
    with locked(place):
        if not place.is_dir():
            free = shutil.disk_usage(place.parent).free
            if room > free:
                raise Problem(
                    f"{place}: needs {room} bytes, but {place.parent} has {free} free; "
                    "make room, or set `cache` to another disk"
                )
            part = place.with_name(f".{place.name}.part")
            shutil.rmtree(part, ignore_errors=True)  # what a killed run left
            try:
                part.mkdir()
                make(part)
                os.rename(part, place)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
    return place


def unpacked(archive: Path, place: Path) -> Path:
    """The contents of an archive: a ``.zip``, else a tar, plain or gzipped.

    Args:
        archive: never altered.
        place: the folder of its contents, made once.

    Returns:
        ``place``.

    Raises:
        Problem: if the archive is damaged, would write outside the folder, holds links, devices or
            a file twice, is too large, or there is no room.
    """

    def make(part: Path) -> None:
        print(f"unpacking {archive} into {place}", file=sys.stderr)
        with damage(f"{archive}: cannot be unpacked"):
            try:
                (_unzip if archive.suffix == ".zip" else _untar)(archive, part)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise ValueError("a name is that of a file and of a folder") from error

    # Photos are compressed already: what comes out is as large as what goes in.
    return made_once(place, archive.stat().st_size, make)


def _untar(archive: Path, folder: Path) -> None:
    for members, member in tar_members(archive, BYTES, MEMBERS):
        if not (member.isfile() or member.isdir()):
            raise Problem(f"{archive}: refused: {member.name} is neither file nor folder")
        _check_place(archive, folder, member.name, member.isdir())
        members.extract(member, folder, filter="data")


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        found = members.infolist()
        total = sum(member.file_size for member in found)
        bound(archive, len(found), total, MEMBERS, allowance(archive, BYTES))
        for member in found:
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Problem(f"{archive}: refused: {member.filename} is neither file nor folder")
            _check_place(archive, folder, member.filename, member.is_dir())
            members.extract(member, folder)


def _check_place(archive: Path, folder: Path, name: str, is_folder: bool) -> None:
    """Refuse a name outside the folder, and a file in the place of another.

    The latter it may be because the disk takes A and a for the same.
    """
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise Problem(f"{archive}: refused: {name} is outside the folder")
    if not is_folder and os.path.lexists(folder / name):
        raise Problem(f"{archive}: refused: {name} is there twice; fetch it again")
