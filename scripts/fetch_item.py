"""Rule fetch_item: the files of one published model or data set, in the cache and verified."""

from sharpness.fetching import bring
from sharpness.job import job

with job(snakemake):
    params = snakemake.params
    bring(params.files, params.cache, params.mirror, snakemake.output[0])
