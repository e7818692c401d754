"""Does sharpness predict generalization for this pool of models?

The public face. Names are imported when they are first used, so that ``import sharpness`` and the
vocabulary cost no ``import torch``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sharpness.definition import PROTOCOLS, Cell, Definition, Estimate, Protocol
    from sharpness.measure import sharpness, sharpness_table
    from sharpness.problem import Problem
    from sharpness.tasks import Effort

_HOME = {
    "PROTOCOLS": "definition",
    "Cell": "definition",
    "Definition": "definition",
    "Estimate": "definition",
    "Protocol": "definition",
    "Effort": "tasks",
    "sharpness": "measure",
    "sharpness_table": "measure",
    "Problem": "problem",
}

__all__ = [
    "PROTOCOLS",
    "Cell",
    "Definition",
    "Effort",
    "Estimate",
    "Problem",
    "Protocol",
    "sharpness",
    "sharpness_table",
]


def __getattr__(name: str) -> Any:
    """Import the module that holds a public name (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
