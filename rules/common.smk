"""Constants, input functions and params shared by the rules. Needs and makes no file.

Each rule's params include the version of its code: for cheap rules a digest of the script and its
imports; for expensive rules, and rules whose outputs these read, a REVISION number, because
Snakemake also reruns everything downstream of a planned job.
"""

import time
from dataclasses import asdict
from pathlib import Path

from sharpness.checkpoints.convert import REVISION as FORMATS_REVISION
from sharpness.checkpoints.table import stem
from sharpness.config.required import PUBLISHED_ERRORS, VOCABULARY, needed_data, needed_parts
from sharpness.config.sheet import own_sheet
from sharpness.data.listing import SAMPLE_REVISION
from sharpness.data.locate import REVISION as RECORDS_REVISION
from sharpness.data.locate import within_reach
from sharpness.evaluation.augreg_index import ROW as AUGREG_INDEX
from sharpness.evaluation.augreg_index import file_stem, index_reachable
from sharpness.evaluation.plan import REVISION
from sharpness.evaluation.radii import MODELS as RADII_MODELS
from sharpness.evaluation.radii import REVISION as RADII_REVISION
from sharpness.io.download import download_named, place
from sharpness.io.files import json_text, write_json
from sharpness.io.source_digest import source_digest
from sharpness.mini import DATA_REVISION as STANDIN_DATA_REVISION
from sharpness.mini import REVISION as STANDINS_REVISION
from sharpness.report.figures.catalogue import as_standin, panels_within
from sharpness.sources.grammar import own_module, parse_data, parse_model
from sharpness.studies.diagonal import REVISION as DIAGONAL_REVISION
from sharpness.studies.hammoud.procedures import DATA as DATA_OF
from sharpness.studies.hammoud.procedures import REVISION as SMALL_NETWORKS_REVISION
from sharpness.studies.wen.runs import REVISION as TWO_LAYER_REVISION
from sharpness.training.hyperparameters import REVISION as TRAINING_REVISION
from sharpness.training.records import REVISION as CHECKPOINT_REVISION

OWN = [name for name, pool in settings.pools.items() if pool.kind == "models"]
SHEETS = {name: own_sheet(settings, name) for name in OWN}
for sheet in SHEETS.values():
    CATALOGUE |= sheet
FIGURES = [name for name in CATALOGUE if set(CATALOGUE[name].pools) <= set(settings.pools)]
DRAWN_FROM = {
    pools: [name for name in FIGURES if CATALOGUE[name].pools == pools]
    for pools in sorted({CATALOGUE[name].pools for name in FIGURES})
}
MEASURED = settings.measured
MEASURES_TITLE = "Measures beside the headline ones: τ with error and gap (exploratory)"
TABLES = {
    number: [name for name, pool in settings.pools.items() if pool.table == number]
    for number in sorted({pool.table for pool in settings.pools.values()} - {None})
}
SWEEPS = [name for name, pool in settings.pools.items() if pool.kind == "sweep"]
PUBLISHED = [name for name, pool in settings.pools.items() if pool.kind == "published"]
SAMPLED = ["imagenet", "mnli"]
STUDIES = {name: study for name, study in KNOWN_STUDIES.items() if name in settings.studies}
if "two_layer_relu" in STUDIES:
    drawn = settings.simple.two_layer_relu.catalogue.drawn
    STUDIES["two_layer_relu"] = STUDIES["two_layer_relu"].model_copy(update={"figures": drawn})
STUDY_FIGURES = [figure for study in STUDIES.values() for figure in study.figures]
SMALL_JOBS = settings.simple.small_networks.jobs
STUDIED_DATA = settings.simple.small_networks.data if "small_networks" in STUDIES else []
try:
    PARTS = needed_parts(settings)
except UserError as problem:
    sys.exit(f"configuration: {problem}")
WANTED = {name: settings.wanted(name) for name in settings.pools}
OWN_ORDER = {
    name: {
        "seed": settings.sample.seed,
        "most": max(settings.sample.examples, settings.pools[name].sharpness.points),
    }
    for name in OWN
}
TWO_LAYER_JOBS = settings.simple.two_layer_relu.jobs
NAME = r"[A-Za-z0-9~][A-Za-z0-9._~-]*"


def one_of(names):
    """Return a pattern that matches exactly these names, or nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    pool=one_of(settings.pools),
    model=NAME,
    first=NAME,
    data=NAME,
    table=one_of(map(str, TABLES)),


def doubled(first):
    """Return a resource function that requests twice as much at each further attempt."""
    return lambda wildcards, attempt: first * 2 ** (attempt - 1)


def drawing(figure, title, format, caption):
    """Return a file of a figure, flagged for Snakemake's own report (`--report`)."""
    return report(
        f"<results>/figures/{figure}.{format.lower()}",
        caption=f"../report/{caption}.rst",
        category="Simple studies" if caption == "study" else "Figures",
        labels={"figure": figure, "shows": title, "format": format},
    )


def entry_of(figure):
    """Return a figure's entry in the catalogue, which says so where data sets are stand-ins."""
    entry = CATALOGUE[figure]
    data = {name for pool in entry.pools for name in settings.pools[pool].known_data.values()}
    standin = any(settings.source(name)["standin"] for name in data)
    shown = as_standin(entry) if standin else entry
    return shown.model_dump(exclude=None if shown.parts else {"parts"})


def pool_of(wildcards):
    """Return the settings of the pool that the wildcards name."""
    return settings.pools[wildcards.pool]


def models_of(wildcards):
    """Return the stems of the models of a job, which is named by its first model."""
    return pool_of(wildcards).jobs[wildcards.first]


def member_of(wildcards):
    """Return the published model whose stem the wildcards name."""
    return pool_of(wildcards).converted[wildcards.model]


def plan_of(wildcards):
    """Return the evaluation plan of the pool's models."""
    return WANTED[wildcards.pool]["plan"]


def notice_changes(pool):
    """Trigger rule pool if pool.csv was made with other settings, even if Snakemake has no record.

    The trigger is the input ``changed.json``: newer than pool.csv, and with new content each time.
    """
    made_for = Path(settings.home, pool, "settings.json")
    wanted = json_text(WANTED[pool]).encode()
    if made_for.exists() and made_for.read_bytes() != wanted:
        write_json(made_for.with_name("changed.json"), {"noticed": time.time()})


def changed(wildcards):
    """Return the file that `notice_changes` has written, if any."""
    path = f"{settings.home}/{wildcards.pool}/changed.json"
    return [path] if exists(path) else []


def of_job(pattern):
    """Return an input function: the file of a model's job, with {first} for its first model."""
    return lambda wildcards: pattern.format(
        pool=wildcards.pool, first=pool_of(wildcards).first_of[wildcards.model]
    )


def of_each_model(pattern):
    """Return an input function: one file per model of the job, or of the pool without a job."""

    def paths(wildcards):
        pool = pool_of(wildcards)
        stems = pool.jobs[wildcards.first] if hasattr(wildcards, "first") else pool.stems
        return [pattern.format(pool=wildcards.pool, model=stem) for stem in stems]

    return paths


def trainings_of(wildcards):
    """Return the training records of a sweep's models; none for other models."""
    if pool_of(wildcards).kind != "sweep":
        return []
    return of_each_model("<results>/{pool}/training/{model}.json")(wildcards)


def of_each_part(wildcards):
    """Return the record of each data set that the pool's evaluation reads, by part."""
    return settings.records(PARTS[wildcards.pool])


def beside_the_parts(wildcards):
    """Return the other inputs of an evaluation: training records, initial weights, sample, ..."""
    pool, found = pool_of(wildcards), {}
    if pool.kind == "sweep":
        return {"records": trainings_of(wildcards)}
    if initial := initial_checkpoint(wildcards):
        found["initial"] = initial
    if pool.data["train"] in SAMPLED:
        found["sample"] = f"<results>/data/{pool.data['train']}-sample.csv"
    if pool.inputs and pool.inputs.name == "tokens":
        found["vocabulary"] = f"<results>/data/{VOCABULARY}.json"
    if pool.errors == "published":
        found["published"] = published_errors(wildcards)
    return found


def found_radii(wildcards):
    """Return the file of radii, if any are to be found."""
    auto = "auto" in WANTED[wildcards.pool]["plan"]
    return [f"<results>/{wildcards.pool}/radii.json"] if auto else []


def models_for_radii(wildcards):
    """Return the stems of the models among which radii are found.

    Which models of a sweep are measured is known once they are trained.
    """
    pool = pool_of(wildcards)
    return [*pool.stems][: None if pool.kind == "sweep" else RADII_MODELS]


def plan_for_radii(wildcards):
    """Return the plan of a search for radii, in which only what has none is named."""
    plan = {**plan_of(wildcards), "cells": []}
    plan.pop("initial", None)
    if "measures" in plan:
        sought = plan["auto"]
        plan["measures"] = {word: n for word, n in plan["measures"].items() if word in sought}
    return plan


def beside_the_radii(wildcards):
    """Return the other inputs of a search for radii: the training data, and what they need."""
    needed = {"train": of_each_part(wildcards)["train"], **beside_the_parts(wildcards)}
    return {key: path for key, path in needed.items() if key not in ("published", "initial")}


def initial_checkpoint(wildcards):
    """Return the checkpoint from which all models were trained, if it is known and needed."""
    name = plan_of(wildcards).get("initial")
    return [f"<results>/{wildcards.pool}/checkpoints/{stem(name)}.safetensors"] if name else []


def published_errors(wildcards):
    """Return the table of published errors; for stand-ins theirs, or none by a copied pool.csv."""
    if not settings.standins:
        return [PUBLISHED_ERRORS]
    standin = f"{settings.home}/standin/{wildcards.pool}.csv"
    copied = exists(f"{settings.home}/{wildcards.pool}/pool.csv") and not exists(standin)
    return [] if copied else [standin]


def index_stems(wildcards):
    """Return the stem of each model's file as AugReg's index has it; none for other formats."""
    pool = pool_of(wildcards)
    if pool.checkpoints.format != "augreg":
        return {}
    return {name: file_stem(member) for name, member in pool.members.items()}


def index_places(wildcards):
    """Return where AugReg's index is fetched from; for stand-ins, among theirs."""
    standin = wildcards.pool if settings.standins else ""
    return {**settings.places(standin), "standin": settings.standins}


def standin_index(wildcards):
    """Return the index of a pool's stand-ins; none for other pools or by a copied pool.csv."""
    if not (settings.standins and index_stems(wildcards) and published_errors(wildcards)):
        return []
    where = place(download_named(AUGREG_INDEX).url)
    return [f"{settings.home}/standin/{wildcards.pool}/mirror/{where}"]


def given_path(wildcards):
    """Return the existing paths that the user named, so that adding or removing one reruns."""
    source = settings.source(wildcards.data)
    if source["standin"]:
        return ["<results>/standin/data.json"]
    named = [source[key] for key in ("file", "folder", "holdout")]
    return [path for path in named if path and exists(path)]


def own_models(pool, stems):
    """Return name, source and metadata of own models; `save_model` adds the rest, ``own``."""
    own = settings.pools[pool]
    names = [own.stems[stem] for stem in stems]
    made = own.made(settings.standins)
    return [
        {
            "name": name,
            "source": asdict(own.members[name].source),
            "metadata": {key: value for key, value in made[name].items() if key != "own"},
        }
        for name in names
    ]


def own_checkpoints(pool, stems):
    """Return the existing local files and folders from which models are loaded."""
    own = settings.pools[pool]
    sources = [own.members[own.stems[stem]].source for stem in stems]
    named = [source.checkpoint for source in sources]
    for source in sources:
        scheme, rest = parse_model(source.source)
        named += [rest] if scheme == "hf" else [own_module(scheme, rest)]
    return [path for path in dict.fromkeys(named) if path and exists(path)]


def own_record(pool):
    """Return the record of the training data of an own pool, if they are a known set."""
    return [path for part, path in settings.records(PARTS[pool]).items() if part == "train"]


def own_sample(pool):
    """Return the sample of a large known training set of an own pool."""
    name = PARTS[pool].get("train")
    return [f"<results>/data/{name}-sample.csv"] if name in SAMPLED else []


def own_files(wildcards):
    """Return the existing files of an own pool's data: labels, folders, tables, functions."""
    pool = pool_of(wildcards)
    parsed = map(parse_data, pool.opened.values())
    paths = [scheme and (own_module(scheme, rest) or rest) for scheme, rest in parsed]
    return [path for path in [pool.labels, *paths] if path and exists(path)]


def own_errors(wildcards):
    """Return the given errors of the models of a job, by stem and part."""
    pool = pool_of(wildcards)
    return {stem: dict(pool.members[pool.stems[stem]].errors) for stem in models_of(wildcards)}
