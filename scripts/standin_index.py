"""Rule standin_index: write AugReg's index.csv for the stand-ins of a pool."""

from sharpness.checkpoints.table import PublishedModel
from sharpness.evaluation.published import read_published_errors
from sharpness.io.job import job
from sharpness.mini.augreg_index import write_index

with job(snakemake):
    stated = read_published_errors(snakemake.input[0], snakemake.wildcards.pool)
    errors = {model: parts["test"].error for model, parts in stated.items()}
    members = [PublishedModel(**member) for member in snakemake.params.members]
    write_index(snakemake.output[0], members, errors)
