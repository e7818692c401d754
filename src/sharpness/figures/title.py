"""What stands above a figure."""

from __future__ import annotations

import textwrap


def title_lines(title: str, note: str | None, width: float) -> list[str]:
    """The lines of a figure's title, its note in brackets below.

    Args:
        title: which figure it is and what it shows.
        note: what its numbers are not, such as the paper's scale.
        width: of the figure, in inches.
    """
    said = [title, *([f"[{note}]"] if note else [])]
    return [_symbols(line) for text in said for line in textwrap.wrap(text, int(width * 15))]


def _symbols(text: str) -> str:
    """Norms with their index, which Unicode lacks for ∞."""
    return text.replace("ℓ∞", r"$\ell_\infty$").replace("ℓ2", r"$\ell_2$")
