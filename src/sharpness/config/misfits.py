"""Settings that are right by themselves and do not fit each other, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sharpness.config.measurement import Sharpness
from sharpness.config.pools import Pool, PublishedPool, SweepPool
from sharpness.config.reserved import clashes
from sharpness.config.sources import Source
from sharpness.config.whole import Config
from sharpness.config.words import choice
from sharpness.data.registry import REGISTRY, SOURCES

_TRAIN = {"digits": 1000, "cifar10": 50_000}
"""Training examples of the sets that are taken whole; of others there is a sample."""

_SIDES = {"digits": 8, "cifar": 32}
"""Pixels of the images that sweeps are trained on."""

_LOGITS = {"text": 3, "cifar": 10}
"""Classes of each kind of data; how many photos have, the folder that the user names tells."""

_SUITS = {
    "vit": "photos",
    "clip-vit": "photos",
    "bert": "text",
    "preact-resnet": "cifar",
    "simple-vit": "cifar",
}
"""The kind of data that each network's published models are asked about."""

_INPUTS = {"photos": "photos", "text": "tokens"}
"""The inputs that each kind of data needs; others need none."""

_STUDIED = {"fcnn": ("Abalone", 4177), "lenet": ("Fashion-MNIST", 60_000)}
"""Examples that the small networks can learn from."""

_DRAWN = ("learning_rate", "sam_rho", "mixup", "augment")
"""What differs between the models of a sweep."""


def misfits(settings: Config) -> Iterator[str]:
    """What is wrong between keys, each as ``key: value: what``."""
    yield from clashes(settings)
    for name, pool in settings.pools.items():
        for said in _of_pool(pool, settings):
            yield f"pools.{name}.{said}"
    for word, source in settings.data.items():
        yield from _of_source(word, source)
    for network, study in settings.simple.small_networks.networks.items():
        title, most = _STUDIED.get(network, ("", 0))
        if study.examples is not None and title and study.examples > most:
            key = f"simple.small_networks.networks.{network}.examples"
            yield f"{key}: {study.examples}: {title} has {most}; null takes all"


def _of_pool(pool: Pool, settings: Config) -> Iterator[str]:
    kinds = {part: REGISTRY[name].kind for part, name in pool.data.items()}
    yield from _of_data(pool.data, kinds)
    most = _TRAIN.get(pool.data["train"], settings.sample.examples)
    whose = "the training set" if pool.data["train"] in _TRAIN else "the sample (sample.examples)"
    for said in _of_sharpness(pool.sharpness, most, whose):
        yield f"sharpness.{said}"
    if isinstance(pool, SweepPool):
        yield from _of_sweep(pool, kinds["train"])
    else:
        yield from _of_published(pool, kinds["train"])
    yield from _of_subgroups(pool)


def _of_data(data: Mapping[Any, str], kinds: Mapping[Any, str]) -> Iterator[str]:
    """One kind of inputs, and something to train on."""
    if "train" not in REGISTRY[data["train"]].splits:
        sets = ", ".join(name for name, entry in REGISTRY.items() if "train" in entry.splits)
        yield f"data.train: {data['train']!r}: has no training examples; it is one of {sets}"
    for part, kind in kinds.items():
        if kind != kinds["train"]:
            yield (
                f"data.{part}: {data[part]!r}: does not go with data.train, {data['train']!r}: the "
                "data of a pool must be of one kind"
            )


def _of_sharpness(sharpness: Sharpness, most: int, whose: str) -> Iterator[str]:
    """Points that there are, in whole batches."""
    if sharpness.points > most:
        yield f"points: {sharpness.points}: {whose} has {most}; take fewer"
    sizes = {"m": [sharpness.m]}
    sizes |= {f"ablations.{name}.m": a.m or [] for name, a in sharpness.ablations.items()}
    for key, many in sizes.items():
        for m in many:
            if sharpness.points % m:
                yield f"{key}: m is {m}, which does not divide the {sharpness.points} points"


def _of_sweep(pool: SweepPool, kind: str) -> Iterator[str]:
    """A network for the images that there are, augmented or not."""
    if kind not in _SIDES:
        sets = ", ".join(name for name, entry in REGISTRY.items() if entry.kind in _SIDES)
        yield f"data.train: {pool.data['train']!r}: no sweep is trained on it; it is one of {sets}"
        return
    yield from _of_network(pool.architecture.model_dump() | {"image_size": _SIDES[kind]})


def _of_published(pool: PublishedPool, kind: str) -> Iterator[str]:
    """Inputs of the data's kind, and the network's sizes."""
    needed, inputs, name = _INPUTS.get(kind), pool.inputs, pool.architecture.name
    if kind != _SUITS[name]:
        sets = ", ".join(word for word, entry in REGISTRY.items() if entry.kind == _SUITS[name])
        yield f"data.train: {pool.data['train']!r}: is no data for {name}; it is one of {sets}"
        return
    if (inputs.name if inputs else None) != needed:
        have = "null" if inputs is None else f"{{name: {inputs.name}}}"
        want = f"{{name: {needed}, ...}}" if needed else "null"
        yield f"inputs: {have}: {pool.data['train']} needs {want}"
        return
    sizes = pool.network
    yield from _of_network(sizes)
    if kind in _LOGITS and sizes["classes"] != _LOGITS[kind]:
        have, classes = sizes["classes"], _LOGITS[kind]
        yield f"architecture.classes: {have}: {pool.data['train']} has {classes} classes"
    if inputs and inputs.name == "photos" and inputs.size != sizes["image_size"]:
        yield f"inputs.size: {inputs.size}: architecture.image_size is {sizes['image_size']}"
    if inputs and inputs.name == "tokens" and inputs.length > sizes["positions"]:
        yield f"inputs.length: {inputs.length}: architecture.positions is {sizes['positions']}"
    for word, ablation in pool.sharpness.ablations.items():
        if needed and "augmented" in ablation.data:
            key = f"sharpness.ablations.{word}.data"
            yield f"{key}: 'augmented': only CIFAR-10 and digits have augmented views"


def _of_network(sizes: Mapping[str, Any]) -> Iterator[str]:
    """Patches that tile the image, and heads that share the width."""
    image, patch, name = sizes.get("image_size"), sizes.get("patch_size"), sizes["name"]
    if image and patch and image % patch:
        yield f"architecture.patch_size: {patch}: does not divide an image of {image} pixels"
    if name in ("vit", "clip-vit", "bert") and sizes["dim"] % sizes["heads"]:
        yield f"architecture.heads: {sizes['heads']}: does not divide dim, which is {sizes['dim']}"
    if name == "simple-vit" and (sizes["dim"] % 4 or sizes["dim"] < 8):
        yield f"architecture.dim: {sizes['dim']}: it must be a multiple of 4, at least 8"


def _of_subgroups(pool: Pool) -> Iterator[str]:
    """Columns that the models have."""
    columns: tuple[str, ...] = _DRAWN
    if isinstance(pool, PublishedPool):
        columns = tuple(dict.fromkeys(key for m in pool.members.values() for key in m.parameters))
    for place, name in enumerate(pool.subgroups):
        if name in pool.subgroups[:place]:
            yield f"subgroups: {name!r} is there more than once"
        if name not in columns:
            yield f"subgroups: {name!r}: the models have no such column; {choice(name, columns)}"


def _of_source(word: str, source: Source) -> Iterator[str]:
    """A copy in one of the forms that a data set has."""
    takes = SOURCES[word].takes
    named = [key for key in ("file", "folder") if getattr(source, key)]
    for key in named:
        if key not in takes:
            yield f"data.{word}.{key}: {getattr(source, key)!r}: name its {' or '.join(takes)}"
    if len(named) > 1:
        yield f"data.{word}: has both file and folder; keep one of them"
    if source.holdout and word != "imagenet":
        yield f"data.{word}.holdout: {source.holdout!r}: only imagenet has one; remove it"
