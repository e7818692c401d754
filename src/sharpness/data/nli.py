"""MNLI (Williams et al., 2018) and HANS (McCoy et al., 2019) as data sets for a BERT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sharpness.data.pairs import (
    HEURISTICS,
    LABELS,
    NOT_ENTAILED,
    Pair,
    hans_pairs,
    mnli_pairs,
)
from sharpness.data.registry import TITLES
from sharpness.data.sample import REDRAWN, SENTENCES, read_sample
from sharpness.problem import Problem

if TYPE_CHECKING:
    from sharpness.data.examples import Groups
    from sharpness.data.texts import Texts

TWO: Groups = (
    (LABELS.index("contradiction"), LABELS.index("neutral")),
    (LABELS.index("entailment"),),
)
"""HANS's classes, non-entailment and entailment, among MNLI's three logits."""


def mnli_lines(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Line (from 1) and gold label of every training pair that has one."""
    return ({"line": p.line, "label": p.label} for p in mnli_pairs(record, "train"))


def load_mnli(split: str, record: Mapping[str, Any], inputs: Mapping[str, Any]) -> Texts:
    """MNLI: contradiction 0, entailment 1, neutral 2.

    Args:
        split: ``test`` is the matched development set (9,815 pairs), ``train`` the training pairs
            of the list in ``record["sample"]``, in its order.
        record: of ``places.locate``.
        inputs: ``length``, tokens a pair, and ``vocabulary``, the record of BERT's vocabulary;
            ``tokens``, how many of it the models know, where that is to be checked.

    Raises:
        Problem: if a file is damaged, the list is another file's, or there is no vocabulary, or
            another one than that of the models.
    """
    pairs = _sampled(record) if split == "train" else list(mnli_pairs(record, split))
    return _texts(pairs, [LABELS.index(p.label) for p in pairs], record, inputs)


def load_hans(name: str, record: Mapping[str, Any], inputs: Mapping[str, Any]) -> Texts:
    """The pairs of HANS that a heuristic gets wrong: those not entailed, 5,000 for each.

    Contradiction and neutral both mean non-entailment: the larger of their logits counts.

    Args:
        name: a key of ``HEURISTICS``.
        record: of ``places.locate``.
        inputs: as for `load_mnli`.

    Raises:
        Problem: if the file is damaged or has no such pairs, or there is no vocabulary, or another
            one than that of the models.
    """
    pairs = [p for p in hans_pairs(record, HEURISTICS[name]) if p.label == NOT_ENTAILED]
    return _texts(pairs, [0] * len(pairs), record, inputs, TWO)


def _texts(
    pairs: Sequence[Pair],
    labels: Sequence[int],
    record: Mapping[str, Any],
    inputs: Mapping[str, Any],
    groups: Groups | None = None,
) -> Texts:
    from sharpness.data.texts import texts  # torch, which those who draw a sample do without

    title = record.get("title", TITLES[record["name"]])
    if not pairs:
        raise Problem(f"data set {title}: its file holds no such pairs; fetch it again")
    vocabulary = _vocabulary(inputs)
    sentences = [(pair.first, pair.second) for pair in pairs]
    found = texts(sentences, labels, vocabulary, inputs["length"], title, groups)
    known, most = inputs.get("tokens"), int(found.ids.max())
    if known is not None and most >= known:
        raise Problem(
            f"{vocabulary}: has a token of number {most}, the models know {known} (network."
            "vocabulary); name the vocabulary that they were trained with"
        )
    return found


def _vocabulary(inputs: Mapping[str, Any]) -> str:
    """The path of BERT's vocabulary."""
    record = inputs.get("vocabulary")
    if record is None:
        raise Problem("inputs: no vocabulary; give the record of the data set bert-vocabulary")
    if record["status"] != "present":
        raise Problem(f"data set bert-vocabulary is missing: {record['reason']}")
    return str(record["files"][0]["path"])


def _sampled(record: Mapping[str, Any]) -> list[Pair]:
    """The training pairs of the sample list, in its order."""
    path = record.get("sample")
    if not path:
        raise Problem("data set mnli: the record names no sample of training pairs; write one")
    wanted = [(_line(row["line"], path), row["label"]) for row in read_sample(path, SENTENCES)]
    found = {pair.line: pair for pair in mnli_pairs(record, "train", {line for line, _ in wanted})}
    for line, label in wanted:
        if line not in found or found[line].label != label:
            raise Problem(f"{path}: line {line} of the training file is no {label}; {REDRAWN}")
    return [found[line] for line, _ in wanted]


def _line(text: str, path: object) -> int:
    if not text.isdecimal():
        raise Problem(f"{path}: line {text!r} is no line number; {REDRAWN}")
    return int(text)
