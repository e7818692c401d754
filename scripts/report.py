"""Rule report: write one page with verdicts, tables and figures, and its provenance beside it."""

from pathlib import Path

from sharpness.data.locate import remarks
from sharpness.io.csv_files import read_frame
from sharpness.io.files import read_rows
from sharpness.io.job import job
from sharpness.report.figures.catalogue import Figure
from sharpness.report.page import write_report
from sharpness.report.page.findings import NAMES
from sharpness.report.page.provenance import checksums, versions, write_provenance
from sharpness.report.page.results import PoolResults, StudyResults
from sharpness.report.tables import build_table, read_published_taus
from sharpness.statistics.correlation import read_correlations, read_pool, read_subgroups
from sharpness.statistics.families import read_families
from sharpness.studies.findings import Study, read_findings

with job(snakemake):
    titles, note = snakemake.params.pools, snakemake.params.note
    pools = dict(zip(titles, map(read_pool, snakemake.input.pools), strict=True))
    found = dict(zip(titles, map(read_correlations, snakemake.input.correlations), strict=True))
    judged = dict(zip(titles, map(read_families, snakemake.input.families), strict=True))
    compared = map(read_frame, snakemake.input.compared)
    errors = dict(zip(snakemake.params.compared, compared, strict=True))
    said = map(read_frame, snakemake.input.facts)
    facts = dict(zip(snakemake.params.compared, said, strict=True))
    within = dict(zip(titles, map(read_subgroups, snakemake.input.subgroups), strict=True))
    tables = [map(read_frame, snakemake.input[name]) for name in NAMES]
    explored = {
        pool: dict(zip(NAMES, frames, strict=True))
        for pool, *frames in zip(titles, *tables, strict=True)
    }
    taken = snakemake.params.taken
    published = read_published_taus(snakemake.input.published)
    headings, rows = read_rows(snakemake.input.departures)
    drawings = {Path(png).stem: png for png in snakemake.input.drawings}
    write_report(
        snakemake.output.page,
        snakemake.params.scale,
        {
            name: PoolResults(
                title,
                pools[name],
                found[name],
                judged[name],
                errors.get(name),
                name in taken,
                facts.get(name),
                within[name],
                explored[name],
            )
            for name, title in titles.items()
        },
        [
            build_table(number, {name: found[name] for name in names}, published, note)
            for number, names in snakemake.params.tables.items()
        ],
        [
            (Figure(**entry), png)
            for entry, png in zip(snakemake.params.entries, snakemake.input.figures, strict=True)
        ],
        [*([note] if note else []), *remarks(snakemake.params.records)],
        {
            name: StudyResults(
                study := Study(**entry),
                read_findings(summary),
                {figure: drawings[figure] for figure in study.figures},
                snakemake.params.study_notes[name],
            )
            for (name, entry), summary in zip(
                snakemake.params.studies.items(), snakemake.input.summaries, strict=True
            )
        },
        measures=next(iter(snakemake.input.all_measures), None),
        published_measures=read_frame(snakemake.input.published_measures),
        published=published,
        departures=[headings, *rows],
        provenance=versions()
        | checksums(
            {
                f"{name}/pool.csv": path
                for name, path in zip(titles, snakemake.input.pools, strict=True)
            }
        ),
    )
    write_provenance(
        snakemake.output.provenance,
        snakemake.config,
        snakemake.params.benchmarks,
        snakemake.config.get("gpus", 0),
    )
