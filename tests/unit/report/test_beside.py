"""Published coefficients of other measures beside ours."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sharpness.io.csv_files import read_frame
from sharpness.report.page.beside import published_beside
from sharpness.report.page.results import PoolResults, StudyResults
from sharpness.studies.findings import Finding, load_studies

RESOURCES = Path(__file__).parents[3] / "resources"
WORDS = {
    "worst-l2-adaptive-rawlogits@0.5+paper": 0.1,
    "worst-l2-adaptive-rawlogits@0.5+released": 0.2,
    "worst-l2-adaptive-rawlogits@2+paper+restarts1": 0.25,
    "geodesic-inv@0.1": 0.3,
    "geodesic-inv@0.5": 0.4,
}


@pytest.fixture
def soups() -> PoolResults:
    rows = [
        {"cell": word, "target": target, "subgroup": group, "tau": sign * tau, "models": 12}
        for word, tau in WORDS.items()
        for target, sign in (("gap", 1), ("error_test", -1))
        for group in ("all", "augment=0")
    ]
    found = pd.DataFrame(rows).assign(low=-0.5, high=0.5, status="ok")
    return PoolResults("Soups", found, found, found)


def test_every_radius_of_ours_stands_beside_the_published(soups: PoolResults) -> None:
    study = load_studies(RESOURCES / "studies.yaml")["diagonal"]
    ours = Finding(
        "τ(S_mix, test loss)", "200 networks, seed 0", "-0.86", "0.25", "interval a to b"
    )
    facts = read_frame(RESOURCES / "published_measures.csv")
    pools, studies = {"clip-soups": soups}, {"diagonal": StudyResults(study, [ours], {}, "")}
    table = published_beside(facts, pools, studies, "mini")
    assert table is not None
    assert "Not comparable: ours are of scale mini" in table.caption
    taken = "72, 2048 points in batches of 256"
    nothing = ("not measured", "–")
    assert [row[1:] for row in table.rows] == [
        ("adaptive; of ours the limit of ρ → 0", "-0.68", "50", *nothing),
        ("geodesic inv", "-0.83", "50", *nothing),
        ("geodesic mix", "-0.86", "50", "0.25 (interval a to b)", "200 networks, seed 0"),
        (
            *("adaptive", "-0.41", taken),
            "0.10 [-0.50, 0.50] at ρ = 0.5; 0.25 [-0.50, 0.50] at ρ = 2.0",
            "12",
        ),
        (
            *("geodesic inv", "-0.71", taken),
            "0.30 [-0.50, 0.50] at ρ = 0.1; 0.40 [-0.50, 0.50] at ρ = 0.5",
            "12",
        ),
        ("geodesic mix", "-0.70", taken, *nothing),
    ]
    at_paper = published_beside(facts, pools, studies, "paper")
    assert at_paper is not None
    assert "Not comparable" not in at_paper.caption
    assert published_beside(facts, {"mine": soups}, {}, "mini") is None
