"""What a user can mend: one exception class, one line each."""

from __future__ import annotations


class Problem(ValueError):
    """Something the user can mend.

    The message is one line: the file or key, what is wrong with it, and what to do.
    Scripts print it and exit with code 1; no traceback reaches the user.
    """
