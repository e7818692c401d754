"""Models of the user's own: built by their scheme, with given, pretrained or random weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sharpness.io.errors import UserError
from sharpness.sources import RANDOM
from sharpness.sources.grammar import MODULE, ModelSource, parse_model
from sharpness.sources.libraries import LIBRARIES, Library
from sharpness.sources.offline import go_offline_if_needed, library_errors
from sharpness.sources.open_clip_models import renamed
from sharpness.sources.preparation import ImageInputs, Preparation, given_inputs
from sharpness.sources.seeds import seeded
from sharpness.sources.weights import (
    checkpoint_file,
    load_into,
    misfits,
    outputs_of,
    read_weights,
    unwrapped,
)
from sharpness.training.checkpoint import load, load_strictly, save


@dataclass(frozen=True)
class LoadedModel:
    """A model of the user's own, in evaluation mode.

    Attributes:
        model: the network.
        source: where it comes from.
        classes: the number of outputs with which it was built; None for the library's own.
        inputs: settings of `preparation.given_inputs`; None takes the model's own preprocessing.
    """

    model: nn.Module
    source: ModelSource
    classes: int | None
    inputs: Mapping[str, Any] | None = None

    @property
    def origin(self) -> str:
        """Return where the weights come from, in words."""
        if self.source.checkpoint:
            return f"checkpoint {self.source.checkpoint}"
        if self.source.pretrained:
            return "pretrained weights"
        if self.random:
            return f"{RANDOM} (seed {self.source.seed})"
        return "weights as the function returns them"

    @property
    def random(self) -> bool:
        """Return whether the weights are random: neither given nor the library's own."""
        given = self.source.checkpoint or self.source.pretrained
        return not given and parse_model(self.source.source)[0] != MODULE

    @property
    def library(self) -> Library:
        """Return what provides models of this scheme."""
        return LIBRARIES[parse_model(self.source.source)[0]]

    @property
    def output_names(self) -> tuple[str, ...]:
        """Return the names of the outputs; empty if they have none."""
        return () if self.random else self.library.output_names(self.source, self.model)

    def preparation(self) -> Preparation | None:
        """Return how images or sentences become inputs; None if the model does not say."""
        if self.inputs is not None:
            return given_inputs(**self.inputs)
        with library_errors(f"{self.source.source}: its preprocessing", {}):
            return self.library.preparation(self.source, self.model)


def load_model(
    source: ModelSource,
    classes: int | None,
    places: Mapping[str, Any],
    inputs: Mapping[str, Any] | None = None,
) -> LoadedModel:
    """Build a model and give it its weights.

    Args:
        source: where it comes from.
        classes: number of the data's classes. Random weights get as many outputs; a checkpoint
            keeps its own number, and pretrained weights theirs.
        places: cache, mirror and offline flag.
        inputs: size, mean and std of `preparation.given_inputs`, in place of the model's own.

    Raises:
        UserError: if it cannot be had or built, or its weights do not fit.
    """
    go_offline_if_needed(bool(places.get("offline")))
    if inputs is not None:
        given_inputs(**inputs)
    if not source.checkpoint:
        built = _built(source, None if source.pretrained else classes, places)
        return LoadedModel(built.eval(), source, classes, inputs)
    path = checkpoint_file(source, places)
    weights = read_weights(path, source.key)
    if parse_model(source.source)[0] == "open_clip":
        try:
            weights = renamed(weights)
        except UserError as problem:
            raise UserError(f"{path}: {problem}") from None
    model = _built(source, classes, places)
    weights = unwrapped(model, weights)
    if misfits(model, weights) and (own := outputs_of(model, weights)) is not None:
        other = _built(source, own, places)
        if not misfits(other, weights):
            model, classes = other, own
    hint = ""
    if parse_model(source.source)[0] == "hf":
        hint = "; a folder of transformers is loaded with `pretrained`"
    load_into(model, weights, path, hint)
    return LoadedModel(model.eval(), source, classes, inputs)


def _built(source: ModelSource, classes: int | None, places: Mapping[str, Any]) -> nn.Module:
    library = LIBRARIES[parse_model(source.source)[0]]
    with library_errors(source.source, places), seeded(source.seed):
        return library.build(source, classes)


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors and their names; a copy of a model has the same."""
    state = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        state.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def save_model(loaded: LoadedModel, path: str | Path, metadata: Mapping[str, Any]) -> None:
    """Write a model as a checkpoint of this project, with all that builds it again.

    Raises:
        UserError: if its state holds anything but tensors.
    """
    state = loaded.model.state_dict()
    if other := [name for name, value in state.items() if not isinstance(value, Tensor)]:
        raise UserError(f"{loaded.source.source}: {other[0]} is no tensor and cannot be saved")
    weights = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
    own = {
        "source": asdict(loaded.source),
        "classes": loaded.classes,
        "inputs": loaded.inputs and dict(loaded.inputs),
    }
    about = {"own": own, "origin": loaded.origin, "weights": weights_digest(weights)}
    save(path, weights, {**about, **metadata})


def reload_model(
    path: str | Path, places: Mapping[str, Any], device: torch.device | str = "cpu"
) -> LoadedModel:
    """Return the model of a checkpoint that `save_model` wrote; its weights are equal to the bit.

    Pretrained models are built with the library's own weights once more, which sets all that is no
    weight too.

    Raises:
        UserError: if it cannot be built again, or the file is of another model.
    """
    weights, metadata = load(path)
    if not isinstance(own := metadata.get("own"), dict):
        raise UserError(f"{path}: holds no model of one's own; make it again")
    go_offline_if_needed(bool(places.get("offline")))
    source = ModelSource(**own["source"])
    model = _built(source, own["classes"], places)
    with library_errors(f"{path}: {source.source}", places):
        load_strictly(model, weights, str(path))
    return LoadedModel(model.to(device).eval(), source, own["classes"], own["inputs"])


def described(loaded: LoadedModel) -> list[str]:
    """Return lines on a model for the user: what it is, its weights, its preprocessing."""
    count = sum(p.numel() for p in loaded.model.parameters())
    lines = [f"{loaded.source.source}: {count:,} weights, {loaded.origin}"]
    prepared = loaded.preparation()
    if prepared is not None:
        kind = "images" if isinstance(prepared, ImageInputs) else "sentences"
        said = ", ".join(f"{key} {value}" for key, value in prepared.description.items())
        lines.append(f"{kind}: {said}")
    return lines
