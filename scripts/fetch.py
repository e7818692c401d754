"""Rule fetch: what was brought, what is to be got by hand, what other machines need."""

from sharpness.config.required import told
from sharpness.io.job import job

with job(snakemake) as terminal:
    for line in told(snakemake.input, snakemake.params.by_hand, snakemake.params.cache):
        print(f"fetch: {line}", file=terminal)
