"""Rule table: write one table of the paper with computed and published coefficients."""

from pathlib import Path

from sharpness.io.job import job
from sharpness.report.tables import build_table, read_published_taus
from sharpness.report.tables.writers import write_table
from sharpness.statistics.correlation import read_correlations

with job(snakemake):
    found = map(read_correlations, snakemake.input.correlations)
    table = build_table(
        int(snakemake.wildcards.table),
        dict(zip(snakemake.params.pools, found, strict=True)),
        read_published_taus(snakemake.input.published),
        snakemake.params.note,
    )
    write_table(table, Path(snakemake.output[0]).with_suffix(""))
