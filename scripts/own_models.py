"""Rule own_models: write the user's own models with hyper-parameters and origin of the weights."""

from sharpness.evaluation.own_models import write_own_models
from sharpness.io.job import job

with job(snakemake):
    write_own_models(snakemake.params.parameters, snakemake.input.weights, snakemake.output[0])
