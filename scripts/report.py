"""Rule report: one page with verdicts, tables and figures."""

from sharpness.correlation import read_correlations, read_pool
from sharpness.figures.catalogue import Figure
from sharpness.job import job
from sharpness.report.page import write_report
from sharpness.tables.table import build_table, read_published

with job(snakemake.log[0]):
    names, note = snakemake.params.pools, snakemake.params.note
    pools = dict(zip(names, map(read_pool, snakemake.input.pools), strict=True))
    found = dict(zip(names, map(read_correlations, snakemake.input.correlations), strict=True))
    published = read_published(snakemake.input.published)
    write_report(
        snakemake.output[0],
        snakemake.params.scale,
        {name: (pools[name], found[name]) for name in names},
        [
            build_table(number, name, found[name], published, note)
            for number, name in snakemake.params.tables.items()
        ],
        [
            (Figure(**entry), png)
            for entry, png in zip(snakemake.params.entries, snakemake.input.figures, strict=True)
        ],
        [note] if note else [],
    )
