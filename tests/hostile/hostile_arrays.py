"""Weights with false headers, sizes, types or contents, in every format that models come in."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hostile_archives import zip_of_zeros
from hostile_readers import RESNET, cuts, genuine, loaded, obtained
from hostile_readers import weights as drawn
from hostile_world import CANARY, Case, Maker, Reader
from safetensors.torch import save

from sharpness.training.checkpoint import load_model

Arrays = dict[str, Any]
Change = Callable[[Arrays], Any]

# AugReg's .npz


def npz(change: Change, packed: bool = False) -> Maker:
    def make(given: Path) -> Path:
        path = genuine("augreg", given)
        with np.load(path) as stored:
            arrays = dict(stored)
        change(arrays)
        (np.savez_compressed if packed else np.savez)(path, **arrays)
        return path

    return make


def npy(shape: str, descr: str = "'<f4'", content: bytes = bytes(48), version: int = 1) -> bytes:
    """An ``.npy`` file whose header says whatever it is told to."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"
    form = "<H" if version == 1 else "<I"
    return (
        b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, len(text)) + text.encode() + content
    )


def member(content: bytes, method: int = zipfile.ZIP_STORED) -> Maker:
    """A whole ``.npz`` file but for one member."""

    def make(given: Path) -> Path:
        path = genuine("augreg", given)
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, whole in {**files, "cls.npy": content}.items():
                archive.writestr(name, whole)
        return path

    return make


def acting_header(given: Path) -> Path:
    code = f"__import__('os').system('touch {given / CANARY}')"
    return member(npy(f"({code},)"))(given)


def spoilt(form: str, change: Callable[[bytes], bytes]) -> Maker:
    """A whole file, changed in its bytes."""

    def make(given: Path) -> Path:
        path = genuine(form, given)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def cut(at: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(at * len(content))]


def bomb(given: Path) -> Path:
    return zip_of_zeros(genuine("augreg", given), "cls.npy", 1024)


def changed(name: str, change: Callable[[Any], Any]) -> Change:
    return lambda arrays: arrays.update({name: change(arrays[name])})


HEADERS = {
    "a shape of an exabyte": npy("(1152921504606846976,)"),
    "a shape beyond all numbers": npy("(" + "9" * 60 + ", 3)"),
    "objects": npy("(1, 1, 12)", "'|O'"),
    "objects in a field": npy("(1, 1, 3)", "[('a', '<f4'), ('b', '|O')]"),
    "a header of four gigabytes": b"\x93NUMPY\2\0" + b"\xff\xff\xff\xff" + bytes(40),
    "fewer numbers than its shape": npy("(1, 1, 12)", content=bytes(44)),
}
ARRAYS: dict[str, Change] = {
    "missing": lambda arrays: arrays.pop("head/bias"),
    "one too many": lambda arrays: arrays.update({"../../x": np.zeros(2, np.float32)}),
    "turned": changed("embedding/kernel", lambda a: a.T),
    "complex numbers": changed("head/bias", lambda a: a.astype(np.complex64)),
}


def prepared(**change: Any) -> Maker:
    """A prepared file of CIFAR-10, packed, with other arrays."""

    def make(given: Path) -> Path:
        arrays = {
            "bytes": np.zeros(9, np.uint8),
            "offset": np.array([0, 9]),
            "label": np.zeros(1, np.uint8),
            "is_test": np.ones(1, bool),
        }
        path = given / "cifar.npz"
        np.savez_compressed(path, **{**arrays, **change})
        return path

    return make


# Checkpoints of the workflow: safetensors


def metadata_of(**change: Any) -> dict[str, str]:
    return {"sharpness": json.dumps({"architecture": RESNET, **change})}


def tensors() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in drawn("cifar10-released").items()}


def checkpoint(content: Callable[[], bytes]) -> Maker:
    def make(given: Path) -> Path:
        path = given / "model.safetensors"
        path.write_bytes(content())
        return path

    return make


def stored(change: Change = lambda weights: None, metadata: dict[str, str] | None = None) -> Maker:
    """A whole checkpoint of a changed model."""

    def content() -> bytes:
        weights = tensors()
        change(weights)
        return save({k: t.contiguous() for k, t in weights.items()}, metadata or metadata_of())

    return checkpoint(content)


def raw(
    header: bytes | dict[str, Any], data: bytes = bytes(64), length: int | None = None
) -> Maker:
    """A checkpoint of a header and some bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return checkpoint(lambda: struct.pack("<Q", length or len(text)) + text + data)


def entry(size: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}


def read_checkpoint(path: Path, work: Path) -> None:
    load_model(path)


def pipe(given: Path) -> Path:
    os.mkfifo(given / "model.safetensors")
    return given / "model.safetensors"


SAFE = {
    "a header of an exabyte": raw(b"{}", length=10**18),
    "a tensor of an exabyte": raw({"x": entry(10**18)}),
    "no metadata": raw({"x": entry(16)}),
    "metadata that is no JSON": stored(metadata={"sharpness": "{"}),
    "metadata of many brackets": stored(metadata={"sharpness": "[" * 100_000}),
    "an unknown architecture": stored(metadata=metadata_of(architecture={"name": "os.system"})),
    "a network of a terabyte": stored(
        metadata=metadata_of(architecture={**RESNET, "width": 10**6})
    ),
    "a tensor missing": stored(lambda w: w.pop("linear.bias")),
    "a tensor turned": stored(changed("linear.weight", lambda t: t.T)),
    "half precision": stored(changed("linear.bias", lambda t: t.half())),
    "a pipe in its place": pipe,
}


def whole() -> bytes:
    return save(tensors(), metadata_of())


NPZ, CIFAR = obtained("augreg"), loaded("cifar10")


def soup(change: Change) -> Maker:
    def make(given: Path) -> Path:
        path = genuine("soups", given)
        weights = torch.load(path, weights_only=True)
        change(weights)
        torch.save(weights, path)
        return path

    return make


SOUPS: dict[str, Change] = {
    "missing": lambda w: w.pop("model.visual.proj"),
    "sparse": changed("model.visual.proj", lambda t: t.to_sparse()),
}
FORMS: tuple[tuple[str, Reader], ...] = tuple(
    (form, obtained(form)) for form in ("soups", "augreg")
)

CASES = [
    *(Case(f"npz: {name}", member(c), NPZ, ("array cls",)) for name, c in HEADERS.items()),
    *(
        Case(f"npz: an array {name}", npz(change), NPZ, ("array",))
        for name, change in ARRAYS.items()
    ),
    Case("npz: a header that acts", acting_header, NPZ, ("array cls",)),
    Case("npz: a gigabyte of zeros", bomb, NPZ, ("unpacks to",)),
    Case(
        "prepared CIFAR-10: a gigabyte",
        lambda given: zip_of_zeros(given / "cifar.npz", "bytes.npy", 1024),
        CIFAR,
        ("unpacks",),
    ),
    Case(
        "prepared CIFAR-10: offsets far away", prepared(offset=np.array([-(2**62), 2**62])), CIFAR
    ),
    Case("prepared CIFAR-10: a class too many", prepared(label=np.array([10], np.uint8)), CIFAR),
    *(
        Case(f"{form}: cut off at {at}", spoilt(form, cut(at)), read)
        for form, read in FORMS
        for at in (0.0, 0.5, 0.999)
    ),
    *(
        Case(f"{form}: another kind of file", spoilt(form, lambda c: b"<html>404</html>"), read)
        for form, read in FORMS
    ),
    *(
        Case(f"soup: a tensor {name}", soup(change), obtained("soups"))
        for name, change in SOUPS.items()
    ),
    *(Case(f"checkpoint: {name}", make, read_checkpoint) for name, make in SAFE.items()),
    *(
        Case(f"checkpoint: cut off at {n}", checkpoint(lambda n=n: whole()[:n]), read_checkpoint)
        for n in cuts(len(whole()))
    ),
]
