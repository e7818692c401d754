"""Text of figures and tables: titles that fit, and how radii and coefficients are written."""

from __future__ import annotations

import textwrap

import numpy as np


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


def format_radius(radius: float) -> str:
    """A radius as the paper prints it: ``0.00001`` and ``1.0``, never ``1e-05``."""
    return np.format_float_positional(radius, trim="0")


def format_tau(tau: float) -> str:
    """A coefficient with two decimals and a sign only if it needs one; never ``-0.00``."""
    text = f"{tau:.2f}"
    return "0.00" if text == "-0.00" else text
