"""Rule draw: draw the hyper-parameters of every model of a sweep."""

from sharpness.io.job import job
from sharpness.training.hyperparameters import Space, write_models

with job(snakemake):
    write_models(
        snakemake.params.models,
        snakemake.params.seed,
        Space(**snakemake.params.space),
        snakemake.output[0],
    )
