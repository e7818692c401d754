"""Rule pool: check all files of a pool against the settings and write one row per model."""

from pathlib import Path

from sharpness.data.locate import read_record
from sharpness.data.registry import TITLES
from sharpness.evaluation.guard import ModelFiles, check_conversions, check_trainings
from sharpness.evaluation.plan import Plan
from sharpness.evaluation.radii import read_radii
from sharpness.evaluation.results import assemble, write_per_batch, write_pool
from sharpness.io.csv_files import read_frame
from sharpness.io.files import write_json
from sharpness.io.job import job

with job(snakemake):
    given, wanted = snakemake.input, snakemake.params.wanted
    made_for = Path(snakemake.output.pool).with_name("settings.json")
    write_json(made_for, {})  # if this job fails, it is planned again
    files = (given.errors, given.sharpness, given.per_batch, given.weights)
    named = zip(wanted["models"], *files, strict=True)
    sources = [ModelFiles(name, *map(Path, paths)) for name, *paths in named]
    located = {p: path for p, path in snakemake.params.records.items() if Path(path).exists()}
    titles = {part: TITLES.get(name, name) for part, name in wanted["data"].items()}
    titles |= {part: read_record(path)["title"] for part, path in located.items()}
    if given.training:
        asked = {**wanted["made"], "data": {"title": titles["train"]}}
        check_trainings(sources, given.training, asked)
    else:
        check_conversions(sources, wanted["made"])
    cells = Plan.parse(wanted["plan"], next(map(read_radii, given.radii), None)).rows()
    table = assemble(read_frame(given.models), sources, cells, titles, wanted["max_test_error"])
    write_pool(table, snakemake.output.pool)
    write_per_batch(table, sources, snakemake.output.per_batch)
    write_json(made_for, wanted)
