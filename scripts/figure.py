"""Rule figure: one entry of the catalogue, as PDF and PNG."""

from pathlib import Path

from sharpness.correlation import read_pool
from sharpness.figures.catalogue import Figure
from sharpness.figures.drawing import draw
from sharpness.job import job

with job(snakemake):
    draw(
        Figure(**snakemake.params.entry),
        {name: read_pool(path) for name, path in snakemake.input.items()},
        Path(snakemake.output[0]).with_suffix(""),
        snakemake.params.note,
        snakemake.params.defaults,
    )
