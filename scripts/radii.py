"""Rule radii: find the radii at which the loss of a pool's first models rises by given amounts."""

from pathlib import Path

from sharpness.config import validated
from sharpness.evaluation.own import median_rise, open_parts, probe_points
from sharpness.evaluation.plan import Plan
from sharpness.evaluation.radii import LEVELS, REVISION, find_radii
from sharpness.io.files import write_json
from sharpness.io.job import compute_device, gpu_slot, job
from sharpness.measures.definition import Definition

with (
    job(snakemake),
    gpu_slot(snakemake.params.device, snakemake.config.get("jobs_per_card", 1)),
):
    given, params = snakemake.input, snakemake.params
    places = validated(snakemake.config).places()
    auto, (protocol, *_) = params.plan["auto"], params.plan["protocols"]
    plan = Plan.parse(params.plan, {name: [] for name in auto})
    parts = open_parts(
        params.parts,
        dict(zip(params.known, given.records, strict=True)),
        places,
        titles=params.titles,
        labels=params.labels,
        sample=next(iter(given.sample), None),
        **params.order,
    )
    rise = median_rise(
        dict(zip(params.models, map(Path, given.weights), strict=True)),
        plan,
        protocol,
        parts,
        compute_device(params.device),
        places,
        params.micro_batch,
    )
    found = find_radii(rise, map(Definition.parse, auto))
    about = {"levels": LEVELS, "models": params.models, "protocol": protocol, "seed": plan.seed}
    points = {"points": probe_points(plan), "points_of": plan.points, "revision": REVISION}
    write_json(snakemake.output[0], {"definitions": found, **about, **points})
