"""Rule fetch_item: the files of one published model or data set, in the cache and verified."""

from sharpness.config.required import bring
from sharpness.io.job import job

with job(snakemake):
    params = snakemake.params
    bring(params.files, params.cache, params.mirror, snakemake.output[0])
