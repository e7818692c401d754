"""How the numbers of a table are written."""

from __future__ import annotations

import numpy as np


def format_radius(radius: float) -> str:
    """A radius as the paper prints it: ``0.00001`` and ``1.0``, never ``1e-05``."""
    return np.format_float_positional(radius, trim="0")


def format_tau(tau: float) -> str:
    """A coefficient with two decimals and a sign only if it needs one; never ``-0.00``."""
    text = f"{tau:.2f}"
    return "0.00" if text == "-0.00" else text
