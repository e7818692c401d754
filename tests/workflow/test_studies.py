"""The simple studies as targets of their own, and on the report's page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from workspace import RESNET, ROOT, Workspace, jobs

from sharpness.studies.findings import Finding, read_findings

pytestmark = pytest.mark.workflow

STUDIES = ("linear", "diagonal", "small_networks", "two_layer_relu")
WHAT = ("solutions", "curves")
KEPT = ("no-bias-gd", "no-bias-sam", "bias-sam")
"""The runs of the tiny table."""


def abalone() -> str:
    """As many shells as the real file has, of random sizes."""
    random = np.random.default_rng(0)
    sizes = random.uniform(0.1, 1, (4177, 7)).round(4)
    rings = np.ceil(20 * sizes.mean(axis=1)).astype(int)
    sexes = random.choice(list("MFI"), 4177)
    rows = zip(sexes, sizes, rings, strict=True)
    return "".join(f"{sex},{','.join(map(str, size))},{ring}\n" for sex, size, ring in rows)


def runs() -> str:
    """A few runs of the table, of narrow networks and some epochs."""
    table = yaml.safe_load((ROOT / "resources" / "two_layer_relu.yaml").read_text())
    table["runs"] = [run for run in table["runs"] if run["id"] in KEPT]
    for run in table["runs"]:
        run |= {"width": 30, "seeds": [1, 2]}
        for phase in run["schedules"]["default"]:
            phase["epochs"] = 100
    return yaml.safe_dump(table)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("studied")
    workspace = Workspace.made(folder, "studies.yaml", (RESNET,), STUDIES)
    (folder / "abalone.data").write_text(abalone())
    (folder / "runs.yaml").write_text(runs())
    workspace.run(*STUDIES)
    return workspace


def findings(workspace: Workspace, study: str) -> list[Finding]:
    return read_findings(workspace.results / "simple" / study / "summary.csv")


def test_each_study_has_its_figures_and_its_findings(studied: Workspace) -> None:
    made = studied.bytes()
    for figure in ("fig1", "fig7", "hammoud1", "wen1", "wen4", "wenpool"):
        assert {f"figures/{figure}.pdf", f"figures/{figure}.png"} <= made.keys()
    assert all(findings(studied, study) for study in STUDIES)
    assert not (studied.results / RESNET).exists()  # a study needs no pool


def test_what_has_data_is_measured_and_the_rest_says_why(studied: Workspace) -> None:
    found = {
        (entry.quantity, entry.setting): entry for entry in findings(studied, "small_networks")
    }
    taus = {where: one for (what, where), one in found.items() if what.endswith("test loss)")}
    assert all("FCNN" in where for where, one in taus.items() if one.value != "not measured")
    absent = [one for one in taus.values() if one.value == "not measured"]
    assert len(absent) == 2
    assert any("data.fashion-mnist" in one.note for one in absent)
    assert any("data.cora" in one.note for one in absent)
    files = sorted((studied.results / "simple" / "small_networks").glob("fcnn/*.csv"))
    assert [file.stem for file in files] == ["code-0-0", "text-0-0", "text-0-2"]
    rows = pd.concat([pd.read_csv(file) for file in files])
    assert rows["sharpness"].notna().all()
    assert rows.groupby("procedure")["model"].apply(list).to_dict() == {
        "code": [0, 1, 2],
        "text": [0, 1, 2, 3],
    }


def test_a_second_run_has_nothing_to_do(studied: Workspace) -> None:
    assert "Nothing to be done" in studied.run(*STUDIES, "--dry-run")


def test_a_switch_trains_its_own_procedure_alone(studied: Workspace, tmp_path: Path) -> None:
    copy = studied.copied(tmp_path / "copy")
    path = ("simple", "small_networks", "networks", "fcnn", "procedures", "raw")
    raw = {"preset": "text", "models": 2, "overrides": {"standardised_label": False}}
    copy.change(*path, value=raw)
    planned = jobs(copy.run(*STUDIES, "--dry-run"))
    assert planned["small_networks_pool"] == 1
    assert not {"dataset", "diagonal_networks", "two_layer_solutions"} & planned.keys()


def test_a_longer_run_trains_its_own_architecture_alone(studied: Workspace, tmp_path: Path) -> None:
    copy = studied.copied(tmp_path / "copy")
    table = yaml.safe_load((copy.folder / "runs.yaml").read_text())
    (run,) = [run for run in table["runs"] if run["architecture"] == "bias"]
    run["schedules"]["default"][0]["epochs"] = 120
    (copy.folder / "runs.yaml").write_text(yaml.safe_dump(table))
    said = copy.run("two_layer_relu")
    assert jobs(said)["two_layer_solutions"] == 1
    solutions = copy.results / "simple" / "two_layer_relu"
    trained = pd.read_csv(solutions / "bias-1-solutions.csv").query("role != 'construction'")
    assert set(trained["epochs"]) == {120}


def test_lost_files_come_back_from_the_state_with_the_same_bytes(
    studied: Workspace, tmp_path: Path
) -> None:
    copy = studied.copied(tmp_path / "copy")
    before = copy.bytes()
    folder = copy.results / "simple" / "two_layer_relu"
    kept = {path: path.stat().st_mtime_ns for path in (folder / "state").rglob("*.safetensors")}
    assert kept
    for path in folder.glob("no-bias*"):
        path.unlink()
    copy.run(*(f"results/tiny/simple/two_layer_relu/no-bias-1-{what}.csv" for what in WHAT))
    assert copy.bytes() == before
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_missing_set_that_appears_is_measured(studied: Workspace, tmp_path: Path) -> None:
    copy = studied.copied(tmp_path / "copy")
    (copy.folder / "abalone.data").rename(copy.folder / "shells.data")
    copy.run("small_networks")
    assert all(
        one.value == "not measured"
        for one in findings(copy, "small_networks")
        if one.quantity.endswith("test loss)")
    )
    (copy.folder / "shells.data").rename(copy.folder / "abalone.data")
    copy.run("small_networks")
    assert copy.bytes() == studied.bytes()


def test_the_report_shows_them(studied: Workspace, tmp_path: Path) -> None:
    copy = studied.copied(tmp_path / "copy")
    said = copy.run()
    assert "two_layer_solutions" not in jobs(said)
    page = (copy.results / "report.html").read_text()
    for words in (
        "Diagonal linear networks (Figure 7, Sec. 5.2)",
        'id="wenpool"',
        "reduced schedules",
        "tiny: 4 fcnn on 200 examples, 2 lenet on 1000 examples, 2 gat",
    ):
        assert words in page
