"""Rule bring+...: load the user's own models of one job and save their checkpoints."""

from sharpness.config import validated
from sharpness.data.locate import read_record
from sharpness.io.errors import UserError
from sharpness.io.job import compute_device, job
from sharpness.sources.bring import bring
from sharpness.sources.data import open_data

with job(snakemake):
    params = snakemake.params
    compute_device("cpu")
    places = validated(snakemake.config).places()
    record = next(map(read_record, snakemake.input.get("record", [])), None)
    if record and snakemake.input.sample:
        record["sample"] = snakemake.input.sample[0]
    train = open_data(params.data, "train", places, record=record, **params.order)
    for model, out in zip(params.models, snakemake.output, strict=True):
        try:
            bring(**model, classes=len(train.classes), places=places, out=out, inputs=params.inputs)
        except UserError as problem:
            raise UserError(f"{params.table}: {problem}") from None
