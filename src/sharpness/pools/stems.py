"""Names of models as names of files: any printable name has one, and no two have the same."""

from __future__ import annotations

from sharpness.problem import Problem

_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
LONGEST = 150
"""Bytes of a stem; file systems end names at 255, and ours add prefixes and suffixes."""


def stem(name: str) -> str:
    """The stem of a model's files: other characters than letters, digits, ``._-`` become ``~XX``.

    ``XX`` is a byte of the character's UTF-8 form, in hexadecimal. A first character that could be
    taken for an option or a hidden file is written so as well.

    Raises:
        Problem: if the name is empty, holds a character that cannot be seen, or is too long.
    """
    if not name or not name.isprintable():
        raise Problem(f"{name!r} is no name of a model; use characters that can be seen")
    written = "".join(map(_written, name))
    if written[0] in "._-":
        written = f"~{ord(written[0]):02X}{written[1:]}"
    if len(written) > LONGEST:
        raise Problem(f"{name!r} is too long for a file's name; {LONGEST} letters are allowed")
    return written


def _written(character: str) -> str:
    if character in _SAFE:
        return character
    return "".join(f"~{byte:02X}" for byte in character.encode())
