"""Rule download: one published model, verified and converted; from where makes no difference."""

from sharpness.job import job
from sharpness.pools.download import obtain
from sharpness.pools.table import Member
from sharpness.validation import validated

with job(snakemake):
    obtain(
        Member(**snakemake.params.member),
        snakemake.params.format,
        snakemake.params.network,
        snakemake.output[0],
        keep=snakemake.params.keep,
        standin=snakemake.params.standin,
        **validated(snakemake.config).places(
            snakemake.wildcards.pool if snakemake.params.standin else ""
        ),
    )
