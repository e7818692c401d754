"""The standard sheet of figures of a pool of the user's own, from its configuration."""

from __future__ import annotations

from sharpness.config.own import ModelsPool
from sharpness.config.schema import Config
from sharpness.report.figures.catalogue import Figure
from sharpness.report.figures.sheet import colour_of, standard_sheet
from sharpness.statistics.kendall import FEW


def own_sheet(settings: Config, name: str) -> dict[str, Figure]:
    """Return the figures of a pool of the user's own, by id."""
    pool = settings.pools[name]
    assert isinstance(pool, ModelsPool)
    own = list(pool.members.values())
    columns = {key: [model.parameters.get(key, "") for model in own] for key in pool.columns}
    notes = []
    if len(own) < FEW:
        notes.append(f"{len(own)} models only: the interval of τ is wide.")
    if pool.random:
        notes.append(f"{len(pool.random)} of the {len(own)} models have random weights.")
    return standard_sheet(
        name,
        f"{pool.title} (random weights)" if pool.random else pool.title,
        pool.sharpness.radii,
        pool.parts,
        protocol=settings.protocols[0],
        colour=colour_of(columns),
        note=" ".join(notes),
    )
