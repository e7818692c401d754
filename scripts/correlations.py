"""Rule correlations: compute Kendall's tau of every cell, target and subgroup of a pool."""

from pathlib import Path

from sharpness.data.locate import read_record
from sharpness.io.files import write_frame
from sharpness.io.job import job
from sharpness.statistics.convergence import convergence
from sharpness.statistics.correlation import (
    correlations,
    read_pool,
    within_subgroups,
    write_correlations,
)
from sharpness.statistics.families import error_kinds, families
from sharpness.statistics.grid import grid
from sharpness.statistics.measures import measures
from sharpness.statistics.protocols import protocols
from sharpness.statistics.reliability import by_cell, read_per_batch

with job(snakemake):
    # Records are optional: a copied pool is correlated without any data set.
    paths = {part: path for part, path in snakemake.params.records.items() if Path(path).exists()}
    records = {part: read_record(path) for part, path in paths.items()}
    pool, by = read_pool(snakemake.input.pool), snakemake.params.subgroups
    batches = by_cell(read_per_batch(snakemake.input.per_batch), [*pool["model"]])
    found = correlations(
        pool,
        by,
        {part: r["reason"] for part, r in records.items() if r["status"] != "present"},
        batches,
        resamples=snakemake.params.resamples,
    )
    write_correlations(snakemake.output.all, found)
    write_correlations(snakemake.output.shown, within_subgroups(found, snakemake.params.shown))
    judged = families(pool, error_kinds(pool), batches, by)
    write_frame(snakemake.output.families, judged)
    amounts = convergence(pool, batches, snakemake.params.usual)
    write_correlations(snakemake.output.convergence, amounts)
    write_correlations(snakemake.output.measures, measures(pool, found))
    both = protocols(pool, found, judged, error_kinds(pool))
    write_correlations(snakemake.output.protocols, both)
    write_correlations(snakemake.output.grid, grid(pool))
