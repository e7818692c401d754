"""Rule evaluate: the errors and every cell of the models of one job."""

from pathlib import Path

from sharpness.evaluation import evaluate_models
from sharpness.files import read_json, write_json
from sharpness.job import job
from sharpness.machine import compute_device
from sharpness.plan import Plan

with job(snakemake.log[0]):
    found = evaluate_models(
        dict(zip(snakemake.params.models, snakemake.input.weights, strict=True)),
        [read_json(path) for path in snakemake.input.records],
        Plan.parse(snakemake.params.plan),
        {part: read_json(snakemake.input[part]) for part in snakemake.params.parts},
        Path(snakemake.output[0]).parents[1] / "state",
        compute_device(snakemake.params.device),
    )
    write_json(snakemake.output[0], found)
