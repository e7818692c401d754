"""What a user can mend: one exception class, one line each."""

from __future__ import annotations

_LONGEST = 2000


class Problem(ValueError):
    """Something the user can mend.

    The message is one line: the file or key, what is wrong with it, and what to do.
    Scripts print it and exit with code 1; no traceback reaches the user.
    """

    def __init__(self, message: object) -> None:
        """Keep the message to one line, whatever a file that it quotes has in it."""
        super().__init__(_one_line(str(message)))


def _one_line(text: str) -> str:
    """Printable letters only, the others as Python escapes them; cut in the middle if long."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
