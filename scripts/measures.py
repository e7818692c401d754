"""Rule measures: draw τ of all measures beside the headline cells, a column a pool."""

from pathlib import Path

from sharpness.io.csv_files import read_frame
from sharpness.io.job import job
from sharpness.report.figures.measures import draw_measures

with job(snakemake):
    params = snakemake.params
    pools = dict(zip(params.pools, map(read_frame, snakemake.input), strict=True))
    draw_measures(pools, Path(snakemake.output.pdf).with_suffix(""), params.title, params.note)
