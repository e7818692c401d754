"""A model that is broken, or that diverged, stops no other: its rows say why, and so do pages."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from workspace import AUGREG, VIT, Workspace, jobs

pytestmark = pytest.mark.workflow


def spoiled(file: Path, name: str) -> None:
    """Put a NaN into one tensor of a publisher's file."""
    with np.load(file) as stream:
        arrays = dict(stream)
    arrays[name] = arrays[name].copy()
    arrays[name].flat[3] = np.nan
    whole = BytesIO()
    np.savez(whole, **arrays)
    file.write_bytes(whole.getvalue())


def test_a_published_model_with_a_nan_is_refused_by_name_and_the_others_are_measured(
    published: Workspace, tmp_path: Path
) -> None:
    copied = published.copied(tmp_path / "copy")
    was, before = copied.bytes(), copied.items()
    # Radii that are found depend on the first models, so that others would be measured.
    copied.change("pools", AUGREG, "sharpness", "measures", value=["training-loss"])
    checkpoint = min((copied.results / AUGREG / "checkpoints").glob("*.safetensors"))
    name = checkpoint.stem
    pool = pd.read_csv(copied.results / AUGREG / "pool.csv").set_index("model")
    with safe_open(checkpoint, framework="numpy") as stream:
        said = json.loads(stream.metadata()["sharpness"])
    model, url = said["model"], urlsplit(said["source"])
    file = copied.results / "standin" / AUGREG / "mirror" / url.netloc / url.path.lstrip("/")
    spoiled(file, "head/kernel")
    checkpoint.unlink()
    for made in (f"{AUGREG}/pool.csv", "report.html"):  # or nobody would ask for the checkpoint
        (copied.results / made).unlink()
    printed = copied.run()
    reason = f"results/tiny/{AUGREG}/checkpoints/{name}.safetensors: 1 of the"
    assert f"{name} has no result, the rest goes on: {reason}" in printed
    found = pd.read_csv(copied.results / AUGREG / "pool.csv").set_index("model")
    assert (found["status"] == "ok").tolist() == [row != model for row in found.index]
    assert found.loc[model, "status"] == "failed"
    assert found.loc[model, "reason"].startswith(reason)
    assert "tensor head.weight are not finite" in found.loc[model, "reason"]
    numbers = [c for c in found if "@" in c or c.startswith(("error_", "gap"))]
    assert found.loc[model, numbers].isna().all()
    others = found.index != model
    same = found.loc[others, numbers], pool.loc[others, numbers]
    pd.testing.assert_frame_equal(*same, check_dtype=False)
    for kind in ("errors", "sharpness"):
        rows = pd.read_csv(copied.results / AUGREG / kind / f"{name}.csv")
        assert set(rows["status"]) == {"failed"}
    assert copied.items() == before  # nothing of it was measured
    correlations = pd.read_csv(copied.results / AUGREG / "correlations.csv")
    assert correlations.loc[correlations["subgroup"] == "all", "models"].max() == len(pool) - 1
    page = copied.bytes()["report.html"].decode()
    assert f"1 failed ({model})" in page
    assert "head.weight are not finite" in page
    tables = {path for path, content in copied.bytes().items() if was[path] != content}
    assert "tables/table1.md" in tables
    assert "Nothing to be done" in copied.run()


def test_trainings_that_diverge_are_marked_and_the_others_go_on(tmp_path: Path) -> None:
    workspace = Workspace.made(tmp_path, pools=(VIT,))
    workspace.change("pools", VIT, "sweep", value={"models": 4, "learning_rate": [0.05, 1e12]})
    assert jobs(workspace.run())["evaluate"] == 1
    pool = pd.read_csv(workspace.results / VIT / "pool.csv")
    bad = pool["status"] != "ok"
    assert 0 < bad.sum() < len(pool)
    assert pool.loc[bad, "reason"].str.contains("diverged: the loss").all()
    cells = [c for c in pool if "@" in c]
    assert pool.loc[bad, cells].isna().all(axis=None)
    assert pool.loc[~bad, cells].notna().any(axis=None)
    page = (workspace.results / "report.html").read_text()
    assert f"{bad.sum()} skipped" in page
    assert "diverged" in page
    assert (workspace.results / "tables" / "table4.md").exists()
