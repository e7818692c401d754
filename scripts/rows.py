"""Rule rows: write one model's errors and cells as CSV."""

from pathlib import Path

from sharpness.evaluation.plan import Plan, write_rows
from sharpness.evaluation.radii import read_radii
from sharpness.io.files import model_entry, read_json
from sharpness.io.job import job

with job(snakemake):
    model = snakemake.wildcards.model
    radii = next(map(read_radii, snakemake.input.get("radii", [])), None)
    write_rows(
        model_entry(read_json(snakemake.input[0]), model, snakemake.input[0]),
        Path(snakemake.input[0]).parents[1] / "state" / model,
        Plan.parse(snakemake.params.plan, radii).rows(),
        **dict(snakemake.output.items()),
        evaluated=snakemake.input[0],
    )
