"""A configuration checked in one line: the key, its value, what is allowed, the nearest name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from sharpness.complaints import complaint
from sharpness.config import Config
from sharpness.config.misfits import misfits
from sharpness.config.reserved import clashes
from sharpness.figures.catalogue import Figure, load_catalogue
from sharpness.problem import Problem
from sharpness.simple.studies import Study, load_studies


def validated(raw: Mapping[str, Any]) -> Config:
    """The typed form of a configuration as Snakemake merged it.

    Raises:
        Problem: in one line: the key, its value, what is wrong, and the nearest valid name.
    """
    try:
        settings = Config.model_validate(dict(raw))
    except ValidationError as error:
        said = complaint(error, _schema())
        raise Problem(f"configuration: {said}") from None
    for name, pool in settings.pools.items():
        try:
            _ = pool.models  # tables of models are read here, before anything runs
        except Problem as problem:
            raise Problem(f"configuration: pools.{name}.checkpoints: {problem}") from None
    try:
        _ = settings.simple.two_layer_relu.catalogue
    except Problem as problem:
        raise Problem(f"configuration: simple.two_layer_relu.runs: {problem}") from None
    for said in misfits(settings):
        raise Problem(f"configuration: {said}")
    return settings


@cache
def _schema() -> dict[str, Any]:
    return Config.model_json_schema()


def catalogues(
    settings: Config, figures: str, studies: str
) -> tuple[dict[str, Figure], dict[str, Study]]:
    """The figures and the studies, none of which has the name of a pool.

    Args:
        settings: of this run.
        figures: file of the figures.
        studies: file of the studies.

    Raises:
        Problem: if a file is no catalogue, or a pool has the name of a target.
    """
    found = load_catalogue(figures), load_studies(studies)
    for name in settings.studies:
        if name not in found[1]:
            raise Problem(f"{studies}: has no study {name!r}, which the configuration names")
    drawn = [name for study in found[1].values() for name in study.figures]
    for said in clashes(settings, [*found[0], *drawn]):
        raise Problem(f"configuration: {said}")
    return found
