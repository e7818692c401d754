"""A TensorFlow checkpoint in a zip archive, read in place: nothing is unpacked to disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sharpness.archives import BROKEN
from sharpness.pools.bundles.wire import Damaged
from sharpness.problem import Problem

_INDEX = ".index"


@contextmanager
def opened(path: str | Path) -> Iterator[ZipFile]:
    """An archive, open for the block.

    Raises:
        Problem: also from within the block, if the file is absent or broken.
    """
    if not Path(path).is_file():
        raise Problem(f"{path}: no such file")
    with _problems(str(path)), ZipFile(path) as archive:
        yield archive


@contextmanager
def member(archive: ZipFile, name: str) -> Iterator[tuple[IO[bytes], int]]:
    """A file in an archive, open for the block, and its length in bytes.

    Raises:
        Problem: also from within the block, naming both, if it is absent, broken or packed in an
            unusual way.
    """
    with _problems(f"{archive.filename}: {name}"):
        found = [info for info in archive.infolist() if info.filename == name]
        if len(found) != 1:
            raise Damaged("is there twice" if found else "is missing")
        if found[0].compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise Damaged("is compressed by an unusual method")
        with archive.open(found[0]) as stream:
            yield stream, found[0].file_size


def content(archive: ZipFile, name: str, most: int) -> bytes:
    """All bytes of a small file in an archive.

    Raises:
        Problem: as ``member`` does, and if it has more than ``most`` bytes.
    """
    with member(archive, name) as (stream, length):
        if length > most:
            raise Damaged(f"has {length} bytes; {most} are the most that can be")
        return stream.read(most + 1)


def checkpoint(archive: ZipFile) -> str:
    """The path of the checkpoint in an archive, such as ``bert_00/model.ckpt-36815``.

    Of several it is the one that the file ``checkpoint`` beside them names.

    Raises:
        Problem: if there is none, or no way to choose.
    """
    files = [PurePosixPath(info.filename) for info in archive.infolist() if _visible(info)]
    found = {str(file)[: -len(_INDEX)] for file in files if file.name.endswith(_INDEX)}
    if not found:
        raise Problem(f"{archive.filename}: holds no checkpoint (….index) of TensorFlow")
    if len(found) > 1:
        named = {
            name for file in files if file.name == "checkpoint" for name in _newest(archive, file)
        }
        found &= named
    if len(found) != 1:
        raise Problem(
            f"{archive.filename}: holds several checkpoints and names none of them newest"
        )
    return found.pop()


def _newest(archive: ZipFile, file: PurePosixPath) -> list[str]:
    """What a file ``checkpoint`` names, whatever folder it lay in when it was written."""
    text = content(archive, str(file), most=1 << 20).decode("utf-8", errors="replace")
    stated = re.findall(r'^model_checkpoint_path: "([^"\n]+)"', text, re.MULTILINE)
    return [str(file.with_name(PurePosixPath(name).name)) for name in stated]


def _visible(info: ZipInfo) -> bool:
    """Whether a member is a file, and none that an operating system hid beside one."""
    path = PurePosixPath(info.filename)
    return bool(info.filename) and not (
        info.is_dir() or path.name.startswith("._") or "__MACOSX" in path.parts
    )


@contextmanager
def _problems(where: str) -> Iterator[None]:
    """Make one line of whatever a damaged archive raises."""
    try:
        yield
    except Problem:
        raise
    except (Damaged, OSError, *BROKEN) as error:
        reason = str(error).partition("\n")[0]
        raise Problem(f"{where}: {reason}; fetch it again, if it is of this format") from error
