"""Rule checkpoint: write the weights, the training record and the curve of one trained model."""

from pathlib import Path

from sharpness.io.files import model_entry
from sharpness.io.job import job
from sharpness.training.records import export, read_trainings

with job(snakemake):
    model = snakemake.wildcards.model
    state = Path(snakemake.input[0]).parents[1] / "state" / model
    record = model_entry(read_trainings(snakemake.input[0]), model, snakemake.input[0])
    export(record, state, **dict(snakemake.output.items()))
