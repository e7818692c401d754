"""Rule fetch_item: download and verify the files of one published model or data source."""

from sharpness.config.required import download_item
from sharpness.io.job import job

with job(snakemake):
    params = snakemake.params
    download_item(params.files, params.cache, params.mirror, snakemake.output[0])
