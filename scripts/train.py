"""Rule train: train the models of one job, each resumed from its own state."""

from pathlib import Path

from sharpness.data.load import load_dataset
from sharpness.data.locate import read_record
from sharpness.io.files import model_entry, write_json
from sharpness.io.job import compute_device, gpu_slot, job
from sharpness.training.hyperparameters import Training, read_models
from sharpness.training.loop import SweepJob, train_models

with job(snakemake), gpu_slot(snakemake.params.device, snakemake.config.get("jobs_per_card", 1)):
    record = read_record(snakemake.input.data)
    sweep = SweepJob(
        seed=snakemake.params.seed,
        architecture=snakemake.params.architecture,
        settings=Training(**snakemake.params.settings),
        device=compute_device(snakemake.params.device),
        images=load_dataset(record["name"], "train", record),
        state=Path(snakemake.output[0]).parents[1] / "state",
    )
    drawn, names = read_models(snakemake.input.models), snakemake.params.models
    models = {name: model_entry(drawn, name, snakemake.input.models) for name in names}
    write_json(snakemake.output[0], train_models(models, names, sweep))
