"""Rule dataset: locate, download and verify a data set, and write its record."""

from sharpness.data.locate import locate
from sharpness.io.files import write_json
from sharpness.io.job import job

with job(snakemake) as terminal:
    found = locate(snakemake.wildcards.data, snakemake.params.source)
    write_json(snakemake.output[0], found)
    if found["status"] != "present":
        print(f"{found['title']} is missing, the rest goes on: {found['reason']}", file=terminal)
