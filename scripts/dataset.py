"""Rule dataset: where a data set lies, fetched and verified if it is to be."""

from sharpness.data.locate import locate
from sharpness.io.files import write_json
from sharpness.io.job import job

with job(snakemake) as terminal:
    found = locate(snakemake.wildcards.data, snakemake.params.source)
    write_json(snakemake.output[0], found)
    if found["status"] != "present":
        print(f"{found['title']} is missing, the rest goes on: {found['reason']}", file=terminal)
