"""Rule fetch_item: download and verify the files of one published model or data source."""

from sharpness.config.required import bring
from sharpness.io.job import job

with job(snakemake):
    params = snakemake.params
    bring(params.files, params.cache, params.mirror, snakemake.output[0])
