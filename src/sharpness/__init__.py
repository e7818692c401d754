"""Does sharpness predict generalization for this pool of models?

The public face. Names are imported when they are first used, so that ``import sharpness`` and the
vocabulary cost no ``import torch``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sharpness.io.errors import UserError
    from sharpness.measures.cell_values import Effort
    from sharpness.measures.definition import PROTOCOLS, Cell, Definition, Estimate, Protocol
    from sharpness.measures.sharpness import sharpness, sharpness_by_layer, sharpness_table

_HOME = {
    "PROTOCOLS": "measures.definition",
    "Cell": "measures.definition",
    "Definition": "measures.definition",
    "Estimate": "measures.definition",
    "Protocol": "measures.definition",
    "Effort": "measures.cell_values",
    "sharpness": "measures.sharpness",
    "sharpness_by_layer": "measures.sharpness",
    "sharpness_table": "measures.sharpness",
    "UserError": "io.errors",
}

__all__ = [
    "PROTOCOLS",
    "Cell",
    "Definition",
    "Effort",
    "Estimate",
    "Protocol",
    "UserError",
    "sharpness",
    "sharpness_by_layer",
    "sharpness_table",
]


def __getattr__(name: str) -> Any:
    """Import the module that holds a public name (PEP 562)."""
    if name == "Problem":
        raise AttributeError("sharpness.Problem is now sharpness.UserError")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
