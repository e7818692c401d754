"""Rule radii_own: find the radii at which the loss of own models rises by given amounts."""

from pathlib import Path

from sharpness.config import validated
from sharpness.evaluation.own import median_rise, open_parts
from sharpness.evaluation.plan import Plan
from sharpness.evaluation.radii import find_radii, sought
from sharpness.evaluation.rise import write_radii
from sharpness.io.job import compute_device, gpu_slot, job

with (
    job(snakemake),
    gpu_slot(snakemake.params.device, snakemake.config.get("jobs_per_card", 1)),
):
    given, params = snakemake.input, snakemake.params
    places = validated(snakemake.config).places()
    auto, (protocol, *_) = params.plan["auto"], params.plan["protocols"]
    plan = Plan.parse(params.plan, {word: [] for word in auto})
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
    found = find_radii(rise, sought(auto))
    write_radii(snakemake.output[0], found, params.models, plan, protocol)
