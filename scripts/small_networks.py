"""Rule small_networks_pool: train and measure models of one pool; no rows without their data."""

from sharpness.data.locate import read_record
from sharpness.io.files import write_csv
from sharpness.io.job import job
from sharpness.studies.hammoud import COLUMNS
from sharpness.studies.hammoud.pool import model_rows

with job(snakemake):
    found = model_rows(
        snakemake.wildcards.network,
        snakemake.wildcards.procedure,
        snakemake.params.procedure,
        read_record(snakemake.input[0]),
        int(snakemake.wildcards.base),
        snakemake.params.models,
        snakemake.params.examples,
        snakemake.params.state,
    )
    write_csv(snakemake.output[0], found, COLUMNS)
