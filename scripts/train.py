"""Rule train: the models of one job, each resumed from its own state."""

from pathlib import Path

from sharpness.cards import card
from sharpness.data.loading import load
from sharpness.data.records import read_record
from sharpness.files import entry, write_json
from sharpness.job import job
from sharpness.machine import compute_device
from sharpness.training.models import read_models
from sharpness.training.settings import Training
from sharpness.training.sweep import Sweep, train_models

with job(snakemake), card(snakemake.params.device, snakemake.config.get("jobs_per_card", 1)):
    record = read_record(snakemake.input.data)
    sweep = Sweep(
        seed=snakemake.params.seed,
        architecture=snakemake.params.architecture,
        settings=Training(**snakemake.params.settings),
        device=compute_device(snakemake.params.device),
        images=load(record["name"], "train", record),
        state=Path(snakemake.output[0]).parents[1] / "state",
    )
    drawn, names = read_models(snakemake.input.models), snakemake.params.models
    models = {name: entry(drawn, name, snakemake.input.models) for name in names}
    write_json(snakemake.output[0], train_models(models, names, sweep))
