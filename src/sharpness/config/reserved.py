"""Names that no pool may have: they belong to other targets, or to folders of the results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args

from sharpness.config.simple import Study
from sharpness.config.whole import Config

RULES = {
    *("all", "fetch", "fetch_item", "dataset", "sample", "choose", "download", "published"),
    *("standin_data", "standin", "draw", "train", "checkpoint", "evaluate", "rows"),
    *("pool", "correlations", "table", "tables", "figure", "figures", "report"),
    *("linear_curves", "diagonal_networks", "small_networks_pool", "two_layer_solutions"),
    *("study_summary", "study_figure"),
}
"""Every rule of the workflow; a pool is a rule too."""

FOLDERS = {
    *("benchmarks", "data", "fetched", "figures", "logs", "simple", "standin", "tables"),
}
"""What lies beside the pools in the folder of a scale."""


def clashes(settings: Config, figures: Iterable[str] = ()) -> Iterator[str]:
    """Names that would mean two things, a line each.

    Args:
        settings: of this run.
        figures: ids of all figures.
    """
    drawn = {*figures, *settings.simple.two_layer_relu.catalogue.figures}
    owners = {
        **dict.fromkeys(drawn, "a figure"),
        **dict.fromkeys(FOLDERS, "a folder of the results"),
        **dict.fromkeys(get_args(Study), "a study"),
        **dict.fromkeys(RULES, "a rule of the workflow"),
    }
    seen: dict[str, str] = {}
    for name in settings.pools:
        if name.lower() in owners:
            yield f"pools.{name}: this is the name of {owners[name.lower()]}; call the pool another"
        if other := seen.get(name.lower()):
            yield f"pools.{name}: differs from {other} by capitals alone; call one of them another"
        seen[name.lower()] = name
    for name in sorted(drawn & (RULES | FOLDERS | set(get_args(Study)))):
        yield f"figure {name}: this is also the name of {owners[name]}; call the figure another"
