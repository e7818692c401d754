"""Checkpoints: weights and metadata in one safetensors file with reproducible bytes."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sharpness.io.errors import UserError, errno_of
from sharpness.io.files import atomic
from sharpness.networks import build
from sharpness.training.records import KEY, MOMENTUM, WEIGHTS, metadata_of, under


def save(path: str | Path, weights: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically; equal input gives equal bytes.

    ``weights`` may be on any device; ``metadata`` is anything JSON can hold: source, architecture,
    hyper-parameters, ...
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    with atomic(path) as temporary:
        save_file(tensors, temporary, metadata=metadata_of(metadata))


def load(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the weights, on the CPU, and the metadata of a checkpoint.

    Raises:
        UserError: if the file is absent, cut off, or not one of this project's checkpoints.
        OSError: if it may not or cannot be read.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="pt") as stream:
            text = (stream.metadata() or {}).get(KEY)
            weights = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        if number := errno_of(error):  # a disk error: the file may well be whole
            raise OSError(number, os.strerror(number), str(path)) from error
        raise UserError(f"{path}: not a whole safetensors file ({error}); make it again") from error
    if text is None:
        raise UserError(f"{path}: has no metadata of this project; convert it first")
    return weights, _metadata(text, path)


def load_model(path: str | Path, device: torch.device | str = "cpu") -> nn.Module:
    """Return the network of a checkpoint, built from its ``architecture`` metadata, in eval mode.

    Raises:
        UserError: naming the file and the tensor that is missing, left over or does not fit.
    """
    weights, metadata = load(path)
    architecture = metadata.get("architecture")
    if not isinstance(architecture, dict):
        raise UserError(f"{path}: its metadata names no architecture")
    try:
        _check_layers(architecture, len(weights))
        with torch.device("meta"):  # takes no memory, whatever the sizes
            places = build(architecture).state_dict()
    except UserError as problem:
        raise UserError(f"{path}: its metadata: {problem}; make it again") from problem
    _check_fit(places, weights, str(path))
    network = build(architecture)
    load_strictly(network, weights, str(path))
    return network.to(device).eval()


def load_strictly(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Copy a state dict into a network that has exactly these tensors.

    Raises:
        UserError: naming ``source`` and the tensor that does not fit.
    """
    _check_fit(network.state_dict(), weights, source)
    copy_weights(network, weights)


def copy_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy tensors by name into a network, as a state dict of its own version of each module."""
    state = OrderedDict(weights)
    # Some modules refuse a state without versions, which a file of tensors does not have.
    state._metadata = network.state_dict()._metadata  # type: ignore[attr-defined]
    network.load_state_dict(state, strict=False)


def _check_fit(places: Mapping[str, Tensor], weights: Mapping[str, Tensor], source: str) -> None:
    for name in sorted(places.keys() | weights.keys()):
        if name not in weights:
            raise UserError(f"{source}: tensor {name} is missing")
        if name not in places:
            raise UserError(f"{source}: tensor {name} has no place in the network")
        if weights[name].shape != places[name].shape:
            sizes = f"{tuple(weights[name].shape)}; the network has {tuple(places[name].shape)}"
            raise UserError(f"{source}: tensor {name} has shape {sizes}")
        if weights[name].dtype != places[name].dtype:
            kinds = f"{weights[name].dtype}; the network has {places[name].dtype}"
            raise UserError(f"{source}: tensor {name} holds {kinds}")


def _check_layers(architecture: Mapping[str, Any], tensors: int) -> None:
    """Raise UserError if there are more layers than tensors, before so many are built."""
    for key in ("depth", "blocks"):
        value = architecture.get(key, 0)
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int) and number > tensors:
                raise UserError(f"{key} is {value}, but there are {tensors} tensors")


def _metadata(text: str, path: str | Path) -> dict[str, Any]:
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: its metadata is no JSON ({error}); make it again") from error
    if not isinstance(metadata, dict):
        raise UserError(f"{path}: its metadata is no object; make it again")
    return metadata


@dataclass(frozen=True)
class State:
    """State of a training after a whole number of epochs.

    ``momentum`` holds a tensor per parameter, by name, and is empty once finished; ``curve`` has a
    row per epoch; ``record`` is that of the finished training, else None.
    """

    weights: dict[str, Tensor]
    momentum: dict[str, Tensor]
    curve: list[dict[str, Any]]
    record: dict[str, Any] | None = None

    def save(self, path: Path) -> None:
        """Write the state atomically: a kill leaves the state before or the one after."""
        tensors = {WEIGHTS + name: tensor for name, tensor in self.weights.items()}
        tensors |= {MOMENTUM + name: tensor for name, tensor in self.momentum.items()}
        save(path, tensors, {"curve": self.curve, "record": self.record})

    @classmethod
    def load(cls, path: Path) -> State | None:
        """Return the state in a file; None if it is missing, or unreadable after a power cut."""
        try:
            tensors, metadata = load(path)
        except UserError:
            return None
        weights, momentum = under(WEIGHTS, tensors), under(MOMENTUM, tensors)
        return cls(weights, momentum, metadata["curve"], metadata["record"])
