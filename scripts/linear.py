"""Rule linear_curves: compute sharpness against the scale of a linear model's weights."""

from sharpness.io.files import write_csv
from sharpness.io.job import job
from sharpness.studies.linear.curves import COLUMNS, curves

with job(snakemake):
    write_csv(snakemake.output[0], curves(snakemake.params.seed), COLUMNS)
