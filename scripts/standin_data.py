"""Rule standin_data: write the stand-in data sets in the published formats and places."""

from pathlib import Path

from sharpness.io.files import write_json
from sharpness.io.job import job
from sharpness.mini.data_sets import write_data

with job(snakemake):
    listed = Path(snakemake.output[0])
    write_json(listed, write_data(listed.with_suffix("")))
