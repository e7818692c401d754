"""Rule evaluate_own: measure the errors and every cell of the user's own models of one job."""

from pathlib import Path

from sharpness.config import validated
from sharpness.evaluation.own import evaluate_own, open_parts
from sharpness.evaluation.plan import Plan
from sharpness.evaluation.radii import read_radii
from sharpness.io.files import write_json
from sharpness.io.job import compute_device, gpu_slot, job

with (
    job(snakemake) as terminal,
    gpu_slot(snakemake.params.device, snakemake.config.get("jobs_per_card", 1)),
):
    given, params = snakemake.input, snakemake.params
    places = validated(snakemake.config).places()
    parts = open_parts(
        params.parts,
        dict(zip(params.known, given.records, strict=True)),
        places,
        titles=params.titles,
        labels=params.labels,
        sample=next(iter(given.sample), None),
        **params.order,
    )
    found = evaluate_own(
        dict(zip(params.models, given.weights, strict=True)),
        Plan.parse(params.plan, next(map(read_radii, given.radii), None)),
        parts,
        Path(snakemake.output[0]).parents[1] / "state",
        compute_device(params.device),
        places,
        given=params.errors,
        micro_batch=params.micro_batch,
        initial=next(iter(given.initial), None),
    )
    write_json(snakemake.output[0], found)
    for name, row in found.items():
        if row["failed"]:
            print(f"{name} has no result, the rest goes on: {row['failed']}", file=terminal)
        for line in row["warnings"]:
            print(line, file=terminal)
