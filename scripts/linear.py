"""Rule linear_curves: sharpness against the scale of a linear model's weights."""

from sharpness.files import write_csv
from sharpness.job import job
from sharpness.simple.linear.curves import COLUMNS, curves

with job(snakemake):
    write_csv(snakemake.output[0], curves(snakemake.params.seed), COLUMNS)
