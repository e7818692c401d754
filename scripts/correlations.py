"""Rule correlations: compute Kendall's tau of every cell, target and subgroup of a pool."""

from pathlib import Path

from sharpness.data.locate import read_record
from sharpness.io.files import write_frame
from sharpness.io.job import job
from sharpness.statistics.correlation import (
    correlations,
    read_pool,
    within_subgroups,
    write_correlations,
)
from sharpness.statistics.families import error_kinds, families

with job(snakemake):
    # Records are optional: a copied pool.csv is correlated without any data set.
    paths = {part: path for part, path in snakemake.params.records.items() if Path(path).exists()}
    records = {part: read_record(path) for part, path in paths.items()}
    pool = read_pool(snakemake.input[0])
    found = correlations(
        pool,
        snakemake.params.subgroups,
        {part: r["reason"] for part, r in records.items() if r["status"] != "present"},
        resamples=snakemake.params.resamples,
    )
    write_correlations(snakemake.output.all, found)
    write_correlations(snakemake.output.shown, within_subgroups(found, snakemake.params.shown))
    write_frame(snakemake.output.families, families(pool, error_kinds(pool)))
