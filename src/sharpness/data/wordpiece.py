"""Sentence pairs as token numbers, the way Google's code for BERT makes them (Devlin et al., 2019).

Lower case, accents stripped, WordPiece of one vocabulary; ``[CLS] first [SEP] second [SEP]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from sharpness.data.contents import contents
from sharpness.problem import Problem

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
        Problem: if ``length`` leaves no room, or the file is no vocabulary of BERT.
    """
    if length <= SPECIAL + 1:
        raise Problem(f"inputs: length is {length}; a pair needs at least {SPECIAL + 2} tokens")
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
        Problem: if the file cannot be read, a token is there twice, or a special one is missing.
    """
    try:
        tokens = contents(Path(path)).decode().rstrip("\n").split("\n")
    except UnicodeDecodeError as error:
        raise Problem(f"{path}: is no readable vocabulary ({error}); fetch it again") from error
    numbers: dict[str, int] = {}
    for number, token in enumerate(token.rstrip("\r") for token in tokens):
        if token in numbers:
            raise Problem(f"{path}: line {number + 1}: token {token!r} is there twice; replace it")
        numbers[token] = number
    for token in (PAD, UNKNOWN, START, END):
        if token not in numbers:
            raise Problem(f"{path}: has no token {token}; give the vocab.txt of an uncased BERT")
    return numbers


def _tokenizer(numbers: dict[str, int]) -> Tokenizer:
    """One that knows no special tokens: ``[SEP]`` within a sentence is text like any other."""
    tokenizer = Tokenizer(
        WordPiece(numbers, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD)
    )
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer
