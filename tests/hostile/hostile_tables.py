"""Tables, texts, records and what lies in the cache: edited, cut off, or never what they say."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

from hostile_archives import zeros, zip_of_zeros
from hostile_readers import loaded
from hostile_world import Case, Maker
from small_data import fashion_files

from sharpness.checkpoints.table import read_table
from sharpness.data.listing import PHOTOS, read_sample
from sharpness.data.load import load_dataset
from sharpness.data.locate import read_record
from sharpness.evaluation.published import KEYS, read_published_errors
from sharpness.statistics.correlation import read_pool
from sharpness.training.records import read_training


def text(name: str, content: bytes | str) -> Maker:
    def make(given: Path) -> Path:
        path = given / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


# Tables

HEAD = ",".join(KEYS) + "\n"
ROW = "p,m,test,0.25,,here\n"
TABLES: dict[str, bytes | str] = {
    "another encoding": HEAD.encode() + b"p,m,test,0.25,\xe9\xff,here\n",
    "a cell of a megabyte": HEAD + ROW.replace("here", "x" * (1 << 20)),
    "a quote without end": HEAD + ROW + '"' + ROW * 9,
    "an error above one": HEAD + ROW.replace("0.25", "1e9"),
    "a row twice": HEAD + ROW * 2,
    "nothing": "",
}
POOL = "model,rate,url\n"
POOLS = {
    "an address that is a file": POOL + "m,1,file:///etc/passwd\n",
    "a cell of a megabyte": POOL + f"m,{'1' * (1 << 20)},https://host.example/x\n",
    "a row twice": POOL + "m,1,https://host.example/x\n" * 2,
}


def read_errors(path: Path, work: Path) -> None:
    read_published_errors(path, "p")


# Sentences, measurements, drawings

PAIR = {"gold_label": "neutral", "sentence1": "a", "sentence2": "a"}
DEV = "multinli_1.0/multinli_1.0_dev_matched.jsonl"


def mnli(content: bytes) -> Maker:
    def make(given: Path) -> Path:
        path = given / "multinli_1.0.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(DEV, content)
        return path

    return make


def line(**change: Any) -> bytes:
    return json.dumps(PAIR | change).encode() + b"\n"


SENTENCES = {
    "a line without end": b"x" * (2 << 20),
    "a hundred thousand brackets": b"[" * 100_000 + b"\n",
    "a number of five thousand digits": line().replace(b'"a"', b"9" * 5000) + b"\n",
    "another encoding": b'{"gold_label": "\xff"}\n',
}
HANS = b"gold_label\tsentence1\tsentence2\theuristic\n"


def fashion(content: bytes) -> Maker:
    return lambda given: fashion_files(given, images=content)[0]


def read_fashion(path: Path, work: Path) -> None:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    files = ("images", "labels", "test_images", "test_labels")
    folder = work / "given"
    folder.mkdir()
    for name, file in zip(names, files, strict=True):
        os.link(path.parent / f"{file}.gz", folder / f"{name}-ubyte.gz")
    loaded("fashion-mnist", "folder")(folder, work)


# Records

RECORD = {
    "name": "cifar10",
    "status": "present",
    "reason": "",
    "title": "CIFAR-10",
    "files": [{"path": "cifar.tar.gz", "sha256": "0"}],
    "remark": "",
}
WHOLE = json.dumps(RECORD)
RECORDS: dict[str, str | bytes] = {
    "cut off": WHOLE[:40],
    "many brackets": "[" * 100_000,
    "no status": json.dumps({k: v for k, v in RECORD.items() if k != "status"}),
    "files that are a text": json.dumps(RECORD | {"files": "/etc/passwd"}),
}
DONE = {"status": "ok", "reason": "", "train_error": 0.1, "seed": 0, "index": 0, "architecture": {}}


def read_data(path: Path, work: Path) -> None:
    record = read_record(path)
    load_dataset(record["name"], "train", record)


CASES = [
    *(Case(f"published errors: {n}", text("e.csv", c), read_errors) for n, c in TABLES.items()),
    *(
        Case(f"a pool's table: {n}", text("t.csv", c), lambda path, work: read_table(path))
        for n, c in POOLS.items()
    ),
    *(
        Case(f"pool.csv: {n}", text("pool.csv", c), lambda path, work: read_pool(path))
        for n, c in (("nothing", ""), ("a quote without end", 'model\n"'), ("no UTF-8", b"\xff\n"))
    ),
    Case("a sample", text("s.csv", b"\xff\n"), lambda path, work: read_sample(path, PHOTOS)),
    *(Case(f"MNLI: {n}", mnli(c), loaded("mnli")) for n, c in SENTENCES.items()),
    Case(
        "MNLI: two gigabytes of zeros",
        lambda given: zip_of_zeros(given / "multinli_1.0.zip", DEV, 2047),
        loaded("mnli"),
        ("holds more",),
    ),
    Case(
        "HANS: a hundred megabytes",
        text("h.txt", HANS + bytes(100 << 20)),
        loaded("hans-lexical"),
        ("more",),
    ),
    Case(
        "Fashion-MNIST: a gigabyte of zeros",
        fashion(zeros(b"", 1 << 30)),
        read_fashion,
        ("more",),
        "train-images",
    ),
    *(
        Case(f"a data set's record: {n}", text("cifar10.json", c), read_data)
        for n, c in RECORDS.items()
    ),
    Case(
        "a data set's record: another file",
        text("cifar10.json", WHOLE.replace("cifar.tar.gz", "/etc/passwd")),
        read_data,
        names="/etc/passwd",
    ),
    *(
        Case(f"a training's record: {n}", text("m.json", c), lambda path, work: read_training(path))
        for n, c in (
            ("cut off", json.dumps(DONE)[:20]),
            ("an error in words", json.dumps(DONE | {"train_error": "small"})),
            ("no seed", json.dumps({k: v for k, v in DONE.items() if k != "seed"})),
        )
    ),
]
