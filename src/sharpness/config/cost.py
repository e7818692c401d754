"""Estimate what each pool of a configuration costs, before anything runs.

GPU-hours = models × passes × FLOPs of a forward pass / rate, with a multiplication and an addition
as two FLOPs, and a forward and a backward pass as three forward ones. It prices arithmetic alone:
small networks and small batches do not reach the rate, and reading photos may take longer.

    python -m sharpness.config.cost [config/paper.yaml ...]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharpness.config.fields import TokenInputs
from sharpness.config.own import ModelsPool
from sharpness.config.pools import Pool, PublishedPool, SweepPool
from sharpness.config.required import needed_parts
from sharpness.config.schema import Config, merged, validated
from sharpness.io.errors import UserError
from sharpness.io.files import read_yaml
from sharpness.measures.cell_values import noise_key
from sharpness.measures.definition import PROTOCOLS
from sharpness.measures.measurement import Measurement

RATE = 10e12
"""Assumed FLOPs in a second: half of an NVIDIA A100's 19.5 TFLOP/s in float32 without TF32."""

BOTH = 3
"""Cost of a forward and a backward pass, in forward passes."""

EXAMPLES = {
    **{"digits": 797, "digits-c": 797, "cifar10": 10_000, "cifar10-c": 10_000},
    **{"cifar10-c-whole": 750_000, "imagenet": 50_000, "imagenet-2p": 26_000},
    **{"imagenet-v2": 10_000, "imagenet-r": 30_000, "imagenet-a": 7_500},
    **{"imagenet-sketch": 50_889, "objectnet": 18_574, "mnli": 9_815},
    **{"hans-lexical": 5_000, "hans-subsequence": 5_000, "hans-constituent": 5_000},
}
"""Test examples of each data set."""

TRAINING = {"digits": 1000, "cifar10": 50_000}
"""Training examples of the sets that are used whole."""


@dataclass(frozen=True)
class Cost:
    """Forward passes of single examples in a pool, and the FLOPs of one.

    ``training``, ``errors`` and ``sharpness`` are of one model, on average.
    """

    models: int
    flops: float
    training: float
    errors: float
    sharpness: float

    def hours(self, passes: float) -> float:
        """Return the hours that some passes of each model take at `RATE`, for all models."""
        return self.models * passes * self.flops / RATE / 3600


def sharpness_passes(pool: Pool, protocols: list[str]) -> int:
    """Return the forward passes of single examples that the cells of one model take.

    A worst-case cell takes steps + 1 passes both ways on every point. Average-case cells with the
    same noise share their draws, whatever their protocol and logits.
    """
    settings = pool.sharpness
    passes, draws = 0, dict[Any, int]()
    for cell in settings.cells(protocols):
        if cell.definition.case == "worst":
            passes += BOTH * ((cell.steps or settings.steps) + 1) * (cell.restarts or 1)
            continue
        samples = settings.samples.get(cell.protocol, PROTOCOLS[cell.protocol].samples)
        key = (cell.data, cell.m, noise_key(cell))
        draws[key] = max(draws.get(key, 0), samples)
    return settings.points * (passes + sum(draws.values()))


def measures_passes(pool: Pool) -> int:
    """Return the same of the measures beside the cells, by what the registry says of each."""
    settings = pool.sharpness
    taken = {
        "steps": BOTH * (settings.steps + 1),
        "samples": settings.samples.get("paper", PROTOCOLS["paper"].samples),
    }
    found = [Measurement.parse(word).measure for word in settings.measures]
    return settings.points * sum(taken.get(m.effort or "", m.passes) for m in found)


def training_passes(pool: Pool) -> float:
    """Return the same of an average training: SAM takes two steps, augmentation several views."""
    if not isinstance(pool, SweepPool):
        return 0.0
    sweep, training = pool.sweep, pool.training
    views = 1 + sweep.augment * (training.repeats - 1)
    steps = 1 + sum(rho > 0 for rho in sweep.sam_rho) / len(sweep.sam_rho)
    return BOTH * TRAINING[pool.data["train"]] * training.epochs * views * steps


def cost_of(settings: Config, name: str, parts: Mapping[str, str]) -> Cost:
    """Return the cost of a pool whose networks the configuration describes.

    ``parts`` are the data sets on which errors are evaluated.
    """
    pool = settings.pools[name]
    assert not isinstance(pool, ModelsPool)
    train = TRAINING.get(pool.data["train"], settings.sample.examples)
    tested = sum(EXAMPLES[data] for part, data in parts.items() if part != "train")
    return Cost(
        len(pool.models),
        forward_flops(pool),
        training_passes(pool),
        train + tested,
        sharpness_passes(pool, settings.protocols) + measures_passes(pool),
    )


def forward_flops(pool: SweepPool | PublishedPool) -> float:
    """Return the FLOPs of one example's forward pass, counted by torch without computing it."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from sharpness.networks import build

    sizes, kind = pool.architecture.model_dump(), pool.kind_of_data
    if kind in ("digits", "cifar"):
        side, channels = (8, 1) if kind == "digits" else (32, 3)
        sizes |= {"in_channels": channels, "classes": 10}
        sizes |= {"image_size": side} if sizes["name"] == "simple-vit" else {}
    with torch.device("meta"):
        network = build(sizes).eval()
        if isinstance(pool, PublishedPool) and isinstance(pool.inputs, TokenInputs):
            inputs = torch.ones(1, pool.inputs.length, dtype=torch.long)
        elif kind == "photos":
            inputs = torch.ones(1, 3, sizes["image_size"], sizes["image_size"])
        else:
            inputs = torch.ones(1, channels, side, side)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(inputs)
    return float(counter.get_total_flops())


def table(settings: Config) -> list[str]:
    """Return the lines of a Markdown table of all pools."""
    lines = ["| pool | models | GFLOP | training | errors | sharpness | GPU-hours |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for name, parts in needed_parts(settings).items():
        if isinstance(settings.pools[name], ModelsPool):  # whose networks are not known before
            lines.append(f"| {name} | {len(settings.pools[name].models)} | – | – | – | – | – |")
            continue
        cost = cost_of(settings, name, parts)
        passes = (cost.training, cost.errors, cost.sharpness)
        millions = " | ".join(f"{each / 1e6:.3g}" for each in passes)
        start = f"| {name} | {cost.models} | {cost.flops / 1e9:.3g}"
        hours = cost.hours(sum(passes))
        lines.append(f"{start} | {millions} | {hours:{',.0f' if hours >= 1 else '.1g'}} |")
    return lines


def main(overlays: Sequence[str]) -> int:
    """Print the table for ``config.yaml`` in the working folder with some overlays."""
    try:
        whole = read_yaml("config.yaml")
        for path in overlays:
            whole = merged(whole, read_yaml(path))
        lines = table(validated(whole))
    except UserError as problem:
        print(problem, file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
