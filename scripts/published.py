"""Rule published: compare the publishers' errors with the evaluated ones."""

from sharpness.evaluation.published import (
    compare,
    errors_for_preprocessing,
    read_published_errors,
)
from sharpness.io.files import write_frame
from sharpness.io.job import job
from sharpness.statistics.correlation import read_pool

with job(snakemake):
    stated = {}
    for path in snakemake.input.published:
        stated |= read_published_errors(path, snakemake.wildcards.pool)
    preparation = snakemake.params.preparation
    taken = (
        errors_for_preprocessing(stated, preparation)
        if snakemake.params.errors == "published"
        else {}
    )
    table = compare(read_pool(snakemake.input.pool), stated, preparation, taken)
    write_frame(snakemake.output[0], table)
