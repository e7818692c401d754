"""Requests: every rule asks by the table, what was taken is found, and damage is one line."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from sharpness import requests
from sharpness.files import write_text
from sharpness.problem import Problem
from sharpness.requests import Request, Taken, load_requests, taken
from sharpness.stamps import write_stamp

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "resources" / "requests.csv"


def test_every_rule_asks_by_the_table_and_every_row_is_a_rules():
    rules = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    for what in ("mem_mb", "runtime"):
        assert not re.search(rf"\b{what}=\d", rules)
        asked = set(re.findall(rf'{what}=requested\("(\w+)", "{what}"\)', rules))
        assert asked == load_requests(TABLE).keys()


def benchmark(home: Path, rule: str, name: str, *jobs: tuple[str, float]) -> None:
    """A job's stamp, and its benchmark as Snakemake writes it."""
    output = home / f"{name}.csv"
    write_text(output, "made")
    write_stamp(home / "logs" / f"{name}.log", rule, {}, [], [str(output)], {})
    lines = [f"{seconds}\t0:00:01\t{memory}" for memory, seconds in jobs]
    text = "\n".join(["s\th:m:s\tmax_rss", *lines])
    write_text(home / "benchmarks" / f"{name}.tsv", text + "\n")


def test_what_jobs_have_taken_is_found_by_rule(tmp_path: Path):
    benchmark(tmp_path, "train", "p/train/a", ("500.5", 60.0))
    benchmark(tmp_path, "train", "p/train/b", ("700.0", 30.0))
    benchmark(tmp_path, "rows", "p/rows/a", ("NA", 0.01))
    (tmp_path / "benchmarks" / "p" / "alone.tsv").write_text("s\tmax_rss\n1\t1\n")
    assert taken(tmp_path) == {"train": Taken(2, 700.0, 1.0)}


def test_it_is_printed_beside_what_was_asked_for(tmp_path: Path, monkeypatch, capsys):
    benchmark(tmp_path, "train", "p/train/a", ("500.4", 90.0))
    monkeypatch.setattr(requests, "load_requests", lambda: {"train": Request(6000, 480)})
    monkeypatch.setattr(sys, "argv", ["requests", str(tmp_path)])
    requests.main()
    assert capsys.readouterr().out.splitlines()[1] == "train,1,500,6000,1.5,480"


@pytest.mark.parametrize("text", ["", "rule,mem_mb\ntrain,1\n", "rule,mem_mb,runtime\na,much,1\n"])
def test_a_damaged_table_is_one_line(tmp_path: Path, text: str):
    path = tmp_path / "requests.csv"
    path.write_text(text)
    if not text:
        path.unlink()
    with pytest.raises(Problem, match="is no table with the columns"):
        load_requests(path)
