"""Rule choose: select published models and write them with their hyper-parameters."""

from sharpness.checkpoints.table import choose, read_table, write_models
from sharpness.io.job import job

with job(snakemake):
    members = read_table(snakemake.input[0])
    chosen = choose(members, snakemake.params.take, snakemake.params.seed)
    write_models(chosen, snakemake.output[0])
