"""Nothing is computed twice: jobs and cells are counted after every kind of change."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from workspace import RESNET, VIT, Workspace, jobs

from sharpness.io.files import read_json

pytestmark = pytest.mark.workflow

# Two protocols, ablations (data, steps, m, samples, restarts; m, two in the gauge), one measure.
CELLS = {RESNET: 2 * 12 + 5 + 1, VIT: 2 * 12 + 3 + 1}


def test_a_run_makes_everything(finished: Workspace):
    assert len(finished.items()) == 4 * sum(CELLS.values())
    assert len(finished.items("error")) == 2 * 4 * 3
    made = finished.bytes()
    assert {f"tables/table{n}{s}" for n in (3, 4) for s in (".csv", ".md", ".tex")} <= made.keys()
    figures = ["fig5", *(f"fig{n}" for n in (29, 30, 31, 32, 39))]
    assert {f"figures/{f}{s}" for f in figures for s in (".pdf", ".png")} <= made.keys()
    assert "tiny" in made["report.html"].decode()
    provenance = read_json(finished.results / "provenance.json")
    assert provenance["configuration"]["scale"] == "tiny"
    assert {f"{RESNET}/train", f"{VIT}/evaluate", "figures/" + RESNET} <= provenance["hours"].keys()
    assert made[f"{RESNET}/per_batch.csv"].count(b"\n") == 1 + batches(finished, RESNET)
    header = (finished.results / RESNET / "sharpness" / "model-000.csv").read_text().split("\n")[0]
    for column in ("radius", "data", "points", "m", "value", "stderr", "protocol", "steps",
                   "samples", "dtype", "revision", "checkpoint", "status", "reason"):  # fmt: skip
        assert column in header.split(",")


def batches(workspace: Workspace, pool: str) -> int:
    """How many batches its cells have: all points, m at a time."""
    paths = workspace.results.glob(f"{pool}/sharpness/*.csv")
    cells = pd.concat([pd.read_csv(path) for path in paths])
    return int((cells["points"] // cells["m"]).sum())


def test_a_second_run_does_nothing(copied: Workspace):
    assert "Nothing to be done" in copied.run()


def test_a_new_radius_costs_its_own_cells(copied: Workspace):
    before = copied.items()
    path = ("pools", RESNET, "sharpness", "radii", "worst-linf-adaptive-rawlogits")
    copied.change(*path, value=[0.001, 0.002])
    copied.run()
    after = copied.items()
    assert {p: t for p, t in after.items() if p in before} == before
    assert len(after) - len(before) == 4 * 2  # models x protocols
    assert all(RESNET in path.parts for path in after.keys() - before.keys())
    assert (
        "worst-linf-adaptive-rawlogits@0.002+paper"
        in (copied.results / RESNET / "pool.csv").read_text().split("\n")[0]
    )
    assert "Nothing to be done" in copied.run()


def test_a_figures_style_redraws_figures_alone(copied: Workspace):
    before = copied.items()
    catalogue = copied.folder / "resources" / "figures.yaml"
    catalogue.write_text(catalogue.read_text().replace("label: Normalized", "label: Scaled"))
    assert jobs(copied.run()).keys() <= {"figures", "report", "all"}
    assert copied.items() == before


def test_a_changed_checkpoint_costs_its_own_model(copied: Workspace):
    before, rows = copied.items(), copied.bytes()
    path = copied.results / RESNET / "checkpoints" / "model-001.safetensors"
    with safe_open(path, framework="numpy") as stream:
        metadata = stream.metadata()
    tensors = load_file(path)
    tensors["linear.weight"] = 1.5 * tensors["linear.weight"]
    save_file(tensors, path, metadata=metadata)
    planned = jobs(copied.run())
    assert "train" not in planned
    assert planned["evaluate"] == 1
    new = copied.items().keys() - before.keys()
    assert {path.parent.name for path in new} == {"model-001"}
    assert len(new) == CELLS[RESNET]
    assert {p: t for p, t in copied.items().items() if p in before} == before
    now = copied.bytes()
    changed = {
        name for name in rows if name.startswith(f"{RESNET}/sharpness") and rows[name] != now[name]
    }
    assert changed == {f"{RESNET}/sharpness/model-001.csv"}


def test_a_new_test_set_measures_no_sharpness(copied: Workspace):
    before = copied.items()
    copied.change("pools", VIT, "data", value={"corrupted": "digits"})
    assert "train" not in jobs(copied.run())
    assert copied.items() == before


def test_tables_and_figures_redraw_from_a_copied_pool(finished: Workspace, tmp_path):
    fresh = Workspace.made(tmp_path)
    for pool in (RESNET, VIT):
        (fresh.results / pool).mkdir(parents=True)
        for name in ("pool.csv", "per_batch.csv"):
            shutil.copy(finished.results / pool / name, fresh.results / pool / name)
    planned = jobs(fresh.run())
    assert planned.keys() <= {
        "correlations",
        "measures",
        "table",
        "tables",
        "figures",
        "report",
        "all",
    }
    was, now = finished.bytes(), fresh.bytes()
    assert all(was[name] == now[name] for name in now)
    assert "report.html" in now
