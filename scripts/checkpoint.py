"""Rule checkpoint: the weights, record and curve of one trained model."""

from pathlib import Path

from sharpness.files import read_json
from sharpness.job import job
from sharpness.training.export import export

with job(snakemake):
    model = snakemake.wildcards.model
    state = Path(snakemake.input[0]).parents[1] / "state" / model
    export(read_json(snakemake.input[0])[model], state, **dict(snakemake.output.items()))
