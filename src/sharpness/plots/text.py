"""Text of figures and tables: wrapped titles, radii and coefficients."""

from __future__ import annotations

import textwrap

import numpy as np


def title_lines(title: str, note: str | None, width: float) -> list[str]:
    """Wrap a figure's title and, in brackets below it, a note to a width in inches."""
    said = [title, *([f"[{note}]"] if note else [])]
    return [_symbols(line) for text in said for line in textwrap.wrap(text, int(width * 15))]


def _symbols(text: str) -> str:
    """Replace ℓ2 and ℓ∞ by mathtext; Unicode has no subscript ∞."""
    return text.replace("ℓ∞", r"$\ell_\infty$").replace("ℓ2", r"$\ell_2$")


def format_radius(radius: float) -> str:
    """Format a radius as the paper does: ``0.00001`` and ``1.0``, never ``1e-05``."""
    return np.format_float_positional(radius, trim="0")


def format_tau(tau: float) -> str:
    """Format a coefficient with two decimals; never ``-0.00``."""
    text = f"{tau:.2f}"
    return "0.00" if text == "-0.00" else text
