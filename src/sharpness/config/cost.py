"""What the steps of each pool take: models, passes and the FLOPs of a pass, before anything runs.

A backward pass counts as two forward ones, a multiplication and an addition as two FLOPs. On a card
the hours are FLOPs over its rate; small networks and batches, which do not reach it, have measured
seconds instead (`speed`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sharpness.config.fields import TokenInputs
from sharpness.config.own import ModelsPool
from sharpness.config.pools import Pool, PublishedPool, SweepPool
from sharpness.config.schema import TRAINING, Config
from sharpness.evaluation.radii import LEVELS, MODELS, TRIED, probe_points
from sharpness.measures.cell_values import noise_key
from sharpness.measures.definition import PROTOCOLS, Cell
from sharpness.measures.measurement import Measurement
from sharpness.measures.network import SMALL
from sharpness.measures.worst import VECTORS
from sharpness.training.hyperparameters import Space, Training, draw_hyperparameters

if TYPE_CHECKING:
    from torch import Tensor, nn

CARDS = {"v100": 15.7, "a100": 19.5, "l40s": 91.6, "h100": 66.9, "h200": 66.9, "rtx4090": 82.6}
"""Vendors' peaks in float32 without tensor cores, in TFLOP/s (H100 and H200: SXM)."""

SHARE = 0.5
"""Assumed share of the peak that is reached."""

BOTH = 3
"""Cost of a forward and a backward pass, in forward passes."""

EXAMPLES = {
    **{"digits": 797, "digits-c": 3_985, "cifar10": 10_000, "cifar10-c": 10_000},
    **{"cifar10-c-whole": 750_000, "imagenet": 50_000, "imagenet-2p": 26_000},
    **{"imagenet-v2": 10_000, "imagenet-r": 30_000, "imagenet-a": 7_500},
    **{"imagenet-sketch": 50_889, "objectnet": 18_574, "mnli": 9_815},
    **{"hans-lexical": 5_000, "hans-subsequence": 5_000, "hans-constituent": 5_000},
}
"""Test examples of each data set."""

STANDINS = {
    **{"imagenet": 797, "imagenet-2p": 100, "imagenet-v2": 797, "imagenet-r": 641},
    **{"imagenet-a": 114, "imagenet-sketch": 797, "objectnet": 797, "mnli": 600},
    **{"hans-lexical": 300, "hans-subsequence": 300, "hans-constituent": 300},
}
"""Those of its stand-in."""


@dataclass(frozen=True)
class Cost:
    """Forward passes of single examples in a pool, and the FLOPs of one.

    ``training``, ``errors``, ``worst``, ``average`` and ``measures`` are of one model, on average.

    Attributes:
        photos: photos that are decoded, for all models together.
        weights: numbers in a model.
        activations: bytes that the backward pass of an example needs.
    """

    models: int
    flops: float
    weights: int
    activations: int
    training: float
    errors: float
    worst: float
    average: float
    measures: float
    photos: int

    @property
    def sharpness(self) -> float:
        """The passes of all cells and measures."""
        return self.worst + self.average + self.measures

    def hours(self, passes: float, card: str) -> float:
        """Return the hours that some passes of each model take on a card, for all models."""
        return self.models * passes * self.flops / (SHARE * CARDS[card] * 1e12) / 3600

    def memory(self, rows: int) -> float:
        """Return the bytes of a worst-case step on some examples, libraries aside."""
        return 4.0 * VECTORS * self.weights + rows * self.activations


def sharpness_passes(pool: Pool, protocols: list[str], weights: int) -> tuple[int, int]:
    """Return the forward passes of single examples in the cells of one model: worst, average."""
    settings, small = pool.sharpness, weights <= SMALL
    worst, average = cells_passes(settings.cells(protocols), settings.steps, settings.draws, small)
    return settings.points * worst, settings.points * average


def cells_passes(
    cells: Iterable[Cell], steps: int, samples: Mapping[str, int], small: bool
) -> tuple[int, int]:
    """Return the forward passes of one example in some cells: worst case, average case.

    A worst-case cell takes as many passes both ways as steps, and one forward; those of a ``small``
    network that start at the weights share the first of them. Average-case cells with the same
    noise share their draws, whatever their protocol and logits.
    """
    passes, draws, starts = 0, dict[Any, int](), set[Any]()
    for cell in cells:
        what = cell.definition
        if what.case == "worst":
            passes += (BOTH * (cell.steps or steps) + 1) * (cell.restarts or 1)
            if small and not PROTOCOLS[cell.protocol].random_start:
                start = (cell.data, cell.m, what.gauge, what.logit_norm)
                passes -= BOTH * (start in starts)
                starts.add(start)
            continue
        key = (cell.data, cell.m, noise_key(cell))
        draws[key] = max(draws.get(key, 0), cell.samples or samples[cell.protocol])
    return passes, sum(draws.values())


def measures_passes(pool: Pool) -> int:
    """Return the same of the measures beside the cells, by what the registry says of each.

    Where radii are to be found, each model has its share of the search.
    """
    settings = pool.sharpness
    taken = {"steps": BOTH * settings.steps + 1, "samples": settings.draws["paper"]}
    searched = MODELS * TRIED * probe_points(settings.points, settings.m) // len(pool.models)
    total = 0
    for measurement in map(Measurement.parse, settings.measures):
        measure = measurement.measure
        points = len(LEVELS) * settings.points + searched if measurement.auto else settings.points
        total += points * taken.get(measure.effort or "", measure.passes)
    return total


def passes_by_kind(training: Training) -> dict[str, int]:
    """Return the forward passes of an example in an epoch: SAM takes two steps, views augment."""
    views = training.repeats
    return {
        "plain": BOTH,
        "sam": 2 * BOTH,
        "augmented": views * BOTH,
        "sam augmented": 2 * views * BOTH,
    }


def kinds_of(pool: Pool) -> dict[str, int]:
    """Return how many models are trained in each way, from their draws; empty without a sweep."""
    if not isinstance(pool, SweepPool):
        return {}
    drawn = [
        draw_hyperparameters(pool.sweep.seed, index, Space(**pool.sweep.space))
        for index in range(pool.sweep.models)
    ]
    words = [["sam"] * (each.sam_rho > 0) + ["augmented"] * each.augment for each in drawn]
    return dict(Counter(" ".join(each) or "plain" for each in words))


def training_passes(pool: Pool) -> float:
    """Return the forward passes of single examples in an average training of a pool."""
    if not isinstance(pool, SweepPool):
        return 0.0
    each = passes_by_kind(pool.training)
    passes = sum(number * each[kind] for kind, number in kinds_of(pool).items())
    return TRAINING[pool.data["train"]] * pool.training.epochs * passes / pool.sweep.models


def examples_of(
    settings: Config, pool: SweepPool | PublishedPool, parts: Mapping[str, str]
) -> dict[str, int]:
    """Return the number of examples of each part on which errors are evaluated."""
    sizes = EXAMPLES | (STANDINS if settings.standins else {})
    train = TRAINING.get(pool.data["train"], settings.sample.examples)
    return {"train": train} | {part: sizes[name] for part, name in parts.items() if part != "train"}


def cost_of(settings: Config, name: str, parts: Mapping[str, str]) -> Cost:
    """Return the cost of a pool whose networks the configuration describes.

    ``parts`` are the data sets on which errors are evaluated.
    """
    pool = settings.pools[name]
    assert not isinstance(pool, ModelsPool)
    errors = sum(examples_of(settings, pool, parts).values())
    weights = sum(each.numel() for each in network_of(pool, "meta").parameters())
    worst, average = sharpness_passes(pool, settings.protocols, weights)
    flops, activations = of_an_example(pool)
    return Cost(
        models=len(pool.models),
        flops=flops,
        weights=weights,
        activations=activations,
        training=training_passes(pool),
        errors=errors,
        worst=worst,
        average=average,
        measures=measures_passes(pool),
        photos=len(pool.models) * errors if pool.kind_of_data == "photos" else 0,
    )


def sizes_of(pool: SweepPool | PublishedPool) -> dict[str, Any]:
    """Return all sizes of a pool's network, including those that its data determine."""
    sizes, kind = pool.architecture.model_dump(), pool.kind_of_data
    if kind in ("digits", "cifar"):
        side, channels = (8, 1) if kind == "digits" else (32, 3)
        sizes |= {"in_channels": channels, "classes": 10}
        sizes |= {"image_size": side} if sizes["name"] == "simple-vit" else {}
    return sizes


def network_of(pool: SweepPool | PublishedPool, device: str) -> nn.Module:
    """Return a network of a pool with random weights, in evaluation mode."""
    import torch

    from sharpness.networks import build

    with torch.device(device):
        return build(sizes_of(pool)).eval()


def inputs_of(pool: SweepPool | PublishedPool, rows: int, device: str) -> Tensor:
    """Return random inputs of a pool's network for some examples."""
    import torch

    if isinstance(pool, PublishedPool) and isinstance(pool.inputs, TokenInputs):
        most = pool.network["vocabulary"]
        return torch.randint(most, (rows, pool.inputs.length), device=device)
    sizes = sizes_of(pool)
    side = {"digits": 8, "cifar": 32}.get(pool.kind_of_data) or sizes["image_size"]
    return torch.randn(rows, sizes.get("in_channels", 3), side, side, device=device)


def of_an_example(pool: SweepPool | PublishedPool) -> tuple[float, int]:
    """Return FLOPs of a forward pass and bytes kept for the backward one, computing neither."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    network, inputs = network_of(pool, "meta"), inputs_of(pool, 1, "meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(inputs)
    kept: dict[int, Any] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()  # which views and several operations share
        kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(inputs)
    for weight in network.parameters():
        kept.pop(weight.untyped_storage()._cdata, None)
    return float(counter.get_total_flops()), sum(each.nbytes() for each in kept.values())
