"""Table of a pool's published models and where their files are found. Needs no torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from os.path import normpath
from pathlib import Path
from urllib.parse import quote

from sharpness.io.errors import UserError
from sharpness.io.files import expanded, read_rows, write_csv
from sharpness.io.transfer import PublishedFile

LONGEST = 150
"""Bytes of a stem; file systems end names at 255, and ours add prefixes and suffixes."""


def stem(name: str) -> str:
    """Return the stem of a model's file names, in which special characters become ``~XX``.

    Special are all but ASCII letters, digits and ``._-``, and a leading ``._-``, which could be
    taken for an option or a hidden file. ``XX`` is a byte of the UTF-8 form, in hexadecimal. Raises
    UserError if the name is empty, not printable or too long.
    """
    if not name or not name.isprintable():
        raise UserError(f"{name!r} is no name of a model; use characters that can be seen")
    written = quote(name, safe="").replace("~", "~7E").replace("%", "~")  # quote leaves ~
    if written[0] in "._-":
        written = f"~{ord(written[0]):02X}{written[1:]}"
    if len(written) > LONGEST:
        raise UserError(f"{name!r} is too long for a file's name; {LONGEST} letters are allowed")
    return written


_WHOLE = re.compile(r"-?\d{1,18}")
_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)
_DIGEST = r"(sha256 [0-9a-f]{64}|md5 [0-9a-f]{32})"
CHECKSUM = re.compile(rf"{_DIGEST}(; *{_DIGEST})*")
_FILE_COLUMNS = ("url", "file", "bytes", "checksum")


@dataclass(frozen=True)
class PublishedModel(PublishedFile):
    """One published model.

    Attributes:
        model: its name; ``stem`` turns it into the name of its files.
        parameters: its hyper-parameters; what the table leaves empty is an empty string.
        url: the publisher's address; may be empty if ``file`` is given.
        bytes: the published size.
        checksum: published digests, such as ``sha256 9f18...; md5 c58f...``.
        file: a local file, relative to the workflow's working directory; preferred to ``url``.
    """

    model: str
    parameters: Mapping[str, str | float | int]
    url: str = ""
    bytes: int | None = None
    checksum: str = ""
    file: str = ""


def read_table(path: str | Path) -> list[PublishedModel]:
    """Read the models of a table, one per row.

    The columns are ``model``, at least one of ``url`` and ``file``, and optionally ``bytes`` and
    ``checksum``; every other column is a hyper-parameter.

    Raises:
        UserError: naming the table, and the row or column that is wrong.
    """
    header, rows = read_rows(path)
    check_header(header, path)
    if "model" not in header or not {"url", "file"} & set(header):
        raise UserError(f"{path}: needs a column `model`, and `url` or `file`; add what is missing")
    members: dict[str, PublishedModel] = {}
    places: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path}: row {number}"
        member = _member(dict(zip(header, (cell.strip() for cell in row), strict=True)), where)
        if member.model in members:
            raise UserError(f"{where}: model {member.model} is there twice; names are unique")
        place = normpath(member.file) if member.file else member.url
        if (other := places.setdefault(place, member.model)) != member.model:
            raise UserError(f"{where}: {member.model} has the file of {other}; name a model once")
        members[member.model] = member
    if not members:
        raise UserError(f"{path}: has no rows; give it one for each model")
    return list(members.values())


def choose(members: Sequence[PublishedModel], take: int | None, seed: int) -> list[PublishedModel]:
    """Draw ``take`` of the models, in the table's order; None takes all.

    Each model's place in the draw depends on the seed and its name alone: a larger ``take`` only
    adds models, and so does a longer table. Raises UserError if there are not so many.
    """
    if take is None:
        return list(members)
    if take > len(members):
        raise UserError(f"take is {take}, but the table has {len(members)} models; take fewer")

    def lot(member: PublishedModel) -> str:
        return hashlib.sha256(f"{seed} {member.model}".encode()).hexdigest()

    drawn = sorted(members, key=lot)[:take]
    names = {member.model for member in drawn}
    return [member for member in members if member.model in names]


def write_models(members: Sequence[PublishedModel], path: str | Path) -> None:
    """Write names and hyper-parameters as CSV; numbers are exact."""
    rows = [{"model": member.model, **member.parameters} for member in members]
    write_csv(path, rows, list(dict.fromkeys(name for row in rows for name in row)) or ["model"])


def check_header(header: Sequence[str], path: str | Path) -> None:
    """Raise UserError if the name of a column is empty, padded or there twice."""
    for name in header:
        if not name or name != name.strip() or header.count(name) > 1:
            raise UserError(f"{path}: column {name!r} is empty, padded or there twice; rename it")


def check_name(name: str, where: str) -> None:
    """Raise UserError, which begins with ``where``, if a model cannot have this name."""
    try:
        stem(name)
    except UserError as problem:
        raise UserError(f"{where}: model {problem}") from None


def _member(row: dict[str, str], where: str) -> PublishedModel:
    name = row.pop("model")
    url, file, size, checksum = (row.pop(key, "") for key in _FILE_COLUMNS)
    check_name(name, where)
    if url and not url.startswith("https://"):
        raise UserError(f"{where}: url {url!r} is not an https address")
    if not url and not file:
        raise UserError(f"{where}: has neither url nor file; say where {name} is found")
    if size and not (_WHOLE.fullmatch(size) and int(size) > 0):
        raise UserError(f"{where}: bytes is {size!r}; it is a positive whole number or empty")
    if checksum and not CHECKSUM.fullmatch(checksum):
        raise UserError(f"{where}: checksum {checksum!r} is not `sha256 ...` or `md5 ...`")
    parameters = {key: value(text, f"{where}: {key}") for key, text in row.items()}
    try:
        file = expanded(file)
    except UserError as problem:
        raise UserError(f"{where}: file {problem}") from None
    return PublishedModel(name, parameters, url, int(size) if size else None, checksum, file)


def value(text: str, what: str) -> str | float | int:
    """Return the number or the word that a cell holds.

    Raises UserError, which begins with ``what``, for a decimal comma.
    """
    if _COMMA.fullmatch(text):
        raise UserError(f"{what} is {text!r}; write numbers with a decimal point")
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) and isfinite(float(text)) else text


def fraction(text: str | None, what: str) -> float:
    """Return a number from 0 to 1; raise UserError, which begins with ``what``, for another."""
    try:
        value = float(text or "")
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f"{what} is {text!r}; it must be a fraction from 0 to 1")
    return value
