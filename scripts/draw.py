"""Rule draw: the hyper-parameters of every model of a sweep."""

from sharpness.job import job
from sharpness.training.models import write_models
from sharpness.training.settings import Space

with job(snakemake):
    write_models(
        snakemake.params.models,
        snakemake.params.seed,
        Space(**snakemake.params.space),
        snakemake.output[0],
    )
