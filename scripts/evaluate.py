"""Rule evaluate: measure the errors and every cell of the models of one job."""

from pathlib import Path

from sharpness.checkpoints.table import stem
from sharpness.data.locate import read_record, skipped_record
from sharpness.evaluation.datasets import inputs_of_job
from sharpness.evaluation.evaluate import evaluate_models
from sharpness.evaluation.plan import Plan
from sharpness.evaluation.published import errors_for_preprocessing, read_published_errors
from sharpness.evaluation.radii import read_radii
from sharpness.io.files import write_json
from sharpness.io.job import compute_device, gpu_slot, job
from sharpness.training.records import read_training

with (
    job(snakemake) as terminal,
    gpu_slot(snakemake.params.device, snakemake.config.get("jobs_per_card", 1)),
):
    given, params = snakemake.input, snakemake.params
    data = {
        part: read_record(given[part]) if part in given.keys() else skipped_record(name)  # noqa: SIM118
        for part, name in params.parts.items()
    }
    folder, vocabulary = snakemake.config.get("photo_cache"), given.get("vocabulary")
    inputs = inputs_of_job(params.inputs, snakemake.threads, folder, vocabulary)
    if "sample" in given.keys():  # noqa: SIM118
        data["train"]["sample"] = given.sample
    published = {}
    for path in given.get("published", []):
        taken = errors_for_preprocessing(
            read_published_errors(path, snakemake.wildcards.pool), params.preparation
        )
        published |= {stem(model): errors for model, errors in taken.items()}
    found = evaluate_models(
        dict(zip(params.models, given.weights, strict=True)),
        [read_training(path) for path in given.records] if "records" in given.keys() else None,  # noqa: SIM118
        Plan.parse(params.plan, next(map(read_radii, given.get("radii", [])), None)),
        data,
        Path(snakemake.output[0]).parents[1] / "state",
        compute_device(params.device),
        inputs=inputs,
        published=published,
        micro_batch=params.micro_batch,
        classes=params.classes,
        initial=next(iter(given.get("initial", [])), None),
    )
    write_json(snakemake.output[0], found)
    for name, row in found.items():
        if row["failed"]:
            print(f"{name} has no result, the rest goes on: {row['failed']}", file=terminal)
