"""Rule study_figure: one figure of a study, as PDF and PNG."""

from pathlib import Path

from sharpness.job import job
from sharpness.simple.showing import draw

with job(snakemake):
    draw(
        snakemake.params.study,
        snakemake.wildcards.figure,
        dict(snakemake.input.items()),
        Path(snakemake.output[0]).with_suffix(""),
        snakemake.params.title,
        snakemake.params.note,
    )
