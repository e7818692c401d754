"""List and download the external files (models, data sets) that a configuration needs.

Files lie in the cache as ``HOST/PATH``, so that the cache can serve as the mirror of machines
without a network. Does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sharpness.checkpoints.table import PublishedModel
from sharpness.config import Config
from sharpness.data.registry import REGISTRY, SOURCES, TITLES, downloads
from sharpness.evaluation.augreg_index import ROW as AUGREG_INDEX
from sharpness.evaluation.published import errors_for_preprocessing, read_published_errors
from sharpness.io.download import Download, download_named, fetch, place
from sharpness.io.files import read_json, sha256, write_json
from sharpness.sources.table import OwnModel

PUBLISHED_ERRORS = "resources/published_errors.csv"
"""The publishers' error rates; the path is relative to the workflow's working folder."""

VOCABULARY = "bert-vocabulary"


def needed_parts(settings: Config) -> dict[str, dict[str, str]]:
    """Return, for each pool, the data sets that its evaluation reads, by part.

    If errors are published or given, a part with such an error for every model is left out.

    Raises:
        UserError: if the table of published errors cannot be read.
    """
    return {name: _parts(settings, name) for name in settings.pools}


def needed_data(
    settings: Config, parts: Mapping[str, Mapping[str, str]], studied: Iterable[str]
) -> list[str]:
    """Return the distinct data sets of the pools (``parts``) and the simple studies (``studied``).

    ``parts`` comes from `needed_parts`; the tokenizer's vocabulary is added where it is needed.
    """
    found = [data for needed in parts.values() for data in needed.values()]
    if any("tokens" in (pool.preprocessing or ()) for pool in settings.pools.values()):
        found.append(VOCABULARY)
    return list(dict.fromkeys([*found, *studied]))


def _parts(settings: Config, name: str) -> dict[str, str]:
    pool = settings.pools[name]
    parts = dict(pool.known_data)
    if pool.kind == "models":
        return {part: data for part, data in parts.items() if part in pool.opened}
    # The published errors of stand-ins are not written yet.
    if pool.kind == "sweep" or pool.errors == "evaluate" or settings.standins:
        return parts
    stated = errors_for_preprocessing(
        read_published_errors(PUBLISHED_ERRORS, name), pool.preparation
    )
    published = set.intersection(*(set(stated.get(model, ())) for model in pool.models))
    return {part: data for part, data in parts.items() if part == "train" or part not in published}


Item = list[dict[str, Any]]
"""Files of one model or data source, each as keyword arguments of `fetch`."""


def items(settings: Config, data: Iterable[str]) -> dict[str, Item]:
    """Return the files to download for the data sets and the models, by ``models/POOL/STEM``.

    The keys of data sources, and of AugReg's index, are ``data/SOURCE``. Models with a local file,
    data sets whose place the user names, and stand-ins need no download.
    """
    found = {
        f"models/{name}/{stem}": [_arguments(model)]
        for name, pool in settings.pools.items()
        if pool.kind == "published" and not settings.standins
        for stem, model in pool.converted.items()
        if not model.file
    }
    for name, stem, own in _own_files(settings):
        given = own.source
        if given.checkpoint.startswith("https://"):
            file = {"url": given.checkpoint, "size": None, "checksum": given.checksum}
            found[f"models/{name}/{stem}"] = [file]
    for source in sorted({REGISTRY[name].source or "" for name in data} - {""}):
        if not _given(settings, source) and downloads(source):
            found[f"data/{source}"] = [_arguments(download_named(row)) for row in downloads(source)]
    published = [pool for pool in settings.pools.values() if pool.kind == "published"]
    formats = [pool.checkpoints.format for pool in published]
    if "augreg" in formats and not settings.standins:
        found[f"data/{AUGREG_INDEX}"] = [_arguments(download_named(AUGREG_INDEX))]
    return found


def missing_by_hand(settings: Config, data: Iterable[str]) -> list[str]:
    """Return one line for each missing file that the user has to provide.

    Such files cannot be downloaded, or do not exist at the path that the user named.
    """
    found = []
    for name in data:
        source = REGISTRY[name].source
        if source and not settings.source(name)["standin"]:
            found += _lacking(name, source, settings.source(name))
    published = [pool for pool in settings.pools.values() if pool.kind == "published"]
    for member in [m for pool in published for m in pool.converted.values()]:
        if member.file and not settings.standins and not Path(member.file).exists():
            found.append(f"{member.file}: the table's row of {member.model} names it")
    for _, _, own in _own_files(settings):
        path = own.source.checkpoint
        if not path.startswith("https://") and not Path(path).exists():
            found.append(f"{path}: the table's row of {own.model} names it")
    return list(dict.fromkeys(found))


def _own_files(settings: Config) -> Iterator[tuple[str, str, OwnModel]]:
    """Yield pool, stem and entry of each of the user's own models that has a checkpoint."""
    for name, pool in settings.pools.items():
        if pool.kind == "models":
            for stem, model in pool.stems.items():
                if (own := pool.members[model]).source.checkpoint:
                    yield name, stem, own


def download_item(
    item: Item, cache: str | Path, mirror: str | Path | None, record: str | Path
) -> None:
    """Download an item's files into the cache and write their sizes and SHA-256 to ``record``."""
    found = []
    for file in item:
        path = fetch(folder=cache, mirror=mirror, **file)
        found.append({"url": file["url"], "bytes": path.stat().st_size, "sha256": sha256(path)})
    write_json(record, {"cache": str(cache), "files": found})


def left_cache(record: str | Path, item: Item, cache: str | Path) -> bool:
    """Return whether a file of a downloaded item is no longer in the cache."""
    there = [(Path(cache) / place(file["url"])).is_file() for file in item]
    return Path(record).exists() and not all(there)


def closing_messages(records: Sequence[str | Path], hand: Sequence[str], cache: str) -> list[str]:
    """Return messages for the user: what `download_item` recorded, what is `missing_by_hand`."""
    files = [file for record in records for file in read_json(record)["files"]]
    sizes = {file["url"]: file["bytes"] for file in files}
    lines = [f"by hand: {line}" for line in hand]
    if not sizes:
        return [*lines, "nothing to bring: what is not named by you is made here or installed"]
    return [
        f"{len(sizes)} files, {sum(sizes.values()):,} bytes, verified, in {cache}",
        *lines,
        "machines without a network need `offline: true` and this cache; "
        f"where they cannot write to it, `mirror: {cache}` and a `cache` of their own",
    ]


def _lacking(name: str, source: str, place: Mapping[str, Any]) -> list[str]:
    """Return a line for each file of a data set that is missing and cannot be downloaded."""
    keys = SOURCES[source].takes
    named = {key: place[key] for key in (*keys, "holdout") if place[key]}
    found = [
        f"data.{source}.{key}: {path} is not there"
        for key, path in named.items()
        if not Path(path).exists()
    ]
    if not set(keys) & set(named) and not downloads(source):
        where = " or ".join(f"data.{source}.{key}" for key in keys)
        found.append(f"{TITLES[source]}: {SOURCES[source].advice}; name it in {where}")
    if name == "imagenet-2p" and "holdout" not in named:
        index = "imagenet_98_idxs.npy of https://github.com/mlfoundations/model-soups"
        found.append(f"{TITLES[name]}: {index}; name it in data.imagenet.holdout")
    return found


def _given(settings: Config, source: str) -> bool:
    """Return whether a source is a stand-in or its place is named by the user."""
    name = next(name for name, entry in REGISTRY.items() if entry.source == source)
    # While offline, `Config.source` replaces small data sets by their stand-ins.
    online = settings.model_copy(update={"offline": False})
    place = online.source(name)
    return bool(place["standin"] or place["file"] or place["folder"])


def _arguments(published: Download | PublishedModel) -> dict[str, Any]:
    """Return the keyword arguments of `fetch` for a file."""
    return {"url": published.url, **published.claims()}
