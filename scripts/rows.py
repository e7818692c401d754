"""Rule rows: one model's errors and cells as CSV."""

from pathlib import Path

from sharpness.files import entry, read_json
from sharpness.job import job
from sharpness.plan import Plan
from sharpness.rows import write_rows

with job(snakemake):
    model = snakemake.wildcards.model
    write_rows(
        entry(read_json(snakemake.input[0]), model, snakemake.input[0]),
        Path(snakemake.input[0]).parents[1] / "state" / model,
        Plan.parse(snakemake.params.plan).rows(),
        **dict(snakemake.output.items()),
        evaluated=snakemake.input[0],
    )
