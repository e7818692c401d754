"""Names of models that would harm a shell survive the whole workflow, and harm nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from workspace import BERTS, ROOT, Workspace

pytestmark = pytest.mark.workflow

NAMES = ["a b", 'it\'s "q"; touch pwned', "--help", "$(touch pwned) `touch pwned`", "ünï|*?", "NA"]


def test_odd_names_survive(tmp_path: Path):
    workspace = Workspace.made(tmp_path, "published.yaml", (BERTS,))
    with open(ROOT / "resources" / "pools" / "feather-berts.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))[: len(NAMES)]
    for row, name in zip(rows, NAMES, strict=True):
        row["model"] = name
    with open(tmp_path / "odd.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    workspace.change("pools", BERTS, "checkpoints", value={"models": "odd.csv", "take": None})
    workspace.change("pools", BERTS, "models_per_job", value=2)
    said = workspace.run()
    pool = pd.read_csv(workspace.results / BERTS / "pool.csv", keep_default_na=False)
    assert list(pool["model"]) == NAMES
    assert set(pool["status"]) == {"ok"}
    assert sum(path.suffix == ".safetensors" for path in workspace.results.rglob("*")) == len(NAMES)
    assert not list(tmp_path.rglob("pwned"))
    assert "Traceback" not in said
    assert "Nothing to be done" in workspace.run()
