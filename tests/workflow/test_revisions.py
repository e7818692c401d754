"""Code that computes a result changes: the result is stale, although Snakemake sees no import."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from workspace import AUGREG, RESNET, ROOT, VIT, Workspace, jobs

pytestmark = pytest.mark.workflow

FAR = {
    "choose": "io/errors.py",
    "rows": "measures/definition.py",
    "pool": "training/hyperparameters.py",
    "published": "statistics/kendall.py",
    "standin_index": "io/errors.py",
    "correlations": "statistics/kendall.py",
    "measures": "plots/style.py",
    "table": "report/tables/table.md.j2",
    "figures": "plots/style.py",
    "report": "report/page/page.html.j2",
    "linear_curves": "measures/ball.py",
    "study": "studies/wen/runs.py",
}
"""For each cheap rule, a file that its script does not import by itself."""
DEAR = {
    *("standin_data", "standin", "dataset", "sample", "download", "draw", "train", "checkpoint"),
    *("radii", "evaluate", "diagonal_networks"),
}
"""Rules that take long, and those whose files such rules read."""


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


@pytest.fixture
def as_if_made(tmp_path: Path) -> Workspace:
    """A sweep, a published pool and two studies as if they were made: their files are empty.

    Snakemake plans by names, times and its own record of parameters, and opens none of them.
    """
    workspace = Workspace.made(tmp_path, "published.yaml", (AUGREG, VIT), ("linear", "diagonal"))
    for files in re.findall(r"^    output: (.+)$", workspace.run("-n"), re.MULTILINE):
        for name in files.split(", "):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
    workspace.run("--touch", "--forceall")
    shutil.copytree(ROOT / "src" / "sharpness", tmp_path / "src" / "sharpness")
    return workspace


def test_an_edit_of_what_a_cheap_rule_reaches_plans_it_and_no_dear_rule(
    as_if_made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(as_if_made.folder / "src"))
    assert "Nothing to be done" in as_if_made.run("-n")
    for rule, far in FAR.items():
        file = as_if_made.folder / "src" / "sharpness" / far
        text = file.read_text()
        file.write_text(text + "\n# a comment\n")
        said = as_if_made.run("-n")
        file.write_text(text)
        own = rf"^rule {rule}\b.*:\n(    (?!reason).*\n)*    reason: Params have changed"
        assert re.search(own, said, re.MULTILINE), (rule, far)
        assert not jobs(said).keys() & DEAR, (rule, far)


def test_a_revision_of_the_measures_measures_again(copied: Workspace, own_code: Path):
    before = copied.items()
    edit(own_code / "evaluation" / "plan.py", "REVISION = 2", "REVISION = 3")
    planned = jobs(copied.run("results/tiny/cifar10-resnet18/pool.csv"))
    assert "train" not in planned
    cells = [path for path in before if RESNET in path.parts]
    assert len(copied.items().keys() - before.keys()) == len(cells)
    rows = pd.read_csv(copied.results / RESNET / "sharpness" / "model-000.csv")
    assert set(rows["revision"]) == {3}


def test_a_revision_of_the_training_trains_again(copied: Workspace, own_code: Path):
    edit(own_code / "training" / "hyperparameters.py", "REVISION = 1", "REVISION = 2")
    assert jobs(copied.run("-n"))["train"] == 3


def test_an_edit_of_a_measure_alone_is_not_seen(copied: Workspace, own_code: Path):
    """The price of explicit revisions: who changes a value raises the number."""
    worst = own_code / "measures" / "worst.py"
    worst.write_text(worst.read_text() + "\n# a comment\n")
    assert "Nothing to be done" in copied.run()
