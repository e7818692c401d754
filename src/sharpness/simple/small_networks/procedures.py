"""The three networks, their data, and how each is trained and measured: presets and switches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sharpness.problem import Problem
from sharpness.simple.small_networks.fcnn.procedure import PRESETS as FCNN
from sharpness.simple.small_networks.gat.procedure import PRESETS as GAT
from sharpness.simple.small_networks.lenet.procedure import PRESETS as LENET
from sharpness.validation import complaint, hint

REVISION = 1
"""To be raised with every change that makes a model or its sharpness another one."""

PRESETS: Mapping[str, Mapping[str, Any]] = {"fcnn": FCNN, "lenet": LENET, "gat": GAT}
"""For each network, what the paper's text says and what its notebooks did."""

DATA = {"fcnn": "abalone", "lenet": "fashion-mnist", "gat": "cora"}
"""The data set of each network."""


def procedure_of(network: str, preset: str, switches: Mapping[str, Any]) -> Any:
    """A procedure: a preset with some switches set otherwise.

    Args:
        network: a key of `PRESETS`.
        preset: "text" or "code".
        switches: by name; what they are is said in the network's ``procedure.py``.

    Raises:
        Problem: if there is no such switch, or its value is none that it can have.
    """
    base = PRESETS[network][preset]
    known = asdict(base)
    for name in switches:
        if name not in known:
            raise Problem(f"switches.{name}: {network} has no such switch; {hint(name, known)}")
    values = known | dict(switches)
    try:
        return _adapter(network).validate_python(values)
    except ValidationError as error:
        raise Problem(f"switches.{complaint(error, values)}") from None


@cache
def _adapter(network: str) -> TypeAdapter[Any]:
    """What checks the switches of a network; it is slow to make."""
    return TypeAdapter(type(PRESETS[network]["text"]))
