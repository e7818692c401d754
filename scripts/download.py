"""Rule download: published models, verified and converted; from where makes no difference."""

from sharpness.config import validated
from sharpness.job import job
from sharpness.pools.download import obtain
from sharpness.pools.table import Member

with job(snakemake):
    params = snakemake.params
    places = validated(snakemake.config).places(params.standin)
    for member, out in zip(params.members, snakemake.output, strict=True):
        obtain(
            Member(**member),
            params.format,
            params.network,
            out,
            keep=params.keep,
            standin=bool(params.standin),
            **places,
        )
