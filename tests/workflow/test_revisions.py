"""Code that computes a result changes: the result is stale, although Snakemake sees no import."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from workspace import RESNET, ROOT, Workspace, jobs

pytestmark = pytest.mark.workflow

SHOWN = {"correlations", "table", "tables", "figure", "figures", "report", "all"}


@pytest.fixture
def own_code(copied: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The library that the workspace uses, as a copy that may be edited."""
    shutil.copytree(ROOT / "src" / "sharpness", copied.folder / "src" / "sharpness")
    monkeypatch.setenv("PYTHONPATH", str(copied.folder / "src"))
    return copied.folder / "src" / "sharpness"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_equal_code_remakes_nothing(copied: Workspace, own_code: Path):
    assert "Nothing to be done" in copied.run()


def test_an_edit_of_a_cheap_steps_module_remakes_what_it_made(copied: Workspace, own_code: Path):
    edit(own_code / "kendall.py", "LEVEL = 0.95", "LEVEL = 0.9")
    planned = jobs(copied.run("-n"))
    assert {"correlations", "table", "report"} <= planned.keys() <= SHOWN


def test_a_revision_of_the_measures_measures_again(copied: Workspace, own_code: Path):
    before = copied.items()
    edit(own_code / "plan.py", "REVISION = 2", "REVISION = 3")
    planned = jobs(copied.run("results/tiny/cifar10-resnet18/pool.csv"))
    assert "train" not in planned
    cells = [path for path in before if RESNET in path.parts]
    assert len(copied.items().keys() - before.keys()) == len(cells)
    rows = pd.read_csv(copied.results / RESNET / "sharpness" / "model-000.csv")
    assert set(rows["revision"]) == {3}


def test_a_revision_of_the_training_trains_again(copied: Workspace, own_code: Path):
    edit(own_code / "training" / "settings.py", "REVISION = 1", "REVISION = 2")
    assert jobs(copied.run("-n"))["train"] == 3


def test_an_edit_of_a_measure_alone_is_not_seen(copied: Workspace, own_code: Path):
    """The price of explicit revisions: who changes a value raises the number."""
    (own_code / "worst.py").write_text((own_code / "worst.py").read_text() + "\n# a comment\n")
    assert "Nothing to be done" in copied.run()
