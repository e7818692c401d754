"""What the rules share: names, and which settings a rule uses. Needs and makes no file."""

from dataclasses import asdict
from types import SimpleNamespace

from sharpness.data.places import within_reach
from sharpness.files import sha256, source_digest
from sharpness.needs import PUBLISHED_ERRORS, VOCABULARY, needed_data, needed_parts
from sharpness.plan import REVISION
from sharpness.pools.formats import REVISION as FORMATS_REVISION
from sharpness.simple.small_networks.procedures import DATA as DATA_OF
from sharpness.simple.small_networks.procedures import REVISION as SMALL_NETWORKS_REVISION
from sharpness.simple.small_networks.procedures import procedure_of
from sharpness.simple.two_layer_relu.runs import REVISION as TWO_LAYER_REVISION
from sharpness.stamps import set_aside
from sharpness.standins import DATA_REVISION as STANDIN_DATA_REVISION
from sharpness.standins import REVISION as STANDINS_REVISION
from sharpness.training.settings import REVISION as TRAINING_REVISION

FIGURES = [name for name in CATALOGUE if set(CATALOGUE[name].pools) <= set(settings.pools)]
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
STUDY_FIGURES = {figure: name for name, study in STUDIES.items() for figure in study.figures}
SMALL_JOBS = {tuple(map(str, job[:4])): job.models for job in settings.simple.small_networks.jobs()}
STUDIED_DATA = sorted({DATA_OF[job[0]] for job in SMALL_JOBS if "small_networks" in STUDIES})
try:
    PARTS = needed_parts(settings)
except Problem as problem:
    sys.exit(f"configuration: {problem}")
TWO_LAYER_JOBS = settings.simple.two_layer_relu.jobs
MEASURES = [
    *("average", "ball", "batches", "definition", "estimate", "measure"),
    *("noise", "objective", "room", "tasks", "worst"),
]
SHOWING = [
    *("definition", "kendall", "simple/findings", "simple/showing", "tables/formats"),
    *("figures/axes", "figures/codings", "figures/saving", "figures/style", "figures/title"),
]
READING = ["correlation", "definition", "frames"]
REPORTING = ["kendall", "published", "data/places", "figures/quantities"]
LOCATING = [
    f"data/{module}"
    for module in (
        "places",
        "registry",
        "photo_sets",
        "imagenet",
        "classes",
        "listing",
        "unpacking",
    )
]
NAME = r"[A-Za-z0-9~][A-Za-z0-9._~-]*"


def one_of(names):
    """A pattern for these names; without any, one that nothing matches."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    pool=one_of(settings.pools),
    model=NAME,
    first=NAME,
    data=NAME,
    figure=one_of(FIGURES),
    table=one_of(map(str, TABLES)),


def code_of(script, *sources):
    """A digest of a script and of the modules behind it: an edit remakes what they made."""
    return [sha256(f"scripts/{script}.py")[:16], source_digest(*sources)]


def doubled(first):
    """What a job requests from a cluster: twice as much at each further attempt."""
    return lambda wildcards, attempt: first * 2 ** (attempt - 1)


def wanted_parameters(rule, wildcards):
    """What a rule would compute with now; a LookupError where it would not compute at all."""
    found = SimpleNamespace(**wildcards)
    params = {known.name: known.params for known in workflow.rules}[rule]
    return {name: value(found) if callable(value) else value for name, value in params.items()}


def pool_of(wildcards):
    """The settings of the pool that the wildcards name."""
    return settings.pools[wildcards.pool]


def models_of(wildcards):
    """The stems of the models of one job, which share the process of the first."""
    return pool_of(wildcards).jobs[wildcards.first]


def member_of(wildcards):
    """The published model whose stem the wildcards name."""
    pool = pool_of(wildcards)
    return pool.members[pool.stems[wildcards.model]]


def plan_of(wildcards):
    """What is measured on each model of the pool."""
    return pool_of(wildcards).sharpness.plan(settings.protocols)


def inputs_of(wildcards):
    """How examples become tensors, where their data set leaves it open."""
    pool = pool_of(wildcards)
    inputs = getattr(pool, "inputs", None)
    if not inputs:
        return None
    tokens = {"tokens": pool.network["vocabulary"]} if inputs.name == "tokens" else {}
    return {**inputs.model_dump(), **tokens}


def of_job(pattern):
    """The file of the job in which a model is: {first} stands for the job's first model."""
    return lambda wildcards: pattern.format(
        pool=wildcards.pool, first=pool_of(wildcards).first_of[wildcards.model]
    )


def of_each_model(pattern):
    """One file for each model of the job, or of the whole pool where there is no job."""

    def paths(wildcards):
        pool = pool_of(wildcards)
        stems = pool.jobs[wildcards.first] if hasattr(wildcards, "first") else pool.stems
        return [pattern.format(pool=wildcards.pool, model=stem) for stem in stems]

    return paths


def of_each_part(wildcards):
    """The record of each data set that a pool needs, by the part that it plays."""
    parts = PARTS[wildcards.pool]
    return {part: f"<results>/data/{name}.json" for part, name in parts.items()}


def beside_the_parts(wildcards):
    """What else an evaluation reads: records, the sample, the vocabulary, published errors."""
    pool, found = pool_of(wildcards), {}
    if pool.kind == "sweep":
        found["records"] = of_each_model("<results>/{pool}/training/{model}.json")(wildcards)
        return found
    if pool.data["train"] in SAMPLED:
        found["sample"] = f"<results>/data/{pool.data['train']}-sample.csv"
    if pool.inputs and pool.inputs.name == "tokens":
        found["vocabulary"] = f"<results>/data/{VOCABULARY}.json"
    if pool.errors == "published":
        found["published"] = published_errors(wildcards)
    return found


def published_errors(wildcards):
    """What the publishers, or the makers of the stand-ins, say of their models' errors."""
    if not settings.standins:
        return [PUBLISHED_ERRORS]
    standin = f"{settings.home}/standin/{wildcards.pool}.csv"
    copied = exists(f"{settings.home}/{wildcards.pool}/pool.csv") and not exists(standin)
    return [] if copied else [standin]


def given_path(wildcards):
    """What the user named and what exists, so that its coming and going is seen."""
    source = settings.source(wildcards.data)
    if source["standin"]:
        return ["<results>/standin/data.json"]
    named = [source[key] for key in ("file", "folder", "holdout")]
    return [path for path in named if path and exists(path)]


def download_inputs(wildcards):
    """What a published model waits for: its stand-in, or a file that the user names."""
    if settings.standins:
        return [f"<results>/standin/{wildcards.pool}.csv"]
    file = member_of(wildcards).file
    return [file] if file else []


def training_data(wildcards):
    """The record of the set that the pool is trained on."""
    return f"<results>/data/{pool_of(wildcards).data['train']}.json"


def table_inputs(wildcards):
    """The coefficients of the pools of a table."""
    pools = TABLES[int(wildcards.table)]
    return {"correlations": [f"<results>/{pool}/correlations.csv" for pool in pools]}


def records_of(pool):
    """Where the record of each data set of a pool lies; read by rules that can do without."""
    parts = settings.pools[pool].data
    return {part: f"{settings.home}/data/{name}.json" for part, name in parts.items()}


def figure_pools(wildcards):
    """The tables of the pools that a figure shows, by name."""
    return {name: f"<results>/{name}/pool.csv" for name in CATALOGUE[wildcards.figure].pools}


def figure_defaults(wildcards):
    """The m and the steps that cells without their own have, by pool."""
    shown = {name: settings.pools[name].sharpness for name in CATALOGUE[wildcards.figure].pools}
    return {name: {"m": found.m, "steps": found.steps} for name, found in shown.items()}


def procedure_of_job(wildcards):
    """Every switch of the procedure by which a job's models are trained and measured."""
    network = settings.simple.small_networks.networks[wildcards.network]
    chosen = network.procedures[wildcards.procedure]
    return asdict(procedure_of(wildcards.network, chosen.preset, chosen.switches))


def small_models(wildcards):
    """The models of one job of Hammoud et al."""
    return SMALL_JOBS[wildcards.network, wildcards.procedure, wildcards.base, wildcards.first]


def files_of(study):
    """What a study made, by what it holds."""
    home = f"<results>/simple/{study}"
    if study == "linear":
        return {"curves": f"{home}/curves.csv"}
    if study == "diagonal":
        seeds = settings.simple.diagonal.seeds
        return {"networks": [f"{home}/networks-{seed}.csv" for seed in seeds]}
    if study == "small_networks":
        return {
            "models": [f"{home}/{job[0]}/{'-'.join(job[1:])}.csv" for job in SMALL_JOBS],
            "records": [f"<results>/data/{name}.json" for name in STUDIED_DATA],
        }
    stems = [f"{home}/{architecture}-{seed}" for architecture, seed in TWO_LAYER_JOBS]
    return {
        "catalogue": settings.simple.two_layer_relu.runs,
        "solutions": [f"{stem}-solutions.csv" for stem in stems],
        "curves": [f"{stem}-curves.csv" for stem in stems],
        "weights": [f"{stem}.safetensors" for stem in stems],
    }


def study_files(wildcards):
    """What the study of a summary made."""
    return files_of(wildcards.study)


def files_of_study_figure(wildcards):
    """What the study of a figure made."""
    return files_of(STUDY_FIGURES[wildcards.figure])


def title_of_study_figure(wildcards):
    """What stands above a figure of a study."""
    return STUDIES[STUDY_FIGURES[wildcards.figure]].figures[wildcards.figure].title


def study_note(study):
    """What a study's numbers are not; empty where they are of the paper's own size."""
    if study == "two_layer_relu" and settings.simple.two_layer_relu.schedule == "default":
        return "reduced schedules"
    if study != "small_networks" or settings.scale == "paper":
        return ""
    parts = []
    for name, network in settings.simple.small_networks.networks.items():
        most = max(procedure.models for procedure in network.procedures.values())
        data = f" on {network.examples} examples" if network.examples else ""
        standin = " (stand-in)" if settings.source(DATA_OF[name])["standin"] else ""
        parts.append(f"{most} {name}{data}{standin}")
    return f"{settings.scale}: {', '.join(parts)}" if parts else ""
