"""MNLI (Williams et al., 2018) and HANS (McCoy et al., 2019) as tokenized data sets for BERT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sharpness.data.batches import Groups
from sharpness.data.nli import HEURISTICS, LABELS, NOT_ENTAILED, Pair, hans_pairs, mnli_pairs
from sharpness.data.registry import TITLES
from sharpness.data.sample import REDRAWN, SENTENCES, read_sample
from sharpness.data.tokens import Texts, texts
from sharpness.io.errors import UserError

TWO: Groups = (
    (LABELS.index("contradiction"), LABELS.index("neutral")),
    (LABELS.index("entailment"),),
)
"""MNLI's three logits, grouped as HANS's classes: non-entailment and entailment."""


def load_mnli(split: str, record: Mapping[str, Any], inputs: Mapping[str, Any]) -> Texts:
    """Load MNLI, with labels contradiction 0, entailment 1 and neutral 2.

    Args:
        split: ``test`` is the matched development set (9,815 pairs); ``train`` is the sample of
            training pairs listed in ``record["sample"]``, in its order.
        record: from ``locate.locate``.
        inputs: ``length``, the tokens per pair; ``vocabulary``, the record of BERT's vocabulary;
            optionally ``tokens``, the models' vocabulary size, to be checked.

    Raises:
        UserError: if a file is damaged, the sample does not fit it, or the vocabulary is missing or
            larger than the models'.
    """
    pairs = _sampled(record) if split == "train" else list(mnli_pairs(record, split))
    return _texts(pairs, [LABELS.index(p.label) for p in pairs], record, inputs)


def load_hans(name: str, record: Mapping[str, Any], inputs: Mapping[str, Any]) -> Texts:
    """Load the non-entailed pairs of one HANS heuristic (5,000), which the heuristic gets wrong.

    Contradiction and neutral both count as non-entailment; the larger of their logits is its score.
    ``name`` is a key of ``HEURISTICS``; other arguments and errors are those of `load_mnli`.
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
    title = record.get("title", TITLES[record["name"]])
    if not pairs:
        raise UserError(f"data set {title}: its file holds no such pairs; fetch it again")
    vocabulary = _vocabulary(inputs)
    sentences = [(pair.first, pair.second) for pair in pairs]
    found = texts(sentences, labels, vocabulary, inputs["length"], title, groups)
    known, most = inputs.get("tokens"), int(found.ids.max())
    if known is not None and most >= known:
        raise UserError(
            f"{vocabulary}: has a token of number {most}, the models know {known} (network."
            "vocabulary); name the vocabulary that they were trained with"
        )
    return found


def _vocabulary(inputs: Mapping[str, Any]) -> str:
    """Return the path of BERT's vocabulary."""
    record = inputs.get("vocabulary")
    if record is None:
        raise UserError("inputs: no vocabulary; give the record of the data set bert-vocabulary")
    if record["status"] != "present":
        raise UserError(f"data set bert-vocabulary is missing: {record['reason']}")
    return str(record["files"][0]["path"])


def _sampled(record: Mapping[str, Any]) -> list[Pair]:
    """Return the training pairs of the sample, in its order."""
    path = record.get("sample")
    if not path:
        raise UserError("data set mnli: the record names no sample of training pairs; write one")
    wanted = [(_line(row["line"], path), row["label"]) for row in read_sample(path, SENTENCES)]
    found = {pair.line: pair for pair in mnli_pairs(record, "train", {line for line, _ in wanted})}
    for line, label in wanted:
        if line not in found or found[line].label != label:
            raise UserError(f"{path}: line {line} of the training file is no {label}; {REDRAWN}")
    return [found[line] for line, _ in wanted]


def _line(text: str, path: object) -> int:
    if not text.isdecimal():
        raise UserError(f"{path}: line {text!r} is no line number; {REDRAWN}")
    return int(text)
