"""``package.module:function``: a model or data from the user's own code."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from sharpness.io.errors import UserError
from sharpness.io.validation import hint
from sharpness.sources.grammar import MODULE, ModelSource, parse_model

CLASSES = ("num_classes", "classes")
"""Parameters that get the number of the data's classes, if a function has one of them."""


def build(source: ModelSource, classes: int | None) -> nn.Module:
    """Call the function with the row's arguments that it takes; raise UserError for another type.

    A parameter without default that the row lacks is an error; `check_arguments` is for arguments
    that must all be taken.
    """
    _, name = parse_model(source.source)
    function = own_function(name)
    takes = inspect.signature(function).parameters
    any_name = any(p.kind is p.VAR_KEYWORD for p in takes.values())
    given = {k: v for k, v in source.arguments.items() if k in takes or any_name}
    for key in CLASSES:
        if key in takes and key not in given and classes is not None:
            given[key] = classes
    needed = [k for k, p in takes.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if lacking := [key for key in needed if key not in given and takes[key].kind != 2]:
        raise UserError(f"{name}: needs the argument {lacking[0]!r}; add a column of that name")
    model = function(**given)
    if not isinstance(model, nn.Module):
        raise UserError(f"{name}: returned a {type(model).__name__}, not a torch.nn.Module")
    return model


def check_arguments(source: ModelSource) -> None:
    """Raise UserError for an argument that the function does not take."""
    scheme, name = parse_model(source.source)
    if scheme != MODULE or not source.arguments:
        return
    takes = inspect.signature(own_function(name)).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        for key in source.arguments:
            if key not in takes:
                raise UserError(f"{name}: takes no argument {key!r}; {hint(key, list(takes))}")


def preparation(source: ModelSource, model: nn.Module) -> None:
    """Return None: a function has no preprocessing of its own."""


def output_names(source: ModelSource, model: nn.Module) -> tuple[str, ...]:
    """Return nothing: the outputs have no names."""
    return ()


def own_function(name: str) -> Callable[..., Any]:
    """Import ``package.module:function``, from the working folder or the Python path.

    Raises:
        UserError: if there is no such module or function.
    """
    module, _, attribute = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        function = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            raise UserError(
                f"{name}: no module {error.name!r} in {here} or on PYTHONPATH"
            ) from error
        raise
    if not callable(function):
        raise UserError(f"{name}: module {module} has no function {attribute!r}")
    found: Callable[..., Any] = function
    return found


def called_with_split(function: Callable[..., Any], split: str) -> Any:
    """Call a function of data; it gets ``split`` or ``train`` if it has such a parameter."""
    takes = inspect.signature(function).parameters
    if "split" in takes:
        return function(split=split)
    return function(train=split == "train") if "train" in takes else function()
