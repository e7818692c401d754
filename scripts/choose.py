"""Rule choose: which of the published models are taken, with their hyper-parameters."""

from sharpness.job import job
from sharpness.pools.table import choose, read_table, write_models

with job(snakemake):
    members = read_table(snakemake.input[0])
    chosen = choose(members, snakemake.params.take, snakemake.params.seed)
    write_models(chosen, snakemake.output[0])
