"""Rule pool: one row per model, refused where a file is not what is wanted."""

from sharpness.frames import read_frame
from sharpness.job import job
from sharpness.plan import Plan
from sharpness.pool import Sources, assemble, write_pool

with job(snakemake):
    files = (snakemake.input.errors, snakemake.input.sharpness, snakemake.input.weights)
    named = zip(snakemake.params.models, *files, snakemake.params.evaluated, strict=True)
    sources = [Sources(*found) for found in named]
    wanted = Plan.parse(snakemake.params.plan).rows()
    models = read_frame(snakemake.input.models)
    table = assemble(models, sources, wanted, snakemake.params.max_test_error)
    write_pool(table, snakemake.output[0])
