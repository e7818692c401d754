"""Pickles that act, or grow, in every file of the workflow that may hold one."""

from __future__ import annotations

import functools
import importlib
import io
import operator
import os
import pickle
import shutil
import struct
import subprocess
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from hostile_readers import batches, genuine, loaded, obtained, published
from hostile_world import CANARY, Case, Maker
from photo_files import imagenet, settings, tar
from test_simple_data import array, cora, integer, sparse, string

from sharpness.data.members import BATCHES
from sharpness.data.places import locate


class Call:
    """Unpickled without care, this calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call

    def __call__(self) -> None:
        """Only what can be called can stand for what is called."""


def acts(canary: Path) -> dict[str, Any]:
    """Objects each of which, unpickled without care, touches a file."""
    touch, code = f"touch {canary}", f"open({str(canary)!r}, 'w').close()"
    plain = pickle.dumps(Call(os.system, touch))
    saved = io.BytesIO()
    torch.save(Call(os.system, touch), saved)
    objects = np.array([Call(os.system, touch), None], dtype=object)
    return {
        "os.system": Call(os.system, touch),
        "subprocess": Call(subprocess.check_call, ["touch", str(canary)]),
        "Popen and wait": Call(
            operator.methodcaller("wait"), Call(subprocess.Popen, touch.split())
        ),
        "eval": Call(eval, f"__import__('os').system({touch!r})"),
        "exec": Call(exec, code),
        "a method of a path": Call(Path.touch, canary),
        "a chain of calls": Call(operator.methodcaller("touch"), Call(Path, str(canary))),
        "partial": Call(Call(functools.partial, os.system, touch)),
        "getattr": Call(Call(getattr, Call(importlib.import_module, "os"), "system"), touch),
        "a copy over a file": Call(shutil.copy, canary.with_name("bait"), canary),
        "a pickle in a pickle": Call(pickle.loads, plain),
        "torch's own loader": Call(torch.storage._load_from_bytes, saved.getvalue()),
        "an array of objects": objects,
        "a table of pandas": Call(pd.read_pickle, str(canary.with_name("bait.pkl"))),
    }


def bait(given: Path) -> Path:
    """What some of the acts need; returns the canary."""
    canary = given / CANARY
    (given / "bait").write_text("bait")
    (given / "bait.pkl").write_bytes(pickle.dumps(Call(Path.touch, canary)))
    return canary


ACTS = tuple(acts(Path(CANARY)))


def soup(name: str, new: bool = True) -> Maker:
    def make(given: Path) -> Path:
        path = genuine("soups", given)
        tensors = torch.load(path, weights_only=True)
        tensors["model.visual.proj"] = acts(bait(given))[name]
        torch.save(tensors, path, _use_new_zipfile_serialization=new)
        return path

    return make


def beside(form: str, name: str, new: bool = True) -> Maker:
    """Not a tensor acts, but something beside the tensors."""

    def make(given: Path) -> Path:
        path = published(form, given)
        torch.save(
            {"last": {}, "best": acts(bait(given))[name]}, path, _use_new_zipfile_serialization=new
        )
        return path

    return make


def torchscript(given: Path) -> Path:
    path = genuine("soups", given)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    return path


def old_tar(given: Path) -> Path:
    """The format before the format before this one, a tar of pickles."""
    path = published("soups", given)
    parts = dict.fromkeys(("storages", "tensors", "pickle"), b"")
    path.write_bytes(tar(parts | {"pickle": pickle.dumps(acts(bait(given))["eval"])}))
    return path


def rebuilt(*arguments: Any) -> Maker:
    """A soup one of whose tensors is rebuilt from a storage with false sizes."""

    def make(given: Path) -> Path:
        path = genuine("soups", given)
        tensors = torch.load(path, weights_only=True)
        storage = torch.zeros(4).storage()
        tensors["model.visual.proj"] = Call(torch._utils._rebuild_tensor_v2, storage, *arguments)
        torch.save(tensors, path)
        return path

    return make


def legacy_claim(given: Path) -> Path:
    """A file of the old format that names storages and has no bytes for them."""
    path = published("bert", given)
    tensors = OrderedDict(x=torch.zeros(1 << 20))
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    end = next(i for i in range(len(content)) if content.startswith(b"\x80\x02]q\x00X", i))
    path.write_bytes(content[:end] + b"\x80\x02]q\x00.")
    return path


def packed_pickle(given: Path) -> Path:
    """A zip of PyTorch whose pickle is a bomb of a gigabyte."""
    path = published("soups", given)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00." + bytes(1 << 26))
        archive.writestr("archive/version", b"3\n")
    return path


def npz_objects(name: str) -> Maker:
    def make(given: Path) -> Path:
        path = genuine("augreg", given)
        with np.load(path) as stored:
            arrays = dict(stored)
        arrays["cls"] = np.array([acts(bait(given))[name]], dtype=object)
        np.savez(path, **arrays)
        return path

    return make


def holdout_objects(given: Path) -> Path:
    imagenet(given)
    index = np.array([acts(bait(given))["os.system"]] * 12, dtype=object)
    np.save(given / "index.npy", index, allow_pickle=True)
    return given / "index.npy"


def read_holdout(path: Path, work: Path) -> None:
    locate("imagenet-2p", settings(work, folder=str(path.parent), holdout=str(path)))


def prepared_objects(given: Path) -> Path:
    path = given / "cifar.npz"
    images = np.array([acts(bait(given))["exec"]] * 4, dtype=object)
    np.savez(path, images=images, label=np.zeros(4, np.uint8), is_test=np.ones(4, bool))
    return path


def batch(content: bytes | Callable[[Path], bytes]) -> Maker:
    """The archive of CIFAR-10 with a hostile first batch."""

    def make(given: Path) -> Path:
        whole = pickle.dumps({"labels": [1], "data": np.zeros((1, 3072), np.uint8)}, 2)
        parts = dict.fromkeys(BATCHES, whole)
        parts["data_batch_1"] = content if isinstance(content, bytes) else content(given)
        path = given / "cifar-10-python.tar.gz"
        path.write_bytes(tar({f"cifar-10-batches-py/{n}": c for n, c in parts.items()}, "gz"))
        return path

    return make


def acting_batch(name: str, protocol: int) -> Maker:
    return batch(lambda given: pickle.dumps({"data": acts(bait(given))[name]}, protocol))


PROTO, STOP = b"\x80\x02", b"."


def laughs(levels: int = 34) -> bytes:
    """The opcodes of a list of two lists, each of two lists, and so on."""
    out = b"(lp0\n"
    for level in range(levels):
        out += b"0(lp%d\n" % (level + 1) + b"(g%d\ng%d\ne" % (level, level)
    return out


def state(values: dict[str, bytes]) -> bytes:
    """A dictionary, as opcodes."""
    return b"}(" + b"".join(string(k.encode()) + v for k, v in values.items()) + b"u"


PIXELS = array(np.zeros((1, 3072)), "|u1")
BATCHES_OF: dict[str, bytes] = {
    "labels that laugh": PROTO + state({"labels": laughs(), "data": PIXELS}) + STOP,
    "a dictionary of laughs": PROTO + b"ccollections\ndefaultdict\n" + laughs() + b"\x85R" + STOP,
    "object number four thousand million": PROTO + b"]r" + struct.pack("<I", 4 * 10**9 - 1) + STOP,
    "a text of a terabyte": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x" + STOP,
    "an array of a terabyte": PROTO
    + state({"labels": b"](K\x01e", "data": PIXELS.replace(integer(3072), integer(2**31 - 1))})
    + STOP,
    "an array made by its class": PROTO
    + b"cnumpy\nndarray\n"
    + b"(J\xff\xff\xff\x7f"
    + b"K\x08tq\x01\x85R"
    + STOP,
    "a type that says where pointers are": PROTO
    + state({"labels": b"](K\x01e", "data": PIXELS.replace(string(b"u1"), string(b"O8"))})
    + STOP,
    "defaults of a function of ours": PROTO
    + b"c_codecs\nencode\n"
    + (b"N" + state({"__defaults__": b"(K\x01t"}) + b"\x86b")
    + STOP,
    "a name with a new line": b"\x80\x04\x8c\x05os\n\x1b[\x8c\x06system\x93" + STOP,
    "a persistent object": b"Pwhatever\n.",
    "a label that is no number": PROTO + state({"labels": b"](K\x01\x85e", "data": PIXELS}) + STOP,
    "a label of a class that is not": PROTO + state({"labels": b"](K\x0ae", "data": PIXELS}) + STOP,
    "ten thousand calls": PROTO
    + string(bytes(1 << 16)).replace(b"T", b"T", 1)
    + b"q\x01"
    + b"0c_codecs\nencode\nh\x01U\x06latin1\x86R" * 10_000
    + STOP,
}


def graph(**changed: bytes | Callable[[Path], bytes]) -> Maker:
    """Cora with one hostile file, whose path it returns."""

    def make(given: Path) -> Path:
        (name,) = changed
        contents = {k: v if isinstance(v, bytes) else v(given) for k, v in changed.items()}
        files = cora(given, **contents)
        return next(
            f for f in files if f.name.endswith({"index": "test.index"}.get(name, f".{name}"))
        )

    return make


def read_cora(path: Path, work: Path) -> None:
    loaded("cora", "folder")(path.parent, work)


def neighbours(content: bytes) -> bytes:
    return PROTO + content + STOP


SAME_LIST = (
    b"}q\x00("
    + b"K\x00]("
    + b"K\x01" * 20_000
    + b"eq\x01"
    + b"".join(integer(i) + b"h\x01" for i in range(1, 20_000))
    + b"u"
)
WRAPS = array([0, 2**31 - 1, -(2**31), -1, 3, 3], "<i4")
"""Starts of rows that seem to grow, for the differences wrap around."""

CASES = [
    *(Case(f"soup: {name}", soup(name), obtained("soups"), ("asks for",)) for name in ACTS),
    *(
        Case(f"old format: {name}", soup(name, new=False), obtained("soups"), ("asks for",))
        for name in ("os.system", "eval", "an array of objects")
    ),
    *(
        Case(
            f"{form}: beside the tensors", beside(form, "exec", new), obtained(form), ("asks for",)
        )
        for form, new in (("bert", False), ("bert", True), ("cifar10-released", True))[::2]
    ),
    Case("soup: TorchScript", torchscript, obtained("soups"), ("no whole PyTorch file",)),
    Case("soup: a tar of pickles", old_tar, obtained("soups")),
    Case(
        "soup: a tensor behind its storage",
        rebuilt(9**9, (7,), (1,), False, OrderedDict()),
        obtained("soups"),
    ),
    Case(
        "soup: a tensor of a terabyte in four numbers",
        rebuilt(0, (1 << 19, 1 << 19), (0, 0), False, OrderedDict()),
        obtained("soups"),
        ("has shape",),
    ),
    Case("bert: storages without bytes", legacy_claim, obtained("bert"), ("than it holds",)),
    Case("soup: a packed pickle", packed_pickle, obtained("soups"), ("claims",)),
    *(
        Case(f"npz: {name} as an object", npz_objects(name), obtained("augreg"), ("objects",))
        for name in ("os.system", "a pickle in a pickle")
    ),
    Case("npy: a hold-out of objects", holdout_objects, read_holdout, ("objects",)),
    Case("prepared CIFAR-10 of objects", prepared_objects, loaded("cifar10"), ("objects",)),
    *(
        Case(f"CIFAR-10: {name}, protocol {p}", acting_batch(name, p), batches, ("asks for",))
        for name, p in (("os.system", 0), ("exec", 2), ("torch's own loader", 4), ("partial", 2))
    ),
    Case(
        "CIFAR-10: another archive than the published",
        acting_batch("os.system", 2),
        loaded("cifar10", split="train"),
        ("not the published",),
    ),
    *(Case(f"CIFAR-10: {name}", batch(c), batches) for name, c in BATCHES_OF.items()),
    *(
        Case(f"Cora: {part} acts", graph(**{part: pickle_of("getattr")}), read_cora, ("asks for",))
        for pickle_of in [lambda n: lambda g: pickle.dumps(acts(bait(g))[n], 2)]
        for part in ("x", "graph")
    ),
    Case(
        "Cora: neighbours that laugh",
        graph(graph=neighbours(b"}(K\x00" + laughs() + b"u")),
        read_cora,
    ),
    Case("Cora: the same neighbours for all", graph(graph=neighbours(SAME_LIST)), read_cora),
    Case(
        "Cora: a shape that multiplies a list",
        graph(
            x=sparse(np.eye(5, 4), _shape=b"](" + b"K\x01" * 999 + b"e" + integer(10**9) + b"\x86")
        ),
        read_cora,
    ),
    Case("Cora: rows that wrap around", graph(x=sparse(np.eye(5, 4), indptr=WRAPS)), read_cora),
    Case("Cora: a number of sixty megabytes", graph(index=b"1" * (60 << 20)), read_cora),
]
