"""All stand-ins for data sets, in a folder of their own, and a list of what is in it."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

from sharpness.files import digest, read_json, sha256, write_json
from sharpness.standins.photos import write_photos
from sharpness.standins.sentences import write_sentences
from sharpness.standins.small_sets import write_small_sets

_LISTED = "made.json"
"""The list of what the downloads in ``cache`` were taken from."""


def write_data(own: Path) -> dict[str, str]:
    """Write every stand-in for a data set; downloads of others than these are removed.

    Args:
        own: a folder; gets ``folders``, ``mirror`` and, by those who read them, ``cache``.

    Returns:
        What `digests` says of it.
    """
    for name in ("folders", "mirror"):
        rmtree(own / name, ignore_errors=True)
    write_photos(own)
    write_sentences(own / "mirror")
    write_small_sets(own / "mirror")
    made = digests(own)
    if not (own / _LISTED).exists() or read_json(own / _LISTED) != made:
        rmtree(own / "cache", ignore_errors=True)
        write_json(own / _LISTED, made)
    return made


def digests(own: Path) -> dict[str, str]:
    """The digest of each stand-in by its path in the folder.

    That of a file is its SHA-256; a folder of photos has one of all that is in it.
    """
    files = [path for path in (own / "mirror").rglob("*") if path.is_file()]
    return {
        str(path.relative_to(own)): _digest(path)
        for path in sorted([*(own / "folders").glob("*"), *files])
    }


def _digest(path: Path) -> str:
    if path.is_file():
        return sha256(path)
    return digest({str(p.relative_to(path)): sha256(p) for p in path.rglob("*") if p.is_file()})
