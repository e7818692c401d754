"""Arguments of the public functions: one line for a value that is not of its kind."""

from __future__ import annotations

import math
from reprlib import repr as short
from typing import Any

import numpy as np
from torch import Tensor

from sharpness.io.errors import UserError


def check_kind(name: str, value: object, kind: type, what: str) -> None:
    """Raise UserError unless ``value`` is a ``kind``, which is ``what`` in words."""
    if not isinstance(value, kind):
        raise UserError(f"{name} is {short(value)}; it must be {what}")


def check_count(name: str, value: object, least: int = 1) -> None:
    """Raise UserError unless ``value`` is a whole number and at least ``least``."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not (whole and value >= least):  # type: ignore[operator]
        raise UserError(f"{name} is {short(value)}; it must be at least {least}, a whole number")


def check_radius(value: Any) -> None:
    """Raise UserError unless ``value`` is a positive, finite number."""
    number = isinstance(value, int | float | np.integer | np.floating)
    number = number or (isinstance(value, Tensor) and value.ndim == 0)
    if isinstance(value, bool) or not (number and value > 0 and math.isfinite(value)):
        raise UserError(f"radius is {short(value)}; it must be a positive number")
