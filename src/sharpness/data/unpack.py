"""Published files: unpack archives or read their members in place, and load pickles.

Unpickling calls functions that the file names, so a pickle of unknown origin must not be opened:
only one with the expected digest is.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import shutil
import stat
import sys
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from sharpness.io.archive import MEMBERS, allowance, archive_errors, check_limits, tar_members
from sharpness.io.download import locked
from sharpness.io.errors import UserError

BYTES = 64 << 30
"""Limit on the unpacked size of an archive; the largest published one has about 9 GB."""


def made_once(place: Path, room: int, make: Callable[[Path], None]) -> Path:
    """Create the folder ``place`` once, by one process at a time; return it when complete.

    It appears only when ``make``, which fills the empty folder that it is given, has ended.

    Raises:
        UserError: if the disk has less than ``room`` bytes free.
    """
    if place.is_dir():
        return place
    with locked(place):
        if not place.is_dir():
            free = shutil.disk_usage(place.parent).free
            if room > free:
                raise UserError(
                    f"{place}: needs {room} bytes, but {place.parent} has {free} free; "
                    "make room, or set `cache` to another disk"
                )
            part = place.with_name(f".{place.name}.part")
            shutil.rmtree(part, ignore_errors=True)  # left by a killed run
            try:
                part.mkdir()
                make(part)
                os.rename(part, place)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
    return place


def unpacked(archive: Path, place: Path) -> Path:
    """Unpack an archive once into the folder ``place``, and return ``place``.

    The archive is a ``.zip``, else a tar, plain or gzipped; it is never altered.

    Raises:
        UserError: if the archive is damaged, would write outside the folder, holds links, devices
            or a file twice, is too large, or there is too little disk space.
    """

    def make(part: Path) -> None:
        print(f"unpacking {archive} into {place}", file=sys.stderr)
        with archive_errors(f"{archive}: cannot be unpacked"):
            try:
                (_unzip if archive.suffix == ".zip" else _untar)(archive, part)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise ValueError("a name is that of a file and of a folder") from error

    # Photos are compressed already: the contents are about as large as the archive.
    return made_once(place, archive.stat().st_size, make)


def _untar(archive: Path, folder: Path) -> None:
    for members, member in tar_members(archive, BYTES, MEMBERS):
        if not (member.isfile() or member.isdir()):
            raise UserError(f"{archive}: refused: {member.name} is neither file nor folder")
        _check_place(archive, folder, member.name, member.isdir())
        members.extract(member, folder, filter="data")


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        found = members.infolist()
        total = sum(member.file_size for member in found)
        check_limits(archive, len(found), total, MEMBERS, allowance(archive, BYTES))
        for member in found:
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UserError(f"{archive}: refused: {member.filename} is neither file nor folder")
            _check_place(archive, folder, member.filename, member.is_dir())
            members.extract(member, folder)


def _check_place(archive: Path, folder: Path, name: str, is_folder: bool) -> None:
    """Raise UserError if a member lies outside the folder, or its file exists already.

    The latter also happens where the file system ignores case.
    """
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{archive}: refused: {name} is outside the folder")
    if not is_folder and os.path.lexists(folder / name):
        raise UserError(f"{archive}: refused: {name} is there twice; fetch it again")


BATCHES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""Parts of CIFAR-10, and their published MD5."""

_KINDS = """
shot_noise motion_blur snow pixelate gaussian_noise defocus_blur brightness fog zoom_blur frost
glass_blur impulse_noise contrast jpeg_compression elastic_transform
"""
CORRUPTIONS = tuple(f"{kind}.npy" for kind in _KINDS.split())
"""The 15 parts of CIFAR-10-C that the authors use, in their order."""

LABELS = "labels.npy"

_BYTES = 8 << 30  # limit on the unpacked size; CIFAR-10-C has 2.9 billion
_MEMBERS = 1000


def members(files: Sequence[Path], names: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield name and stream of the wanted members, in the archive's order, without unpacking.

    ``files`` is one tar archive, or its unpacked members; ``names`` are without folders. A stream
    is open until the next one is asked for.

    Raises:
        UserError: if a member occurs twice or, after the last, if one is missing.
    """
    missing = set(names)
    opened = _from_archive(files[0]) if len(files) == 1 else _from_folder(files)
    for name, stream in opened:
        if name in missing:
            missing.remove(name)
            yield name, stream
        elif name in names:
            raise UserError(f"{files[0]}: holds {name} twice; fetch it again")
    if missing:
        raise UserError(f"{files[0]}: lacks {', '.join(sorted(missing))}")


def _from_archive(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    for archive, member in tar_members(path, _BYTES, _MEMBERS):
        stream = archive.extractfile(member) if member.isfile() else None  # links are not followed
        if stream is not None:
            yield PurePosixPath(member.name).name, stream


def _from_folder(files: Sequence[Path]) -> Iterator[tuple[str, IO[bytes]]]:
    for path in files:
        with open(path, "rb") as stream:
            yield path.name, stream


SMALL_FILE_LIMIT = 64 << 20
"""Limit on the unpacked bytes of a small file; the largest published one has 47 million."""


def read_small_file(path: Path) -> bytes:
    """Return a file's bytes, ``.gz`` unpacked; raise UserError if it is damaged or too large."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
            return read_bounded(cast(IO[bytes], stream), f"{path}:")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read ({reason}); fetch it again") from error


def read_bounded(stream: IO[bytes], what: str) -> bytes:
    """Read a stream; raise UserError, beginning with ``what``, above `SMALL_FILE_LIMIT` bytes."""
    content = stream.read(SMALL_FILE_LIMIT + 1)
    if len(content) > SMALL_FILE_LIMIT:
        raise UserError(f"{what} holds more than {SMALL_FILE_LIMIT} bytes; fetch it again")
    return content


_RENAMED = {
    "numpy.core.multiarray": "numpy._core.multiarray",
    "scipy.sparse.csr": "scipy.sparse._csr",
    "__builtin__": "builtins",
}
"""Current names of modules that the published pickles name."""

_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("scipy.sparse._csr", "csr_matrix"),
    ("collections", "defaultdict"),
    ("builtins", "list"),
}


class _Unpickler(pickle.Unpickler):
    """An unpickler of arrays, sparse matrices and plain containers only."""

    def find_class(self, module: str, name: str) -> Any:
        module = _RENAMED.get(module, module)
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def unpickle(content: bytes, source: str, pinned: str, instead: str) -> Any:
    """Load a pickle of plain data, NumPy arrays and sparse matrices; arguments as `check_digest`.

    Raises:
        UserError: if the digest differs, before anything is unpickled, or another class is named.
    """
    check_digest(content, source, pinned, instead)
    try:  # latin1 maps the bytes of Python 2's strings to themselves
        return _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise UserError(f"{source}: refused, {error}; {instead}") from error


def check_digest(content: bytes, source: str, pinned: str, instead: str) -> None:
    """Raise UserError if the content does not have the pinned digest.

    ``pinned`` is algorithm and hexadecimal digest, such as ``sha256 23cf…``; nobody can make
    another file with a given digest, even with MD5. ``source`` begins the message with the file's
    name, ``instead`` ends it with what the user can do.
    """
    algorithm, _, digest = pinned.partition(" ")
    found = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    if found != digest:
        raise UserError(
            f"{source}: is not the published file ({algorithm} is {found}, not {digest}), and "
            f"no other is opened; {instead}"
        )
