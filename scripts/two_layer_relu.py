"""Rule two_layer_solutions: train an architecture with some seeds and add constructed solutions."""

from sharpness.io.job import compute_device, job
from sharpness.studies.wen.runs import Run
from sharpness.studies.wen.solutions import solutions, write_solutions

with job(snakemake):
    compute_device("cpu")
    found = solutions(
        snakemake.wildcards.architecture,
        map(Run.model_validate, snakemake.params.runs),
        snakemake.params.seeds,
        snakemake.params.schedule,
        snakemake.params.state,
    )
    output = snakemake.output
    write_solutions(found, output.solutions, output.curves, output.weights)
