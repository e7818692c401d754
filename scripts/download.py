"""Rule download: one published model, verified and converted; from where makes no difference."""

from sharpness.config import validated
from sharpness.job import job
from sharpness.pools.download import obtain
from sharpness.pools.table import Member

with job(snakemake):
    obtain(
        Member(**snakemake.params.member),
        snakemake.params.format,
        snakemake.params.network,
        snakemake.output[0],
        keep=snakemake.params.keep,
        **validated(snakemake.config).places(standin=snakemake.params.standin),
    )
