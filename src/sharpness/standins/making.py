"""Which training makes the stand-ins of which file format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sharpness.pools.table import Member
from sharpness.problem import Problem


def make_standins(
    format: str, members: Sequence[Member], architecture: Mapping[str, Any], mirror: Path
) -> dict[str, dict[str, float]]:
    """Train small models in place of published ones and write them as their publishers would.

    Args:
        format: of the publishers' files.
        members: the models, with the hyper-parameters that are to be used.
        architecture: of the network.
        mirror: of the pool; gets ``HOST/PATH`` of each member's address.

    Returns:
        For each model its error on each part, as measured by the training itself.

    Raises:
        Problem: if there are no stand-ins for this format.
    """
    if format == "augreg":
        from sharpness.standins.vits import train_vits

        return train_vits(members, architecture, mirror.parent)
    if format == "soups":
        from sharpness.standins.soups import train_soups

        return train_soups(members, architecture, mirror.parent)
    if format == "bert":
        from sharpness.standins.berts import train_berts
        from sharpness.standins.sentences import write_sentences

        write_sentences(mirror)  # on which they are trained
        return train_berts(members, architecture, mirror)
    raise Problem(f"standins: there are none in the format {format!r}; set `standins: false`")
