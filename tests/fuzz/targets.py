"""The readers of ours: for each, small valid files, how they are damaged, and how they are read."""

from __future__ import annotations

import gzip
import io
import json
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

sys.path.insert(0, str(Path(__file__).parents[1]))  # the toys that other tests share

from damage import JSON_WORDS, WORDS, altered, damaged, mostly, of_nothing
from evaluations import PLAN
from synthetic import pool as synthetic_pool

from sharpness.checkpoints import augreg
from sharpness.checkpoints.table import read_table
from sharpness.config import validated
from sharpness.data import small
from sharpness.evaluation.guard import ModelFiles
from sharpness.evaluation.plan import CELLS, ERRORS
from sharpness.evaluation.published import read_published_errors
from sharpness.evaluation.results import assemble
from sharpness.io.errors import UserError
from sharpness.io.files import sha256
from sharpness.networks import build
from sharpness.report.figures.catalogue import load_catalogue as load_figures
from sharpness.report.tables import read_published_taus as read_facts
from sharpness.statistics.correlation import correlations, read_correlations, read_pool
from sharpness.statistics.reliability import by_cell, read_per_batch
from sharpness.studies.findings import load_studies
from sharpness.studies.wen.runs import load_runs as load_runs
from sharpness.training import checkpoint
from sharpness.training.records import KEY

ROOT = Path(__file__).parents[2]
VIT = {"name": "vit", "image_size": 8, "patch_size": 4, "dim": 4, "depth": 1, "heads": 2}
VIT |= {"mlp_dim": 4, "classes": 2}
RESNET = {"name": "preact-resnet", "width": 1, "blocks": [1], "in_channels": 1, "classes": 2}


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        share: of all inputs, in parts of a hundred.
        inputs: what it is given; built when it is first asked for.
        read: reads one input, with a folder for its files.
    """

    share: int
    inputs: Callable[[], SearchStrategy[Any]]
    read: Callable[[Path, Any], Any]


def packed(content: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


def unpacked(whole: bytes) -> dict[str, bytes]:
    """The files of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def one_of_them(
    content: Mapping[str, bytes], harm: Callable[[bytes], SearchStrategy[bytes]]
) -> SearchStrategy[bytes]:
    """An archive in which one file is damaged, and all checksums of the archive are right."""

    def with_damaged(name: str) -> SearchStrategy[bytes]:
        return harm(content[name]).map(lambda data: packed({**content, name: data}))

    return st.sampled_from(sorted(content)).flatmap(with_damaged)


def written(folder: Path, content: bytes, name: str = "input") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


# ---- checkpoints ----


@cache
def arrays() -> bytes:
    """A file of AugReg's."""
    stream = io.BytesIO()
    np.savez(
        stream,
        **{e.upstream: np.ones(e.upstream_shape, np.float32) for e in augreg.entries(VIT)},
    )
    return stream.getvalue()


def npz() -> SearchStrategy[bytes]:
    """Damaged as files, in one array, or in the head of one."""
    content = unpacked(arrays())

    def head(data: bytes) -> SearchStrategy[bytes]:
        return damaged(data[:128], JSON_WORDS).map(lambda start: start + data[128:])

    return mostly(
        one_of_them(content, head),
        one_of_them(content, damaged),
        damaged(arrays()),
        of_nothing(),
    )


@cache
def tensors() -> bytes:
    """A checkpoint of this project."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        weights = build(RESNET).state_dict()
        checkpoint.save(path, weights, {"architecture": RESNET, "source": "toy"})
        return path.read_bytes()


def safetensors() -> SearchStrategy[bytes]:
    """Damaged as files, in the header, or in our own metadata within a sound header."""
    whole = tensors()
    length = int.from_bytes(whole[:8], "little")
    header, body = whole[8 : 8 + length], whole[8 + length :]
    known = json.loads(header)
    said = known["__metadata__"][KEY]

    def framed(text: bytes) -> bytes:
        return len(text).to_bytes(8, "little") + text + body

    def described(text: bytes) -> bytes:
        metadata = {KEY: text.decode("utf-8", errors="replace")}
        return framed(json.dumps({**known, "__metadata__": metadata}).encode())

    return mostly(
        damaged(said.encode(), JSON_WORDS).map(described),
        altered({"architecture": RESNET}).map(lambda m: described(json.dumps(m).encode())),
        damaged(header, JSON_WORDS).map(framed),
        damaged(whole),
        of_nothing(),
    )


# ---- tables ----


def texts(whole: str) -> Callable[[], SearchStrategy[bytes]]:
    """A text, damaged; or words in any order."""
    return lambda: mostly(damaged(whole.encode(), WORDS), of_nothing(WORDS))


def first_lines(path: str, count: int) -> str:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(lines[:count])


@cache
def pool() -> pd.DataFrame:
    frame = synthetic_pool(models=6)
    return frame[[*frame.columns[:14], frame.columns[-1]]]


def read_a_pool(folder: Path, content: bytes) -> None:
    """As the rule ``correlations`` does, a ``pool.csv`` that somebody copied."""
    found = read_pool(written(folder, content))
    if len(found) > 40:
        return
    correlations(found, ["augment", "mixup"], {"corrupted": "it is not there"}, resamples=5)


BATCH_ROWS = [
    {"model": model, "cell": "x", "batch": batch, "examples": 16, "value": 0.5 + batch}
    for model in "ab"
    for batch in range(3)
]


def coefficients() -> SearchStrategy[bytes]:
    """A ``correlations.csv``, damaged."""
    return texts(correlations(pool(), resamples=5).head(5).to_csv(index=False))()


def rows_of(columns: list[str], given: list[dict[str, Any]]) -> str:
    return pd.DataFrame(given, columns=columns).to_csv(index=False)


def model_files() -> SearchStrategy[tuple[bool, bytes]]:
    """One of the two tables of a model, damaged."""
    digest = "0" * 16
    done = {"status": "ok", "reason": "", "checkpoint": digest}
    cells = [{**row, **done, "value": 0.5, "device": "cpu"} for row in PLAN.rows()]
    errors = [{**done, "part": part, "error": 0.1} for part in ("train", "test")]
    tables = rows_of(ERRORS, errors), rows_of(CELLS, cells)
    return st.one_of(
        *(
            texts(table)().map(lambda content, which=which: (which, content))
            for which, table in ((False, tables[0]), (True, tables[1]))
        )
    )


def read_a_model(folder: Path, damaged_one: tuple[bool, bytes]) -> None:
    """As the rule ``pool`` does."""
    of_cells, content = damaged_one
    weights = written(folder, b"weights", "model.safetensors")
    done = {"status": "ok", "reason": "", "checkpoint": sha256(weights)[:16]}
    cells = [{**row, **done, "value": 0.5, "device": "cpu"} for row in PLAN.rows()]
    errors = [{**done, "part": part, "error": 0.1} for part in ("train", "test")]
    digest = done["checkpoint"].encode()
    paths = {
        False: written(folder, rows_of(ERRORS, errors).encode(), "errors.csv"),
        True: written(folder, rows_of(CELLS, cells).encode(), "cells.csv"),
    }
    paths[of_cells].write_bytes(content.replace(b"0" * 16, digest))
    source = ModelFiles("model-000", paths[False], paths[True], folder / "batches.csv", weights)
    titles = {"train": "digits", "test": "digits"}
    assemble(pd.DataFrame([{"model": "model-000", "mixup": 1}]), [source], PLAN.rows(), titles, 0.5)


# ---- configurations and catalogues ----


@cache
def small_runs() -> str:
    whole = yaml.safe_load((ROOT / "resources" / "two_layer_relu.yaml").read_text(encoding="utf-8"))
    runs = whole["runs"][:2]
    shown = {run["figure"] for run in runs}
    figures = {name: figure for name, figure in whole["figures"].items() if name in shown}
    table = dict(list(whole["table1"].items())[:1])
    return yaml.safe_dump({"table1": table, "figures": figures, "runs": runs}, sort_keys=False)


@cache
def small_figures() -> str:
    whole = yaml.safe_load((ROOT / "resources" / "figures.yaml").read_text(encoding="utf-8"))
    return yaml.safe_dump([whole[0], whole[-1]], sort_keys=False, allow_unicode=True)


@cache
def small_studies() -> str:
    whole = yaml.safe_load((ROOT / "resources" / "studies.yaml").read_text(encoding="utf-8"))
    return yaml.safe_dump(dict(list(whole.items())[:2]), sort_keys=False, allow_unicode=True)


@cache
def small_configuration() -> dict[str, Any]:
    """One pool of each kind, of the default configuration; RUNS and TABLE stand for files."""
    whole = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    whole = json.loads(json.dumps(whole))  # no part of it in two places
    names = ("cifar10-resnet18", "augreg-i1k")
    whole["pools"] = {name: whole["pools"][name] for name in names}
    for settings in whole["pools"].values():
        radii = settings["sharpness"]["radii"]
        settings["sharpness"]["radii"] = dict(list(radii.items())[:2])
    whole["pools"]["augreg-i1k"]["checkpoints"] |= {"models": "TABLE", "take": 2}
    whole["simple"]["two_layer_relu"]["runs"] = "RUNS"
    whole["data"] = {"cifar10": {"file": "x.npz"}}
    return whole


def found(value: Any, places: Mapping[str, str]) -> Any:
    """The configuration with the words that stand for files replaced."""
    if isinstance(value, dict):
        return {key: found(inner, places) for key, inner in value.items()}
    if isinstance(value, list):
        return [found(inner, places) for inner in value]
    return places.get(value, value) if isinstance(value, str) else value


def read_a_configuration(folder: Path, raw: Any) -> None:
    table = written(folder, first_lines("resources/pools/augreg-i1k.csv", 4).encode(), "table.csv")
    runs = written(folder, RUNS.encode(), "runs.yaml")
    settings = validated(found(raw, {"TABLE": str(table), "RUNS": str(runs)}))
    for name in settings.pools:  # what the Snakefile asks for next
        pool = settings.pools[name]
        if pool.sharpness.points <= 2048:
            pool.plan(settings.protocols)
        len(pool.first_of)
    settings.source("cifar10")


RUNS = """\
table1: {}
figures: {}
runs: []
"""


def read_configuration_text(folder: Path, content: bytes) -> None:
    """As Snakemake reads it; what is no YAML, or no keys with values, it refuses itself."""
    try:
        raw = yaml.safe_load(content.decode())
    except Exception as error:
        raise UserError("Snakemake refuses this file itself") from error
    if not isinstance(raw, dict):
        raise UserError("Snakemake refuses this file itself")
    read_a_configuration(folder, raw)


# ---- data ----


def idx(array: np.ndarray) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes()


def images() -> SearchStrategy[tuple[int, bytes]]:
    """One of the four files of Fashion-MNIST, damaged as packed or as unpacked."""
    files = clothes()
    return st.sampled_from(range(4)).flatmap(
        lambda which: mostly(
            damaged(files[which]).map(gzip.compress), damaged(gzip.compress(files[which]))
        ).map(lambda content: (which, content))
    )


@cache
def clothes() -> list[bytes]:
    pixels, labels = np.zeros((2, 28, 28), np.uint8), np.ones(2, np.uint8)
    return [idx(pixels), idx(labels), idx(pixels), idx(labels)]


def read_clothes(folder: Path, changed: tuple[int, bytes]) -> None:
    contents = [gzip.compress(file, 1) for file in clothes()]
    contents[changed[0]] = changed[1]
    paths = [written(folder, content, f"{k}.gz") for k, content in enumerate(contents)]
    small.read_fashion_mnist(paths)


SHELLS = "".join(f"{'MFI'[k % 3]},0.4,0.3,0.1,0.5,0.2,0.1,0.2,{1 + k % 20}\n" for k in range(5))

TARGETS: dict[str, Target] = {
    "AugReg files": Target(
        22, npz, lambda folder, content: augreg.read(written(folder, content), VIT)
    ),
    "checkpoints of ours": Target(
        16,
        safetensors,
        lambda folder, content: checkpoint.load_model(written(folder, content)),
    ),
    "configurations": Target(15, lambda: altered(small_configuration()), read_a_configuration),
    "configurations as text": Target(
        5, texts(yaml.safe_dump(small_configuration(), sort_keys=False)), read_configuration_text
    ),
    "catalogue of figures": Target(
        4,
        texts(small_figures()),
        lambda folder, content: load_figures(written(folder, content)),
    ),
    "catalogue of studies": Target(
        3,
        texts(small_studies()),
        lambda folder, content: load_studies(written(folder, content)),
    ),
    "catalogue of runs": Target(
        3, texts(small_runs()), lambda folder, content: load_runs(written(folder, content))
    ),
    "tables of models": Target(
        9,
        texts(first_lines("resources/pools/augreg-i1k.csv", 4)),
        lambda folder, content: read_table(written(folder, content)),
    ),
    "published errors": Target(
        4,
        texts(first_lines("resources/published_errors.csv", 5)),
        lambda folder, content: read_published_errors(written(folder, content), "clip-soups"),
    ),
    "published coefficients": Target(
        3,
        texts(first_lines("resources/paper_taus.csv", 5)),
        lambda folder, content: read_facts(written(folder, content)),
    ),
    "pool.csv": Target(3, texts(pool().to_csv(index=False)), read_a_pool),
    "per_batch.csv": Target(
        3,
        texts(rows_of(["model", "cell", "batch", "examples", "value"], BATCH_ROWS)),
        lambda folder, content: by_cell(read_per_batch(written(folder, content)), ["a", "b"]),
    ),
    "correlations.csv": Target(
        3,
        coefficients,
        lambda folder, content: read_correlations(written(folder, content)),
    ),
    "rows of a model": Target(3, model_files, read_a_model),
    "Fashion-MNIST": Target(6, images, read_clothes),
    "Abalone": Target(
        2,
        texts(SHELLS),
        lambda folder, content: small.read_abalone([written(folder, content)]),
    ),
}
