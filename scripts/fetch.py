"""Rule fetch: print what was downloaded, what to get by hand, and what offline machines need."""

from sharpness.config.required import closing_messages
from sharpness.io.job import job

with job(snakemake) as terminal:
    for line in closing_messages(snakemake.input, snakemake.params.by_hand, snakemake.params.cache):
        print(f"fetch: {line}", file=terminal)
