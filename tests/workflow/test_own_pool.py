"""A pool of the user's own models: from a table and two functions to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from workspace import ROOT, Workspace, jobs

pytestmark = pytest.mark.workflow

NORMALIZED, RAW = "worst-linf-adaptive-normlogits", "average-l2-standard-rawlogits"
CODE = """
import torch
from sklearn.datasets import load_digits
from torch import nn


def data(split):
    images, labels = load_digits(return_X_y=True)
    part = slice(0, 512) if split == "train" else slice(512, 768)
    pixels = torch.tensor(images, dtype=torch.float32)[part] / 16
    return torch.utils.data.TensorDataset(pixels, torch.tensor(labels)[part])


def net(width, epochs, num_classes):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, num_classes))
    inputs, labels = data("train").tensors
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(epochs):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    return model
"""
ROWS = ["a,own_nets:net,8,30,0.3", "b,own_nets:net,16,40,0.2", "c,own_nets:net,24,50,0.1"]


def table(folder: Path, rows: list[str]) -> None:
    (folder / "mine.csv").write_text("\n".join(["model,source,width,epochs,error_old", *rows]))


def settings() -> dict[str, Any]:
    default = yaml.safe_load((ROOT / "config.yaml").read_text())
    sharpness: dict[str, Any] = {"points": 64, "m": 32, "steps": 3, "samples": {"paper": 4}}
    sharpness["measures"] = ["initial-distance"]
    radii = {RAW: "auto", NORMALIZED: [0.01]}
    mine = {"kind": "models", "models": "mine.csv", "sharpness": sharpness | {"radii": radii}}
    mine["initial"] = "a"
    mine["data"] = {"train": "own_nets:data", "test": "own_nets:data"}
    same = {"scale": "tiny", "studies": [], "protocols": ["paper"], "resamples": 50}
    return default | same | {"device": "cpu", "pools": {"mine": mine}}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished run of a pool of three networks."""
    folder = tmp_path_factory.mktemp("own")
    for name in ("Snakefile", "rules", "scripts", "profiles", "resources"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings()))
    (folder / "tiny.yaml").write_text("{note: 'tiny: a test'}\n")
    (folder / "own_nets.py").write_text(CODE)
    table(folder, ROWS)
    found = Workspace(folder)
    said = found.run("mine", "results/tiny/report.html")
    assert jobs(said)["bring"] == 1
    return found


def test_the_pool_has_all_that_a_pool_has(workspace: Workspace) -> None:
    home = workspace.results / "mine"
    radii = json.loads((home / "radii.json").read_text())
    found = radii["definitions"][RAW]["radii"]
    assert radii["models"] == ["a", "b", "c"]
    assert (radii["points"], radii["points_of"]) == (64, 64)
    assert found
    pool = pd.read_csv(home / "pool.csv")
    assert [name for name in pool.columns if "@" in name] == [
        *(f"{RAW}@{radius:.12g}+paper" for radius in found),
        f"{NORMALIZED}@0.01+paper",
    ]
    assert list(pool["error_old"]) == [0.3, 0.2, 0.1]
    assert pool.loc[0, "initial-distance"] == 0
    assert pool.loc[1:, "initial-distance"].isna().all()  # the others have another width
    assert pool[["error_train", "error_test", "gap"]].notna().all().all()
    rise = [float(pool[f"{RAW}@{radius:.12g}+paper"].median()) for radius in found]
    levels = [entry["level"] for entry in radii["definitions"][RAW]["levels"] if "radius" in entry]
    assert rise == pytest.approx(levels, rel=0.1)


def test_the_report_shows_its_sheet_and_warns_of_few_models(workspace: Workspace) -> None:
    page = (workspace.results / "report.html").read_text()
    for definition in (RAW, NORMALIZED):
        assert f'id="mine-{definition}"' in page
        assert (workspace.results / "figures" / f"mine-{definition}.pdf").exists()
    assert "3 models only: the interval of τ is wide" in page
    assert "old error" in page


def test_a_finished_pool_is_left_alone_and_a_new_model_costs_itself(workspace: Workspace) -> None:
    assert "Nothing to be done" in workspace.run("mine", "--dry-run")
    (workspace.folder / "own_nets.py").write_text(CODE + "\n# an edit\n")
    assert jobs(workspace.run("mine", "--dry-run")).keys() >= {"bring", "evaluate_own"}
    before = workspace.items()
    table(workspace.folder, [*ROWS, "d,own_nets:net,32,60,"])
    workspace.run("results/tiny/mine/evaluated/a.json")
    after = workspace.items()
    assert {path: after[path] for path in before} == before
    assert {path.parent.name for path in after.keys() - before.keys()} == {"d"}
    table(workspace.folder, [*ROWS, "d,own_nets:net,24,50,"])
    assert "mine.csv: row 5: d is the same model as c" in workspace.run("mine", fails=True)


def test_after_a_failed_evaluation_of_changed_models_the_same_command_goes_on(
    workspace: Workspace,
) -> None:
    table(workspace.folder, [*ROWS[:2], "c,own_nets:net,24,60,0.1"])
    state = workspace.results / "mine" / "state" / "c"
    kept = state.rename(state.with_name("kept"))
    state.write_text("a file where a folder must be")
    assert "mine/state/c" in workspace.run("results/tiny/mine/pool.csv", fails=True)
    state.unlink()
    kept.rename(state)
    assert jobs(workspace.run("results/tiny/mine/pool.csv"))["evaluate_own"] == 1
