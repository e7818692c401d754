"""Parameters that are perturbed, and which of them are the same weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from reprlib import repr as short

import torch
from torch import nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from sharpness.io.errors import UserError, described
from sharpness.measures.snapshot import extent

Parameters = str | Callable[[str], bool]
"""The weights to perturb: "all", "trainable", a regular expression or a predicate on names."""


def chosen(model: nn.Module, parameters: Parameters) -> dict[str, nn.Parameter]:
    """Return the parameters to perturb by name; one object may have several names."""
    named = dict(model.named_parameters(remove_duplicate=False))
    if not named:
        raise UserError("the model has no parameters, so there is nothing to perturb")
    usable = isinstance(parameters, str) or callable(parameters)
    if isinstance(parameters, nn.Module) or not usable:
        raise UserError(
            f"parameters is {short(parameters)}; it must be 'all', 'trainable', a regular "
            "expression or a function of names"
        )
    if callable(parameters):
        with described("the function of names that is given as parameters"):
            found = {name: value for name, value in named.items() if parameters(name)}
    elif parameters == "trainable":
        found = {name: value for name, value in named.items() if value.requires_grad}
    else:
        try:
            pattern = re.compile("" if parameters == "all" else parameters)
        except re.error as error:
            raise UserError(
                f"parameters: {parameters!r} is no regular expression: {error}"
            ) from None
        found = {name: value for name, value in named.items() if pattern.search(name)}
    if not found:
        raise UserError(f"parameters: {parameters!r} chooses none of {', '.join(named)}")
    for name, value in found.items():
        _check_parameter(name, value)
    return found


def _check_parameter(name: str, value: nn.Parameter) -> None:
    if nn.parameter.is_lazy(value):
        raise UserError(f"parameter {name!r} has no shape yet; run the model on a batch first")
    if not value.is_floating_point():
        raise UserError(f"parameter {name!r} is {value.dtype}; sharpness needs real numbers")
    wrapper = is_traceable_wrapper_subclass(value)
    if value.is_meta or wrapper or value.layout is not torch.strided:
        kind = "on the meta device" if value.is_meta else f"stored as {value.layout}"
        kind = f"a {type(value).__name__}" if wrapper else kind
        raise UserError(f"parameter {name!r} is {kind}; sharpness needs ordinary, dense weights")


def by_memory(
    chosen: dict[str, nn.Parameter], every: Iterable[nn.Parameter]
) -> list[list[nn.Parameter]]:
    """Group the parameters that are one and the same weights, by identity or by memory.

    A group holds all of ``every`` that are tied to one that was chosen.
    """
    groups: dict[object, list[nn.Parameter]] = {}
    ends: dict[object, tuple[int, int, str]] = {}
    for name, value in chosen.items():
        place = _place(value) if value.numel() else name
        group = groups.setdefault(place, [])
        if not any(value is other for other in group):
            group.append(value)
        entries = extent(value)
        if entries < value.numel():
            raise UserError(f"parameter {name!r} is expanded: its entries share memory")
        if value.numel():
            ends[place] = value.data_ptr(), value.data_ptr() + entries * value.element_size(), name
    in_order = sorted(ends.values())
    for (_, end, one), (start, _, other) in pairwise(in_order):
        if start < end:
            raise UserError(f"parameters {one!r} and {other!r} share a part of their memory")
    for value in every:
        ordinary = not nn.parameter.is_lazy(value) and value.layout is torch.strided
        ordinary = ordinary and not is_traceable_wrapper_subclass(value)
        group = groups.get(_place(value), []) if ordinary and value.numel() else []
        if group and not any(value is other for other in group):
            group.append(value)
    return [*groups.values()]


def _place(value: nn.Parameter) -> object:
    """Identify the weights that a parameter views."""
    return value.device, value.data_ptr(), value.shape, value.stride()
