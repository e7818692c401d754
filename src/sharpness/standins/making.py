"""Training the stand-ins of a pool and writing them as its publishers write theirs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from sharpness.downloads.fetch import place
from sharpness.errors import error_and_loss
from sharpness.pools import formats
from sharpness.pools.table import Member
from sharpness.problem import Problem
from sharpness.standins import berts, soups, vits

MAKERS = {"augreg": vits.standins, "soups": soups.standins, "bert": berts.standins}
"""By the format of the publishers' files."""


def make_standins(
    format: str, members: Sequence[Member], architecture: Mapping[str, Any], mirror: Path
) -> dict[str, dict[str, float]]:
    """Train small models in place of published ones and write them as their publishers would.

    Args:
        format: of the publishers' files.
        members: the models, with the hyper-parameters that are to be used.
        architecture: of the network.
        mirror: a folder; the file of a model lies at ``HOST/PATH`` of its address.

    Returns:
        For each model its error, a fraction, on each part, as an evaluation would measure it.
    """
    if format not in MAKERS:
        raise Problem(f"standins: there are none in the format {format!r}; set `standins: false`")
    torch.set_num_threads(1)
    trained, parts = MAKERS[format](architecture)
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
