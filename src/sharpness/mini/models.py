"""Train the stand-ins of a pool's models and write them as the publishers' files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from sharpness.checkpoints import formats
from sharpness.checkpoints.table import PublishedModel
from sharpness.io.download import place
from sharpness.io.errors import UserError
from sharpness.measures.error_rates import error_and_loss
from sharpness.mini import berts, clips, vits

_MAKERS = {"augreg": vits.standins, "soups": clips.standins, "bert": berts.standins}


def make_standins(
    format: str, members: Sequence[PublishedModel], architecture: Mapping[str, Any], mirror: Path
) -> dict[str, dict[str, float]]:
    """Train stand-ins for published models and write them as the publishers' files.

    The file of a model lies in the folder ``mirror`` at the ``HOST/PATH`` of its URL.

    Returns:
        For each model, its error rate (a fraction) on each part.

    Raises:
        UserError: if there are no stand-ins in this format.
    """
    if format not in _MAKERS:
        raise UserError(f"standins: there are none in the format {format!r}; set `standins: false`")
    torch.set_num_threads(1)
    trained, parts = _MAKERS[format](architecture)
    found = {}
    for number, member in enumerate(members, start=1):
        start = perf_counter()
        network = trained(member)
        errors = {part: error_and_loss(network, parts[part])[0] for part in parts}
        weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        formats.write(format, mirror / place(member.url), weights, architecture)
        found[member.model] = errors
        said = f"{member.model}: test error {errors['test']:.1%}, {perf_counter() - start:.1f} s"
        print(f"{number} of {len(members)}: {said}", file=sys.stderr, flush=True)
    return found
