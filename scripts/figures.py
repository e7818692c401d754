"""Rules figures+...: entries of the catalogue that show the same pools, as PDF and PNG."""

from pathlib import Path

from sharpness.correlation import read_pool
from sharpness.figures.catalogue import Figure
from sharpness.figures.drawing import draw
from sharpness.job import job

with job(snakemake):
    params = snakemake.params
    pools = dict(zip(params.pools, map(read_pool, snakemake.input), strict=True))
    for entry, pdf in zip(params.entries, snakemake.output.pdf, strict=True):
        stem = Path(pdf).with_suffix("")
        draw(Figure(**entry), pools, stem, params.note, params.defaults)
