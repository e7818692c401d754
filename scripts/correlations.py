"""Rule correlations: Kendall's tau of every cell, target and subgroup of a pool."""

from sharpness.correlation import correlations, read_pool, write_correlations
from sharpness.job import job

with job(snakemake.log[0]):
    found = correlations(read_pool(snakemake.input[0]), resamples=snakemake.params.resamples)
    write_correlations(snakemake.output[0], found)
