"""Pickles that act in every file of the workflow that may hold one."""

from __future__ import annotations

import io
import operator
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hostile_readers import genuine, loaded, obtained
from hostile_world import CANARY, Case, Maker
from photo_files import tar

from sharpness.data.unpack import BATCHES


class Call:
    """Unpickled without care, this calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def acts(canary: Path) -> dict[str, Any]:
    """Objects each of which, unpickled without care, touches a file."""
    touch = Call(os.system, f"touch {canary}")
    saved = io.BytesIO()
    torch.save(touch, saved)
    return {
        "os.system": touch,
        "exec": Call(exec, f"open({str(canary)!r}, 'w').close()"),
        "a chain of calls": Call(operator.methodcaller("touch"), Call(Path, str(canary))),
        "a pickle in a pickle": Call(pickle.loads, pickle.dumps(touch)),
        "torch's own loader": Call(torch.storage._load_from_bytes, saved.getvalue()),
        "an array of objects": np.array([touch, None], dtype=object),
    }


ACTS = tuple(acts(Path(CANARY)))


def soup(name: str, new: bool = True) -> Maker:
    """Not a tensor but an act, in a file of either format of PyTorch."""

    def make(given: Path) -> Path:
        path = genuine("soups", given)
        tensors = {"model.visual.proj": acts(given / CANARY)[name]}
        torch.save(tensors, path, _use_new_zipfile_serialization=new)
        return path

    return make


def rebuilt(given: Path) -> Path:
    """A tensor of a terabyte in four numbers."""
    path, storage = genuine("soups", given), torch.zeros(4).storage()
    sizes = (0, (1 << 19, 1 << 19), (0, 0), False, {})
    torch.save({"model.visual.proj": Call(torch._utils._rebuild_tensor_v2, storage, *sizes)}, path)
    return path


def written(name: str, write: Callable[[Path, Any], None]) -> Maker:
    """A file of this name that holds an act."""

    def make(given: Path) -> Path:
        write(given / name, acts(given / CANARY)["os.system"])
        return given / name

    return make


def archive(path: Path, act: Any) -> None:
    parts = {f"cifar-10-batches-py/{name}": pickle.dumps({"data": act}) for name in BATCHES}
    path.write_bytes(tar(parts, "gz"))


def prepared(path: Path, act: Any) -> None:
    np.savez(path, images=np.array([act]), label=np.zeros(1, np.uint8), is_test=np.ones(1, bool))


def graph(path: Path, act: Any) -> None:
    for part in ("x", "y", "tx", "ty", "allx", "ally", "graph", "test.index"):
        (path.parent / f"ind.cora.{part}").write_bytes(pickle.dumps(act, 2))


CASES = [
    *(Case(f"soup: {name}", soup(name), obtained("soups"), ("asks for",)) for name in ACTS),
    Case("soup: the old format", soup("exec", new=False), obtained("soups"), ("asks for",)),
    Case("soup: a tensor of a terabyte", rebuilt, obtained("soups")),
    Case("prepared CIFAR-10", written("cifar.npz", prepared), loaded("cifar10"), ("Object",)),
    Case("CIFAR-10", written("a.tar.gz", archive), loaded("cifar10"), ("is not the published",)),
    Case(
        "Cora",
        written("ind.cora.x", graph),
        lambda path, work: loaded("cora", "folder")(path.parent, work),
        ("is not the published",),
    ),
]
