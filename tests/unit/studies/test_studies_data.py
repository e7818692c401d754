"""The studies as data, and what they have in common."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from matplotlib.figure import Figure

from sharpness.config.studies import SmallNetwork, SmallNetworks
from sharpness.io.errors import UserError
from sharpness.studies.findings import (
    Finding,
    load_studies,
    read_findings,
    write_findings,
)
from sharpness.studies.hammoud.procedures import PRESETS, procedure_of
from sharpness.studies.showing import draw_study
from sharpness.studies.wen.runs import load_runs

ROOT = Path(__file__).parents[3]


def test_every_study_has_its_figures() -> None:
    studies = load_studies(ROOT / "resources" / "studies.yaml")
    assert list(studies) == ["linear", "diagonal", "small_networks", "two_layer_relu"]
    figures = [figure for study in studies.values() for figure in study.figures]
    assert figures == ["fig1", "fig7", "hammoud1"]
    wen = load_runs(ROOT / "resources" / "two_layer_relu.yaml").figures
    assert {"wen1", "wen2", *(f"wen{k}" for k in range(4, 12))} <= set(wen)


def test_a_wrong_study_is_named_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "studies.yaml"
    path.write_text(yaml.safe_dump({"linear": {"title": "t", "text": "x", "figure": {}}}))
    with pytest.raises(UserError, match=r"studies\.yaml: linear: figure: "):
        load_studies(path)


def test_findings_come_back_as_they_were_written(tmp_path: Path) -> None:
    found = [
        Finding("τ", 'a "setting", quoted', "0.8", "0.85", "0.8 to 0.9\nover seeds"),
        Finding("a", "b", "", "c"),
    ]
    write_findings(tmp_path / "summary.csv", found)
    assert read_findings(tmp_path / "summary.csv") == found


def test_title_and_note_stand_above_a_drawing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canvas = Figure(figsize=(3, 2), layout="constrained")
    monkeypatch.setattr("sharpness.studies.linear.figure1.compose", lambda figure, files: canvas)
    draw_study("linear", "fig1", {}, tmp_path / "fig1", "Figure 1. A title of ℓ2", "mini: few")
    assert canvas.get_suptitle() == "Figure 1. A title of $\\ell_2$\n[mini: few]"
    assert {path.name for path in tmp_path.iterdir()} == {"fig1.pdf", "fig1.png"}


@pytest.mark.parametrize("network", PRESETS)
def test_a_preset_is_what_its_switches_make_it(network: str) -> None:
    presets = PRESETS[network]
    assert procedure_of(network, "text", {}) == presets["text"] != presets["code"]
    assert procedure_of(network, "code", {"rho": 0.5}) == replace(presets["code"], rho=0.5)


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        (
            {"minibatch": True},
            r"overrides\.minibatch: fcnn has no such switch; did you mean 'minib",
        ),
        ({"rho": -1.0}, r"overrides\.rho: -1\.0: "),
    ],
)
def test_a_wrong_switch_is_named(switches: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        procedure_of("fcnn", "text", switches)


def test_jobs_share_a_pool_out_and_a_procedure_may_have_bases_of_its_own() -> None:
    text = {"preset": "text", "models": 5, "models_per_job": 2}
    code = {"preset": "code", "models": 1, "base_seeds": [7]}
    networks = {"gat": SmallNetwork.model_validate({"procedures": {"text": text, "code": code}})}
    settings = SmallNetworks(base_seeds=[0, 1], networks=networks)
    assert list(settings.jobs.items()) == [
        *(
            (("gat", "text", base, str(models[0])), models)
            for base in ("0", "1")
            for models in ([0, 1], [2, 3], [4])
        ),
        (("gat", "code", "7", "0"), [0]),
    ]
