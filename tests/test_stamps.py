"""Stamps: what is outdated is seen where Snakemake's memory is lost or overruled, and only that."""

from __future__ import annotations

import json
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sharpness.files import write_text
from sharpness.stamps import parameters_digest, set_aside, write_stamp

HOME = Path("results/mini")
CELLS, POOL, TABLE = (str(HOME / name) for name in ("p/cells.csv", "p/pool.csv", "tables/t.csv"))
PARAMS: dict[str, dict[str, Any]] = {"cells": {"radius": 0.1}, "pool": {}, "table": {"note": "n"}}


@pytest.fixture(autouse=True)
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of three files, which Snakemake remembers."""
    monkeypatch.chdir(tmp_path)
    chain = [("cells", [], CELLS), ("pool", [CELLS], POOL), ("table", [POOL], TABLE)]
    for rule, inputs, output in chain:
        write_text(output, "made")
        log = HOME / "logs" / f"{rule}.log"
        write_stamp(log, rule, {"pool": "p"}, inputs, [output], PARAMS[rule])
        write_text(record(output), json.dumps({"rule": rule, "starttime": 1.0}))


def record(output: str) -> Path:
    """Where Snakemake remembers a file."""
    return Path(".snakemake/metadata", urlsafe_b64encode(output.encode()).decode())


def wanted(**changed: dict[str, Any]) -> Any:
    def parameters(rule: str, wildcards: Mapping[str, str]) -> Mapping[str, Any]:
        assert wildcards == {"pool": "p"}
        return {**PARAMS, **changed}[rule]

    return parameters


def there() -> set[str]:
    return {path for path in (CELLS, POOL, TABLE) if Path(path).exists()}


def test_what_snakemake_remembers_is_left_to_it(capsys):
    set_aside(HOME, wanted(cells={"radius": 0.2}))
    assert there() == {CELLS, POOL, TABLE}
    assert not capsys.readouterr().err


@pytest.mark.parametrize("damage", [os.remove, lambda path: path.write_text('{"rule": "ce')])
def test_what_it_does_not_remember_goes_with_all_that_was_made_of_it(damage, capsys):
    damage(record(CELLS))
    set_aside(HOME, wanted(cells={"radius": 0.2}))
    assert there() == set()
    assert (HOME / "outdated" / "tables" / "t.csv").read_text() == "made"
    assert "and 2 more: made with other settings" in capsys.readouterr().err


def test_what_was_touched_goes_too():
    record(POOL).write_text(json.dumps({"rule": "pool", "starttime": time.time() + 1}))
    set_aside(HOME, wanted(pool={"max_test_error": 0.5}))
    assert there() == {CELLS}


def test_lost_memory_of_fresh_files_changes_nothing():
    for path in (CELLS, POOL, TABLE):
        os.remove(record(path))
        os.utime(path, (1, 1))
    set_aside(HOME, wanted())
    assert there() == {CELLS, POOL, TABLE}


def test_a_file_without_a_whole_stamp_is_taken_as_it_stands():
    for path in (HOME / "stamps").iterdir():
        path.write_text(path.read_text()[:20])
    os.remove(record(CELLS))
    set_aside(HOME, wanted(cells={"radius": 0.2}))
    assert there() == {CELLS, POOL, TABLE}


def test_what_the_configuration_names_no_more_stays():
    def nothing(rule: str, wildcards: Mapping[str, str]) -> Mapping[str, Any]:
        raise KeyError(rule)

    os.remove(record(CELLS))
    set_aside(HOME, nothing)
    assert there() == {CELLS, POOL, TABLE}


def test_long_names_are_remembered_in_folders():
    long = str(HOME / ("x" * 220))
    write_text(long, "made")
    write_stamp(HOME / "logs/x.log", "cells", {"pool": "p"}, [], [long], PARAMS["cells"])
    name = urlsafe_b64encode(long.encode()).decode()
    write_text(Path(".snakemake/metadata", "@" + name[:254], name[254:]), '{"starttime": 1}')
    set_aside(HOME, wanted(cells={"radius": 0.2}))
    assert Path(long).exists()


def test_parameters_are_told_apart_by_values_alone():
    assert parameters_digest({"a": (1, 2), "b": None}) == parameters_digest(
        {"b": None, "a": [1, 2]}
    )
    assert parameters_digest({"a": 0.1}) != parameters_digest({"a": 0.2})
