"""Rules study+...: write the findings of a study beside the published ones, and its figures."""

from pathlib import Path

from sharpness.io.job import job
from sharpness.studies.findings import write_findings
from sharpness.studies.showing import draw_study, summarise_study

with job(snakemake):
    params, files = snakemake.params, dict(snakemake.input.items())
    write_findings(snakemake.output.summary, summarise_study(params.study, files))
    for (figure, title), pdf in zip(params.titles.items(), snakemake.output.pdf, strict=True):
        draw_study(params.study, figure, files, Path(pdf).with_suffix(""), title, params.note)
