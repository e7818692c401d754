"""Sentence pairs of MNLI (Williams et al., 2018) and HANS (McCoy et al., 2019). Needs no torch."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from sharpness.data.unpack import read_small_file
from sharpness.io.archive import archive_errors
from sharpness.io.errors import UserError

LABELS = ("contradiction", "entailment", "neutral")
"""MNLI's classes, in the order of Google's code and of the published models' logits."""
MEMBERS = {"train": "multinli_1.0_train.jsonl", "test": "multinli_1.0_dev_matched.jsonl"}
"""MNLI's files. Its test labels are unpublished: ``test`` is the matched development set."""
FOLDER = "multinli_1.0"
"""Folder in MNLI's archive."""
UNDECIDED = "-"
"""Gold label of pairs on which no three annotators agreed; such pairs are not used."""

HEURISTICS = {
    "hans-lexical": "lexical_overlap",
    "hans-subsequence": "subsequence",
    "hans-constituent": "constituent",
}
"""HANS's names of the heuristics that its pairs are made against (McCoy et al., 2019)."""
ENTAILED, NOT_ENTAILED = "entailment", "non-entailment"
COLUMNS = ("gold_label", "sentence1", "sentence2", "heuristic")

_LARGEST = 1 << 30  # limit on the bytes of an MNLI file; the training pairs have 450 million
_LONGEST = 1 << 20  # limit on the bytes of a line
_HALF = re.compile("[\ud800-\udfff]")


class Pair(NamedTuple):
    """A premise (``first``), a hypothesis (``second``), their gold label and line (from 1)."""

    line: int
    label: str
    first: str
    second: str


def mnli_pairs(
    record: Mapping[str, Any], split: str, lines: Container[int] | None = None
) -> Iterator[Pair]:
    """Yield the pairs of MNLI that have a gold label, in file order.

    Args:
        record: from ``locate.locate``, with the archive in ``files``, or the unpacked ``folder``.
        split: ``train``, or ``test`` for the matched development set.
        lines: only these lines; None means all.

    Raises:
        UserError: if a line is not a pair.
    """
    with _mnli(record, split) as (stream, source):
        for number, line in enumerate(iter(lambda: stream.readline(_LONGEST + 1), b""), start=1):
            if len(line) > _LONGEST:
                raise UserError(f"{source}: line {number}: has no end; fetch it again")
            if lines is None or number in lines:
                pair = _parsed(line, number, f"{source}: line {number}")
                if pair.label != UNDECIDED:
                    yield pair


def hans_pairs(record: Mapping[str, Any], heuristic: str) -> Iterator[Pair]:
    """Yield the pairs of HANS for one heuristic, in file order.

    ``heuristic`` is a value of ``HEURISTICS``; UserError is raised if the file is damaged.
    """
    source = record["files"][0]["path"]
    try:
        text = read_small_file(Path(source)).decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: is no UTF-8 text ({error}); fetch it again") from error
    first, *lines = text.removesuffix("\n").split("\n")
    header = first.rstrip("\r").split("\t")
    for column in COLUMNS:
        if column not in header:
            raise UserError(f"{source}: line 1: has no column {column}; fetch it again")
    for number, line in enumerate(lines, start=2):
        cells = line.rstrip("\r").split("\t")
        if len(cells) != len(header):
            raise UserError(
                f"{source}: line {number}: has {len(cells)} cells, the header {len(header)}; "
                "fetch it again"
            )
        row = dict(zip(header, cells, strict=True))
        if row["gold_label"] not in (ENTAILED, NOT_ENTAILED):
            raise UserError(_unknown(f"{source}: line {number}", row["gold_label"]))
        if row["heuristic"] == heuristic:
            yield Pair(number, row["gold_label"], row["sentence1"], row["sentence2"])


@contextmanager
def _mnli(record: Mapping[str, Any], split: str) -> Iterator[tuple[IO[bytes], str]]:
    """Open a file of MNLI; yield the stream and its name in messages."""
    name = MEMBERS[split]
    if record.get("folder"):
        path = Path(record["folder"]) / name
        with open(path, "rb") as stream:
            yield stream, str(path)
        return
    path, member = Path(record["files"][0]["path"]), f"{FOLDER}/{name}"
    with archive_errors(f"{path}: is no whole zip archive"), zipfile.ZipFile(path) as archive:
        if member not in archive.namelist():
            raise UserError(f"{path}: has no member {member}; fetch it again")
        if archive.getinfo(member).file_size > _LARGEST:
            raise UserError(f"{path}: {member}: holds more than {_LARGEST} bytes; fetch it again")
        with archive.open(member) as stream:
            yield stream, f"{path}: {member}"


def _parsed(line: bytes, number: int, where: str) -> Pair:
    try:
        row = json.loads(line)
        pair = Pair(number, row["gold_label"], row["sentence1"], row["sentence2"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{where}: is no sentence pair ({error!r}); fetch it again") from error
    if pair.label not in (*LABELS, UNDECIDED):
        raise UserError(_unknown(where, pair.label))
    # JSON can contain lone surrogates.
    if not all(isinstance(text, str) and not _HALF.search(text) for text in pair[2:]):
        raise UserError(f"{where}: a sentence is no text; fetch it again")
    return pair


def _unknown(where: str, label: object) -> str:
    return f"{where}: gold label {label!r} is unknown; fetch the file again"


def mnli_lines(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield line (from 1) and gold label of every training pair that has one."""
    return ({"line": p.line, "label": p.label} for p in mnli_pairs(record, "train"))
