"""How coefficients are printed, three digits as the paper has them."""

from __future__ import annotations

import math

LEAST = 1e-4
"""Smaller p-values are said to be smaller."""


def number(tau: float) -> str:
    """Three decimals, a proper minus sign, and no sign of zero."""
    text = f"{tau:.3f}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")


def coefficient(tau: float, p: float) -> str:
    """A coefficient and its p-value, or that there is none."""
    return "undefined" if math.isnan(tau) else f"{number(tau)} ({significance(p)})"


def significance(p: float) -> str:
    """A p-value with two digits that say something."""
    return f"p = {p:.2g}" if p >= LEAST else f"p < {LEAST:.4f}"
