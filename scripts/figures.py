"""Rules figures+...: draw the figures that show the same pools, with their τ."""

from pathlib import Path

from sharpness.io.job import job
from sharpness.report.figures.catalogue import Figure
from sharpness.report.figures.drawing import draw_figure
from sharpness.statistics.correlation import read_pool

with job(snakemake):
    params = snakemake.params
    pools = dict(zip(params.pools, map(read_pool, snakemake.input), strict=True))
    for entry, pdf in zip(params.entries, snakemake.output.pdf, strict=True):
        stem = Path(pdf).with_suffix("")
        draw_figure(Figure(**entry), pools, stem, params.note, params.defaults)
