"""Sentence pairs as token numbers, resident in memory.

They are made as Google's code for BERT makes them (Devlin et al., 2019): lower case, accents
stripped, WordPiece of one vocabulary; ``[CLS] first [SEP] second [SEP]``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from torch import Tensor

from sharpness.data.batches import Batch, Groups
from sharpness.data.unpack import contents
from sharpness.io.errors import UserError

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
SPECIAL = 3
"""Tokens of a pair that belong to neither sentence."""
LONGEST_WORD = 200
"""Characters; a longer word is unknown."""


@dataclass(frozen=True)
class Encoded:
    """Pairs as token numbers.

    Attributes:
        ids: (n, length), int32, padded at the end.
        first: (n,), int32, how many tokens belong to the first sentence, ``[CLS] first [SEP]``.
        both: (n,), int32, how many are not padding.
    """

    ids: NDArray[np.int32]
    first: NDArray[np.int32]
    both: NDArray[np.int32]


def encode(pairs: Sequence[tuple[str, str]], vocabulary: str | Path, length: int) -> Encoded:
    """Turn pairs of sentences into token numbers.

    Args:
        pairs: (first, second).
        vocabulary: a text file with one token a line; a token's number is its line, from 0.
        length: tokens a pair; longer pairs are cut (`fit`), shorter ones padded.

    Raises:
        UserError: if ``length`` leaves no room, or the file is no vocabulary of BERT.
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
    """How many tokens of each sentence are kept.

    The longer sentence loses tokens from its end, one by one, until both fit; of two equally long
    ones the second does.

    Args:
        first: tokens of the first sentence.
        second: tokens of the second.
        room: tokens that both may have together.
    """
    kept = min(second, max(room - first, room // 2))
    return min(first, room - kept), kept


def read_vocabulary(path: str | Path) -> dict[str, int]:
    """The number of each token.

    Raises:
        UserError: if the file cannot be read, a token is there twice, or a special one is missing.
    """
    try:
        tokens = contents(Path(path)).decode().rstrip("\n").split("\n")
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
    """One that knows no special tokens: ``[SEP]`` within a sentence is text like any other."""
    tokenizer = Tokenizer(
        WordPiece(numbers, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD)
    )
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


@dataclass(frozen=True, eq=False)
class Texts:
    """Pairs of sentences with their labels.

    Attributes:
        ids: (n, length), int32: ``[CLS] first [SEP] second [SEP]`` and padding.
        first: (n,), int32, how many tokens belong to the first sentence, ``[CLS] first [SEP]``.
        both: (n,), int32, how many are not padding.
        labels: (n,), int64.
        title: what tables and figures call the set.
        groups: for each label, the logits that mean it; None where label k is logit k.
    """

    ids: Tensor
    first: Tensor
    both: Tensor
    labels: Tensor
    title: str
    groups: Groups | None = None

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.labels)

    def subset(self, index: slice) -> Texts:
        """The pairs at these positions, in this order."""
        return replace(
            self,
            ids=self.ids[index],
            first=self.first[index],
            both=self.both[index],
            labels=self.labels[index],
        )

    def batches(self, size: int) -> Iterator[Batch]:
        """BERT's three inputs (≤ size, length) and the labels; the last batch may be smaller."""
        for start in range(0, len(self), size):
            part = self.subset(slice(start, start + size))
            yield part.inputs(), part.labels

    def inputs(self) -> dict[str, Tensor]:
        """``input_ids``, ``attention_mask`` and ``token_type_ids``, each (n, length), int64."""
        position = torch.arange(self.ids.shape[1])
        inside = position < self.both[:, None]
        second = inside & (position >= self.first[:, None])
        return {
            "input_ids": self.ids.long(),
            "attention_mask": inside.long(),
            "token_type_ids": second.long(),
        }

    def digest(self) -> str:
        """A 16-digit name for tokens, labels and groups: equal data, equal names."""
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
    """Sentence pairs as a data set.

    Args:
        pairs: (first, second), premise and hypothesis.
        labels: one for each pair, from 0.
        vocabulary: path of BERT's ``vocab.txt``.
        length: tokens a pair; longer pairs are cut, shorter ones padded.
        title: what tables and figures call the set.
        groups: for each label, the logits that mean it; None where label k is logit k.

    Raises:
        UserError: if labels and pairs do not fit together, or tokens cannot be made.
    """
    if len(labels) != len(pairs):
        raise UserError(f"{title}: {len(pairs)} pairs have {len(labels)} labels; give one for each")
    encoded = encode(pairs, vocabulary, length)
    ids, first, both = map(torch.from_numpy, (encoded.ids, encoded.first, encoded.both))
    return Texts(ids, first, both, torch.tensor(labels, dtype=torch.int64), title, groups)
