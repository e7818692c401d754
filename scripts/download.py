"""Rule download: download, verify and convert published models or their stand-ins."""

from sharpness.checkpoints.convert import download_checkpoint
from sharpness.checkpoints.table import PublishedModel
from sharpness.config import validated
from sharpness.io.job import job

with job(snakemake):
    params = snakemake.params
    places = validated(snakemake.config).places(params.standin)
    for member, out in zip(params.members, snakemake.output, strict=True):
        download_checkpoint(
            PublishedModel(**member),
            params.format,
            params.network,
            out,
            keep=params.keep,
            standin=bool(params.standin),
            **places,
        )
