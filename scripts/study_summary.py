"""Rule study_summary: what a study found, beside what was published."""

from sharpness.job import job
from sharpness.simple.findings import write_findings
from sharpness.simple.showing import summarise

with job(snakemake):
    findings = summarise(snakemake.wildcards.study, dict(snakemake.input.items()))
    write_findings(snakemake.output[0], findings)
