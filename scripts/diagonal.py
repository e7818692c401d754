"""Rule diagonal_networks: train and measure the diagonal linear networks of one seed."""

from sharpness.io.files import write_csv
from sharpness.io.job import compute_device, job
from sharpness.studies.diagonal.figure7 import COLUMNS
from sharpness.studies.diagonal.networks import network_rows

with job(snakemake):
    compute_device("cpu")
    params, seed = snakemake.params, int(snakemake.wildcards.seed)
    write_csv(snakemake.output[0], network_rows(params.networks, params.steps, seed), COLUMNS)
