"""Rule table: one table of the paper, computed and published coefficients side by side."""

from pathlib import Path

from sharpness.correlation import read_correlations
from sharpness.job import job
from sharpness.tables.table import build_table, read_published
from sharpness.tables.writers import write_table

with job(snakemake):
    found = map(read_correlations, snakemake.input.correlations)
    table = build_table(
        int(snakemake.wildcards.table),
        dict(zip(snakemake.params.pools, found, strict=True)),
        read_published(snakemake.input.published),
        snakemake.params.note,
    )
    write_table(table, Path(snakemake.output[0]).with_suffix(""))
