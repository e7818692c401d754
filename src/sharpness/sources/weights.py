"""Weights from a file: safetensors, or a state dict of PyTorch, of which nothing is executed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sharpness.checkpoints.torch_file import load_safely
from sharpness.io.download import fetch
from sharpness.io.errors import UserError, described
from sharpness.io.transfer import Checksum
from sharpness.sources.grammar import ModelSource
from sharpness.training.checkpoint import copy_weights

Weights = dict[str, Tensor]

_NUMPY: list[Any] = [np.dtype, type(np.dtype("f8")), type(np.dtype("f4")), type(np.dtype("i8"))]
_NUMPY += [getattr(np, "_core", np).multiarray.scalar]

_HARMLESS: list[Any] = [argparse.Namespace, *_NUMPY]
"""What training scripts commonly save beside weights: options and numbers."""

PREFIXES = ("module.", "_orig_mod.", "model.")
"""Prefixes that wrappers put before every name: DataParallel, ``torch.compile``, Lightning."""


def checkpoint_file(source: ModelSource, places: Mapping[str, Any]) -> Path:
    """Return the path of a source's checkpoint, fetched if it is an address, with its checksum.

    Raises:
        UserError: if it cannot be had, or its bytes have another checksum.
    """
    if source.checkpoint.startswith("https://"):
        where = {key: places[key] for key in ("mirror", "offline")}
        return fetch(source.checkpoint, places["cache"], checksum=source.checksum, **where)
    path = Path(source.checkpoint)
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    Checksum(path, checksum=source.checksum).check(path)
    return path


def read_weights(path: Path, key: str = "") -> Weights:
    """Read the weights of a file, out of whatever dictionary they lie in.

    Args:
        path: of a safetensors file, or one that ``torch.save`` wrote.
        key: of the dictionary, such as ``state_dict_ema`` or ``model.encoder``; or the beginning of
            the names. It may be empty where a single dictionary holds weights.

    Raises:
        UserError: if the file is broken or holds anything but tensors, if there is no such key, or
            if several dictionaries could be meant.
    """
    found = dict(_dictionaries(_content(path)))
    if key:
        for name in (key, key.rstrip(".")):
            if name in found:
                return found[name]
        if inside := _beginning(found, key.rstrip(".") + "."):
            found = inside
        elif found:
            names = ", ".join(name or "the file itself" for name in found)
            raise UserError(f"{path}: has no weights under {key!r}; it has {names}")
    if not found:
        raise UserError(f"{path}: holds no weights, that is, no dictionary of tensors by name")
    if len(found) > 1:
        names = ", ".join(f"{name}.{key}" if key else name for name in found)
        raise UserError(f"{path}: which weights are meant: {names}? Name one as the key")
    return next(iter(found.values()))


def _beginning(found: Mapping[str, Weights], start: str) -> dict[str, Weights]:
    """Return the tensors whose names begin so, without that, of the dictionaries that have any.

    ``start`` may begin with the key of the dictionary.
    """
    inside = {}
    for name, weights in found.items():
        for first in (start.removeprefix(f"{name}."), start):
            some = {n.removeprefix(first): t for n, t in weights.items() if n.startswith(first)}
            if some:
                inside[name] = some
    return inside


def _content(path: Path) -> Any:
    with open(path, "rb") as stream:
        begins = stream.read(9)
    if path.suffix == ".safetensors" or begins[8:9] == b"{":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise UserError(f"{path}: is no whole safetensors file ({error})") from error
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return load_safely(path)
    except UserError as problem:
        if "refused" not in str(problem):
            raise
        raise UserError(
            f"{problem}; save its weights alone: torch.save(model.state_dict(), path)"
        ) from None


def _dictionaries(content: Any, name: str = "") -> Iterator[tuple[str, Weights]]:
    """Yield every dictionary of tensors by its dotted key, the outermost of each branch alone."""
    if not isinstance(content, Mapping) or not content:
        return
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)}
    if tensors and len(tensors) == len(content) and all(isinstance(k, str) for k in content):
        yield name, tensors
        return
    for key, inner in content.items():
        if isinstance(key, str):
            yield from _dictionaries(inner, f"{name}.{key}" if name else key)


def misfits(network: nn.Module, weights: Weights) -> list[str]:
    """Return what does not fit, in words, each beginning with the name of a tensor."""
    places = network.state_dict()
    there = {_memory(tensor) for name, tensor in places.items() if name in weights}
    found = [
        f"{name} is missing"
        for name, tensor in places.items()
        if name not in weights and _needed(name) and _memory(tensor) not in there
    ]
    found += [f"{name} has no place in the model" for name in weights if name not in places]
    pairs = {name: (t, places[name]) for name, t in weights.items() if name in places}
    return found + [
        f"{name} {why}" for name, pair in pairs.items() if (why := _unlike(*pair, name))
    ]


def _unlike(tensor: Tensor, place: Tensor, name: str) -> str:
    """Return why a tensor cannot be copied into its place; integers hold quantized weights."""
    if tensor.shape != place.shape:
        return f"has shape {tuple(tensor.shape)}, the model has {tuple(place.shape)}"
    if tensor.layout is not torch.strided or tensor.is_quantized:
        return "is sparse or quantized"
    kinds = [(t.is_floating_point(), t.is_complex()) for t in (tensor, place)]
    if kinds[0] != kinds[1] and _needed(name):
        return f"holds {tensor.dtype}, the model has {place.dtype}"
    return ""


def _memory(tensor: Tensor) -> object:
    """Return what tied weights have in common."""
    if not tensor.numel():
        return object()
    return tensor.data_ptr(), tensor.shape, tensor.stride()


def _needed(name: str) -> bool:
    return not name.endswith("num_batches_tracked")  # a counter that old files lack


def unwrapped(network: nn.Module, weights: Weights) -> Weights:
    """Remove the prefix that wrappers put before every name, if the network has none such."""
    places = network.state_dict()
    for _ in PREFIXES:
        for prefix in PREFIXES:
            every = all(name.startswith(prefix) for name in weights)
            if every and not any(name.startswith(prefix) for name in places):
                weights = {name.removeprefix(prefix): v for name, v in weights.items()}
    return weights


def outputs_of(network: nn.Module, weights: Weights) -> int | None:
    """Return the number of outputs of a checkpoint whose misfits are its head's number alone."""
    places = network.state_dict()
    wrong = {n: t for n, t in weights.items() if n in places and t.shape != places[n].shape}
    sizes = {tensor.shape[0] for tensor in wrong.values() if tensor.ndim}
    same_rest = all(t.shape[1:] == places[n].shape[1:] and t.ndim for n, t in wrong.items())
    return sizes.pop() if wrong and same_rest and len(sizes) == 1 else None


def load_into(network: nn.Module, weights: Weights, path: Path, hint: str = "") -> None:
    """Copy weights into a network that has exactly these tensors.

    Raises:
        UserError: naming the file and the first tensor that does not fit, and ending with ``hint``.
    """
    if wrong := misfits(network, weights):
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UserError(f"{path}: tensor {wrong[0]}{more}; it is of another model{hint}")
    with described(f"{path}: loading its weights"):
        copy_weights(network, weights)
    stored = network.state_dict()
    for name, tensor in weights.items():
        given = tensor.to(stored[name])
        if not ((given == stored[name]) | (given != given)).all():
            raise UserError(
                f"{path}: tensor {name} is one with another in the model, but has other values; "
                "it is of another model"
            )
