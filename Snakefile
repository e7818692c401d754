"""Measure whether sharpness predicts generalization for pools of models.

    checkpoints or training  ->  evaluation  ->  correlation  ->  tables, figures, report

Targets: all, tables, figures, each figure (fig38), each pool (cifar10-vit), each simple study
(linear, diagonal, small_networks, two_layer_relu), fetch (all downloads).
"""

import logging
import os
import re
import sys

if odd := re.search(r"[\s'\"\\$&;|<>()*?\[\]{}!#:`]", f"{sys.executable}{os.getcwd()}"):
    sys.exit(
        f"{os.getcwd()}: the path of the project or of its Python has a space or another sign of "
        f"the shell ({odd[0]!r}), in which Snakemake cannot run jobs; move the project to a path "
        "of letters, digits, '-', '_' and '.', and type make again"
    )
try:
    from sharpness.config import validated
    from sharpness.io.errors import UserError
    from sharpness.io.files import check_writable, read_yaml
    from sharpness.io.job import draw_to_files
    from sharpness.report.figures.catalogue import load_catalogue
    from sharpness.studies.findings import load_studies
except ModuleNotFoundError as missing:
    sys.exit(f"{missing}: run `make`, then `source .venv/bin/activate`, and snakemake again")


configfile: "config.yaml"


draw_to_files()
try:
    for path in workflow.configfiles:
        read_yaml(path)  # refuses a key that is there twice, which Snakemake does not
    settings = validated(config)
    CATALOGUE = load_catalogue("resources/figures.yaml")
    KNOWN_STUDIES = load_studies("resources/studies.yaml")
except UserError as problem:
    sys.exit(str(problem))


container: "envs/sharpness.sif"


report: "report/workflow.rst"


pathvars:
    results=f"{settings.results}/{settings.scale}",
    logs=f"{settings.results}/{settings.scale}/logs",
    benchmarks=f"{settings.results}/{settings.scale}/benchmarks",


include: "rules/common.smk"
include: "rules/fetch.smk"
include: "rules/data.smk"
include: "rules/checkpoints.smk"
include: "rules/training.smk"
include: "rules/evaluation.smk"
include: "rules/models.smk"
include: "rules/correlation.smk"
include: "rules/simple.smk"
include: "rules/figures.smk"


if workflow.is_main_process:
    # On a full disk, Snakemake's own logging would fill the terminal with tracebacks.
    logging.raiseExceptions = False
    try:
        check_writable(settings.home, ".snakemake")
    except UserError as problem:
        sys.exit(str(problem))
    # Snakemake's own records of settings may be lost, or overruled by --touch.
    for pool in settings.pools:
        notice_changes(pool)


rule all:
    default_target: True
    input:
        "<results>/report.html",
        rules.tables.input,
        rules.figures.input,


for figure in [*FIGURES, *STUDY_FIGURES]:

    rule:
        name:
            figure
        input:
            f"<results>/figures/{figure}.pdf",


for pool in settings.pools:

    rule:
        name:
            pool
        input:
            f"<results>/{pool}/correlations.csv",
            expand("<results>/figures/{figure}.pdf", figure=SHEETS.get(pool, [])),


for study in STUDIES:

    rule:
        name:
            study
        input:
            f"<results>/simple/{study}/summary.csv",
            expand("<results>/figures/{figure}.pdf", figure=STUDIES[study].figures),
