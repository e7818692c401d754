"""Rule sample: draw the training examples that evaluations use."""

from sharpness.data.listing import write_sample
from sharpness.data.locate import read_record
from sharpness.io.job import job

with job(snakemake):
    write_sample(
        snakemake.output[0],
        snakemake.wildcards.data,
        read_record(snakemake.input[0]),
        **snakemake.params.sample,
    )
