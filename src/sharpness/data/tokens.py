"""MNLI (Williams et al., 2018) and HANS (McCoy et al., 2019) as token ids of BERT."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from torch import Tensor

from sharpness.data.batches import Batch, Groups
from sharpness.data.listing import SENTENCES, read_sample
from sharpness.data.nli import HEURISTICS, LABELS, NOT_ENTAILED, Pair, hans_pairs, mnli_pairs
from sharpness.data.registry import TITLES
from sharpness.data.unpack import read_small_file
from sharpness.io.errors import REMAKE, UserError

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
SPECIAL = 3
"""Special tokens of a pair."""
LONGEST_WORD = 200
"""Longest word in characters; a longer one becomes ``[UNK]``."""


@dataclass(frozen=True)
class Encoded:
    """Token ids of sentence pairs.

    Attributes:
        ids: (n, length), int32, padded at the end.
        first: (n,), int32, tokens of the first sentence, ``[CLS] first [SEP]``.
        both: (n,), int32, tokens without padding.
    """

    ids: NDArray[np.int32]
    first: NDArray[np.int32]
    both: NDArray[np.int32]


def encode(pairs: Sequence[tuple[str, str]], vocabulary: str | Path, length: int) -> Encoded:
    """Convert pairs of sentences (first, second) to token ids.

    ``vocabulary`` is a text file with one token per line; a token's id is its line, from 0. Pairs
    of more than ``length`` tokens are cut (`fit`), shorter ones padded.

    Raises:
        UserError: if ``length`` is too small, or the file is not a BERT vocabulary.
    """
    if length <= SPECIAL + 1:
        raise UserError(f"inputs: length is {length}; a pair needs at least {SPECIAL + 2} tokens")
    numbers = read_vocabulary(vocabulary)
    tokenizer = _tokenizer(numbers)
    firsts, seconds = (
        [sentence.ids for sentence in tokenizer.encode_batch(list(side), add_special_tokens=False)]
        for side in (zip(*pairs, strict=True) if pairs else ((), ()))
    )
    ids = np.full((len(pairs), length), numbers[PAD], np.int32)
    counts = np.zeros((2, len(pairs)), np.int32)
    for row, (a, b) in enumerate(zip(firsts, seconds, strict=True)):
        kept_a, kept_b = fit(len(a), len(b), length - SPECIAL)
        start = [numbers[START], *a[:kept_a], numbers[END]]
        whole = [*start, *b[:kept_b], numbers[END]]
        ids[row, : len(whole)] = whole
        counts[:, row] = len(start), len(whole)
    return Encoded(ids, *counts)


def fit(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens of each sentence to keep, so that ``room`` tokens suffice for both.

    The longer sentence loses tokens from its end, one by one, until both fit; of two equally long
    ones the second does.
    """
    kept = min(second, max(room - first, room // 2))
    return min(first, room - kept), kept


def read_vocabulary(path: str | Path) -> dict[str, int]:
    """Read token ids; raise UserError if a token occurs twice or a special one is missing."""
    try:
        tokens = read_small_file(Path(path)).decode().rstrip("\n").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no readable vocabulary ({error}); fetch it again") from error
    numbers: dict[str, int] = {}
    for number, token in enumerate(token.rstrip("\r") for token in tokens):
        if token in numbers:
            raise UserError(
                f"{path}: line {number + 1}: token {token!r} is there twice; replace it"
            )
        numbers[token] = number
    for token in (PAD, UNKNOWN, START, END):
        if token not in numbers:
            raise UserError(f"{path}: has no token {token}; give the vocab.txt of an uncased BERT")
    return numbers


def _tokenizer(numbers: dict[str, int]) -> Tokenizer:
    """Build a tokenizer without special tokens: ``[SEP]`` in a sentence is ordinary text."""
    tokenizer = Tokenizer(
        WordPiece(numbers, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD)
    )
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


@dataclass(frozen=True, eq=False)
class Texts:
    """Tokenized sentence pairs with labels; ``ids``, ``first`` and ``both`` as in `Encoded`.

    Attributes:
        labels: (n,), int64.
        groups: the logits of each label; None where label k is logit k.
    """

    ids: Tensor
    first: Tensor
    both: Tensor
    labels: Tensor
    title: str
    groups: Groups | None = None

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.labels)

    def subset(self, index: slice) -> Texts:
        """Return the pairs at these positions, in this order."""
        rows = {name: getattr(self, name)[index] for name in ("ids", "first", "both", "labels")}
        return replace(self, **rows)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield BERT's inputs (≤ size, length) and the labels; the last batch may be smaller."""
        for start in range(0, len(self), size):
            part = self.subset(slice(start, start + size))
            yield part.inputs(), part.labels

    def inputs(self) -> dict[str, Tensor]:
        """Return ``input_ids``, ``attention_mask``, ``token_type_ids``, each (n, length) int64."""
        position = torch.arange(self.ids.shape[1])
        inside = position < self.both[:, None]
        second = inside & (position >= self.first[:, None])
        return {
            "input_ids": self.ids.long(),
            "attention_mask": inside.long(),
            "token_type_ids": second.long(),
        }

    def digest(self) -> str:
        """Return a 16-digit hash of tokens, labels and groups."""
        state = hashlib.sha256(f"{tuple(self.ids.shape)} {self.groups}".encode())
        for tensor in (self.ids, self.first, self.both, self.labels):
            state.update(tensor.contiguous().numpy().data)
        return state.hexdigest()[:16]


def texts(
    pairs: Sequence[tuple[str, str]],
    labels: Sequence[int],
    vocabulary: str | Path,
    length: int,
    title: str,
    groups: Groups | None = None,
) -> Texts:
    """Tokenize sentence pairs into a data set; arguments and errors are those of `encode`.

    UserError is also raised if labels and pairs differ in number.
    """
    if len(labels) != len(pairs):
        raise UserError(f"{title}: {len(pairs)} pairs have {len(labels)} labels; give one for each")
    encoded = encode(pairs, vocabulary, length)
    ids, first, both = map(torch.from_numpy, (encoded.ids, encoded.first, encoded.both))
    return Texts(ids, first, both, torch.tensor(labels, dtype=torch.int64), title, groups)


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
    record = inputs.get("vocabulary")
    if record is None:
        raise UserError("inputs: no vocabulary; give the record of the data set bert-vocabulary")
    if record["status"] != "present":
        raise UserError(f"data set bert-vocabulary is missing: {record['reason']}")
    return str(record["files"][0]["path"])


def _sampled(record: Mapping[str, Any]) -> list[Pair]:
    path = record.get("sample")
    if not path:
        raise UserError("data set mnli: the record names no sample of training pairs; write one")
    wanted = []
    for row in read_sample(path, SENTENCES):
        if not row["line"].isdecimal():
            raise UserError(f"{path}: line {row['line']!r} is no line number; {REMAKE}")
        wanted.append((int(row["line"]), row["label"]))
    found = {pair.line: pair for pair in mnli_pairs(record, "train", {line for line, _ in wanted})}
    for line, label in wanted:
        if line not in found or found[line].label != label:
            raise UserError(f"{path}: line {line} of the training file is no {label}; {REMAKE}")
    return [found[line] for line, _ in wanted]
