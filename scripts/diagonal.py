"""Rule diagonal_networks: the networks of one seed, trained together and measured."""

from sharpness.files import write_csv
from sharpness.job import job
from sharpness.machine import compute_device
from sharpness.simple.diagonal.rows import COLUMNS
from sharpness.simple.diagonal.training import rows

with job(snakemake):
    compute_device("cpu")
    params, seed = snakemake.params, int(snakemake.wildcards.seed)
    write_csv(snakemake.output[0], rows(params.networks, params.steps, seed), COLUMNS)
