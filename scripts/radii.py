"""Rule radii: find the radii at which the loss of a pool's first models rises by given amounts."""

from sharpness.data.locate import read_record
from sharpness.evaluation.datasets import EvalDatasets, inputs_of_job
from sharpness.evaluation.plan import Plan
from sharpness.evaluation.rise import radii_of_known, write_radii
from sharpness.io.job import compute_device, gpu_slot, job
from sharpness.training.records import read_training

with (
    job(snakemake),
    gpu_slot(snakemake.params.device, snakemake.config.get("jobs_per_card", 1)),
):
    given, params = snakemake.input, snakemake.params
    auto, (protocol, *_) = params.plan["auto"], params.plan["protocols"]
    plan = Plan.parse(params.plan, {word: [] for word in auto})
    train = read_record(given.train)
    folder, vocabulary = snakemake.config.get("photo_cache"), given.get("vocabulary")
    inputs = inputs_of_job(params.inputs, snakemake.threads, folder, vocabulary)
    if "sample" in given.keys():  # noqa: SIM118
        train["sample"] = given.sample
    found, models = radii_of_known(
        dict(zip(params.models, given.weights, strict=True)),
        [read_training(path) for path in given.records] if "records" in given.keys() else None,  # noqa: SIM118
        plan,
        auto,
        protocol,
        EvalDatasets({"train": train}, inputs, params.classes),
        compute_device(params.device),
        params.micro_batch,
    )
    write_radii(snakemake.output[0], found, models, plan, protocol)
