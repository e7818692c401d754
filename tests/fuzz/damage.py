"""Damaged forms of small valid files, and others made of nothing, as Hypothesis draws them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Operation = tuple[int, int, int, bytes]

NUMBERS = [
    *(b"\xff" * k for k in (1, 4, 8)),
    *(b"\0" * k for k in (1, 4, 8)),
    *((2**k - 1).to_bytes(8, "little") for k in (16, 31, 32, 62, 63)),
    *((2**k).to_bytes(4, "big") for k in (8, 16, 30, 31)),
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # the largest number of a protocol buffer
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"<f4",
    b"|O",
]
"""What a binary file breaks on."""

WORDS = [
    word.encode()
    for word in (
        *("nan", "inf", "-1", "0", "1e999", "-1e999", "1" + "0" * 30, "9" * 5000, "0x10", "1_0"),
        *("null", "true", "~", "''", '"', "'", ",", ";"),
        *("\t", "\n", "\r\n", "\r", " ", "\0", "\x85"),
        *("[", "]", "{", "}", "[]", "{}", ": ", "- ", "? ", "| ", "> ", "# ", "---\n", "...\n"),
        *("&a ", "*a", "<<: ", "!!python/object:os.system ", "!!binary ", "!!set ", "!!float x"),
        *("2020-99-99", "2020-01-01", "é", "\u2028", "\U0001f600", "../", "/", "-", "--", "%", "="),
        *("model", "paper", "every radius", "worst-linf-adaptive-normlogits", "@", "+", "@1+paper"),
    )
] + [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xff\xfe"]
"""What a text breaks on."""

JSON_WORDS = [*WORDS, b"[" * 2000, b'{"a":' * 2000, b"NaN", b'"shape":[-1]', b'"F64"', b'"I8"']


def damaged(whole: bytes, words: Sequence[bytes] = NUMBERS) -> SearchStrategy[bytes]:
    """A file after one to four accidents."""
    place = st.integers(0, 1 << 20)
    operation = st.tuples(st.integers(0, 9), place, place, st.sampled_from(words))
    accidents = st.lists(operation, min_size=1, max_size=4)
    return accidents.map(lambda many: reduce(_suffer, many, whole))


def of_nothing(words: Sequence[bytes] = NUMBERS) -> SearchStrategy[bytes]:
    """Bytes and words in any order."""
    return st.lists(st.binary(max_size=20) | st.sampled_from(words), max_size=30).map(b"".join)


def mostly(first: SearchStrategy[Any], *others: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """The first in half of all cases or more."""
    return st.one_of(*[first] * max(4, len(others)), *others)


def junk() -> SearchStrategy[Any]:
    """A value such as YAML and JSON can hold, of any kind."""
    plain = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([0, -1, 1, 2, 3, 10**12, 2**32, 10**400]),
        st.floats(),
        st.text(max_size=12),
        st.sampled_from([word.decode(errors="replace") for word in WORDS if len(word) < 99]),
    )
    keys = st.text(max_size=6) | st.integers() | st.none() | st.booleans()
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=6,
    )


def altered(whole: dict[str, Any]) -> SearchStrategy[dict[str, Any]]:
    """A nested dictionary with one to four values replaced, removed, moved, renamed or added."""
    paths = [path for path in _paths(whole) if path]
    change = st.tuples(st.sampled_from("rrrdmak"), *[st.sampled_from(paths)] * 2, junk())
    return st.lists(change, min_size=1, max_size=4).map(lambda many: _altered(whole, many))


def _suffer(content: bytes, operation: Operation) -> bytes:
    """One accident."""
    kind, a, b, word = operation
    n = len(content) or 1
    at, other, length = a % n, b % n, 1 + b % 40
    if kind == 0:  # a flipped bit
        return (
            content[:at] + bytes([content[at] ^ 1 << b % 8]) + content[at + 1 :] if content else b""
        )
    if kind == 1:  # cut off
        return content[:at]
    if kind == 2:  # its start lost
        return content[at:] if b % 4 == 0 else content[length:]
    if kind == 3:  # a hole
        return content[:at] + content[at + length :]
    if kind == 4:  # a part twice
        return content[: at + length] + content[at:]
    if kind == 5:  # a part in another place
        part = content[at : at + length]
        return content[:other] + part + content[other + len(part) :]
    if kind == 6:  # a word more
        return content[:at] + word + content[at:]
    if kind == 7:  # a word in the place of another
        return content[:at] + word + content[at + len(word) :]
    if kind == 8:  # another number
        numbers = [found.span() for found in re.finditer(rb"-?\d+(\.\d+)?", content)]
        start, end = numbers[a % len(numbers)] if numbers else (at, at)
        return content[:start] + word + content[end:]
    lines = content.split(b"\n")  # lines exchanged
    i, j = a % len(lines), b % len(lines)
    lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _paths(inner, (*path, key))


def _altered(whole: dict[str, Any], many: Sequence[tuple[str, Any, Any, Any]]) -> dict[str, Any]:
    raw = copy.deepcopy(whole)
    for kind, path, other, value in many:
        try:
            holder = reduce(lambda inner, key: inner[key], path[:-1], raw)
            if kind == "r":
                holder[path[-1]] = copy.deepcopy(value)
            elif kind == "d":
                del holder[path[-1]]
            elif kind == "m":
                moved = reduce(lambda inner, key: inner[key], other, raw)
                holder[path[-1]] = copy.deepcopy(moved)
            elif kind == "a":
                holder[str(value)] = copy.deepcopy(value)
            else:
                holder[value if isinstance(value, str | int | None) else "x"] = holder.pop(path[-1])
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # an earlier change took its place away
    return raw
