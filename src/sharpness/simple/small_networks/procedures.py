"""The three networks, their data, and how each is trained and measured: presets and switches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sharpness.complaints import said, shown
from sharpness.problem import Problem
from sharpness.simple.small_networks.fcnn.procedure import PRESETS as FCNN
from sharpness.simple.small_networks.gat.procedure import PRESETS as GAT
from sharpness.simple.small_networks.lenet.procedure import PRESETS as LENET

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
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; one of {', '.join(known)}"
            raise Problem(f"switches.{name}: {network} has no such switch{hint}")
    try:
        return _adapter(network).validate_python(known | dict(switches))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        raise Problem(f"switches.{name}: {shown(switches[name])}: {said(first)}") from None


@cache
def _adapter(network: str) -> TypeAdapter[Any]:
    """What checks the switches of a network; it is slow to make."""
    return TypeAdapter(type(PRESETS[network]["text"]))
