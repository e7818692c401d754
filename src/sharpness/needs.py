"""Which data sets a configuration needs, as opposed to those that it names. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sharpness.config import Config
from sharpness.published import read_published, usable

PUBLISHED_ERRORS = "resources/published_errors.csv"
"""What the publishers of models state, seen from where the workflow runs."""

VOCABULARY = "bert-vocabulary"


def needed_parts(settings: Config) -> dict[str, dict[str, str]]:
    """For each pool, the data sets that its models are run on, by the part that they play.

    Where a pool takes published errors, a part for which every model has one is not among them.

    Raises:
        Problem: if the table of published errors cannot be read.
    """
    return {name: _parts(settings, name) for name in settings.pools}


def needed_data(
    settings: Config, parts: Mapping[str, Mapping[str, str]], studied: Iterable[str]
) -> list[str]:
    """Every data set that is needed, each once.

    Args:
        settings: the configuration.
        parts: from `needed_parts`.
        studied: data sets of the simple studies.
    """
    found = [data for needed in parts.values() for data in needed.values()]
    inputs = [getattr(pool, "inputs", None) for pool in settings.pools.values()]
    if any(each is not None and each.name == "tokens" for each in inputs):
        found.append(VOCABULARY)
    return list(dict.fromkeys([*found, *studied]))


def _parts(settings: Config, name: str) -> dict[str, str]:
    pool = settings.pools[name]
    parts = {str(part): str(data) for part, data in pool.data.items()}
    # What the makers of stand-ins state is not written yet.
    if pool.kind == "sweep" or pool.errors == "evaluate" or settings.standins:
        return parts
    stated = usable(read_published(PUBLISHED_ERRORS, name), pool.preparation)
    known = set.intersection(*(set(stated.get(model, ())) for model in pool.models))
    return {part: data for part, data in parts.items() if part == "train" or part not in known}
