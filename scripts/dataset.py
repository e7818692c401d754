"""Rule dataset: where a data set lies, fetched and verified if it is to be."""

from sharpness.data import locate
from sharpness.files import write_json
from sharpness.job import job

with job(snakemake.log[0]):
    write_json(snakemake.output[0], locate(snakemake.wildcards.data, snakemake.params.source))
