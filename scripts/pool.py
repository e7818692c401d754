"""Rule pool: one row per model, refused where a file is not what is wanted."""

import pandas as pd

from sharpness.job import job
from sharpness.plan import Plan
from sharpness.pool import Sources, assemble, write_pool

with job(snakemake.log[0]):
    files = (snakemake.input.errors, snakemake.input.sharpness, snakemake.input.weights)
    sources = [Sources(*found) for found in zip(snakemake.params.models, *files, strict=True)]
    wanted = Plan.parse(snakemake.params.plan).rows()
    write_pool(assemble(pd.read_csv(snakemake.input.models), sources, wanted), snakemake.output[0])
