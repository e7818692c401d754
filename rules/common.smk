"""What the rules share: names, and which settings a rule uses. Needs and makes no file."""

from sharpness.figures.catalogue import load_catalogue
from sharpness.files import sha256, source_digest
from sharpness.plan import REVISION
from sharpness.training.settings import REVISION as TRAINING_REVISION

CATALOGUE = load_catalogue("resources/figures.yaml")
FIGURES = [name for name in CATALOGUE if set(CATALOGUE[name].pools) <= set(settings.pools)]
TABLES = {pool.table: name for name, pool in settings.pools.items() if pool.table}
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


wildcard_constraints:
    pool="|".join(map(re.escape, settings.pools)),
    model=NAME,
    first=NAME,
    data=NAME,
    figure="|".join(FIGURES),
    table="|".join(map(str, TABLES)),


def code_of(script, *sources):
    """A digest of a script and of the modules behind it: an edit remakes what they made."""
    return [sha256(f"scripts/{script}.py")[:16], source_digest(*sources)]


def pool_of(wildcards):
    """The settings of the pool that the wildcards name."""
    return settings.pools[wildcards.pool]


def models_of(wildcards):
    """The models of one job, which share the process of the first."""
    return pool_of(wildcards).jobs[wildcards.first]


def plan_of(wildcards):
    """What is measured on each model of the pool."""
    return pool_of(wildcards).sharpness.plan(settings.protocols)


def of_job(pattern):
    """The file of the job in which a model is: {first} stands for the job's first model."""
    return lambda wildcards: pattern.format(
        pool=wildcards.pool, first=pool_of(wildcards).first_of[wildcards.model]
    )


def of_each_model(pattern):
    """One file for each model of the job, or of the whole pool where there is no job."""

    def paths(wildcards):
        pool = pool_of(wildcards)
        models = pool.jobs[wildcards.first] if hasattr(wildcards, "first") else pool.models
        return [pattern.format(pool=wildcards.pool, model=model) for model in models]

    return paths


def of_each_part(wildcards):
    """The record of each data set of a pool, by the part that it plays."""
    parts = pool_of(wildcards).data.parts
    return {part: f"<results>/data/{name}.json" for part, name in parts.items()}


def given_path(wildcards):
    """What the user named and what exists, so that its coming and going is seen."""
    source = settings.source(wildcards.data)
    return [path for path in (source["file"], source["folder"]) if path and exists(path)]


def training_data(wildcards):
    """The record of the set that the pool is trained on."""
    return f"<results>/data/{pool_of(wildcards).data.train}.json"


def figure_pools(wildcards):
    """The tables of the pools that a figure shows, by name."""
    return {name: f"<results>/{name}/pool.csv" for name in CATALOGUE[wildcards.figure].pools}


def figure_defaults(wildcards):
    """The m and the steps that cells without their own have, by pool."""
    shown = {name: settings.pools[name].sharpness for name in CATALOGUE[wildcards.figure].pools}
    return {name: {"m": found.m, "steps": found.steps} for name, found in shown.items()}
