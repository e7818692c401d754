"""Rule small_networks_pool: models of one pool, trained and measured; none without their data."""

from sharpness.data.records import read_record
from sharpness.files import write_csv
from sharpness.job import job
from sharpness.simple.small_networks.models import COLUMNS
from sharpness.simple.small_networks.pool import rows

with job(snakemake):
    found = rows(
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
