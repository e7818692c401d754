"""What the page makes of the numbers: colours, the heat map, the explorer's data, pictures."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from PIL import Image

from sharpness.measures.definition import Cell, Definition
from sharpness.report.page.explorer import explorer, pool_data
from sharpness.report.page.figures import picture
from sharpness.report.page.heat_map import heat_map, published_of
from sharpness.report.page.provenance import hours
from sharpness.report.page.results import PoolResults
from sharpness.report.shades import STEPS, contrast, shade, shades
from sharpness.report.tables import read_published_taus
from sharpness.report.verdict import answers, error_kinds
from sharpness.statistics.correlation import correlations
from sharpness.statistics.families import families

ROOT = Path(__file__).parents[3]
DEFINITION = Definition("worst", "linf", adaptive=True, logit_norm=True)


def test_text_contrasts_with_every_shade() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    for theme in ("light", "dark"):
        found = shades(theme)
        assert len(found) == 2 * STEPS + 1
        assert min(contrast(*colours) for colours in found.values()) > 4.5
    assert [shade(tau) for tau in (-1, -0.44, 0.04, 0.96, np.nan)] == [
        "t-10",
        "t-4",
        "t0",
        "t10",
        "",
    ]


def made(radii: tuple[float, ...], tau: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Correlations and families of one definition at some radii, and the average case at one."""
    cells = [Cell(DEFINITION, radius).id for radius in radii]
    cells.append(Cell(Definition("average", "linf", True, True), 0.1).id)
    rows = pd.DataFrame({"cell": cells, "target": "error_test", "subgroup": "all"})
    rows = rows.assign(tau=tau, low=tau - 0.1, high=tau + 0.1, models=9, status="ok", reason="")
    rows.loc[1, ["tau", "low", "high", "status", "reason"]] = [*[np.nan] * 3, "undefined", "ties"]
    judged = pd.DataFrame({"cell": cells, "target": "error_test", "p": 0.2, "tau": tau})
    judged.loc[0, "p"] = 0.01
    return rows, judged


def test_marks_follow_from_p_and_from_the_interval() -> None:
    found, judged = made((0.001, 0.002), -0.31)
    word = f"{DEFINITION.id}@0.001"
    for printed, outside in ((-0.4, False), (-0.42, True)):
        drawn = heat_map("a", found, judged, ["error_test"], {(word, "error_test"): printed})
        assert (drawn.errors, drawn.span) == (["Test error"], 2)
        worst, average = drawn.blocks
        assert (worst.radii, average.radii) == (["0.001", "0.002"], ["0.1", ""])
        first, second = worst.rows["Adaptive worst-case ℓ∞, normalized logits"]
        assert first is not None
        assert (first.tau, first.shade, first.sure, first.outside) == (
            "-0.31",
            "t-3",
            True,
            outside,
        )
        assert first.published == f"{printed:.2f}"
        assert "adjusted p = 0.01, n = 9" in first.title
        assert first.link.startswith("#pool=a&cell=worst-linf-adaptive-normlogits%400.001%2Bpaper&")
        assert second is not None
        assert (second.tau, second.shade, second.title) == ("–", "", "ties")
        third, nothing = average.rows["Adaptive avg-case ℓ∞, normalized logits"]
        assert third is not None
        assert (third.sure, third.published, nothing) == (False, "", None)


def test_published_values_are_found_by_cell_and_target() -> None:
    printed = read_published_taus(ROOT / "resources" / "paper_taus.csv")
    found = published_of("augreg-i1k", printed)
    assert len(found) == 48
    assert found[f"{DEFINITION.id}@0.001", "error_r"] == 0.10
    assert len(published_of("cifar10-vit", printed)) == 96
    assert published_of("mine", printed) == {}


def test_the_answer_tells_the_ceiling_where_it_is_known() -> None:
    pool = synthetic.pool(12)
    judged = families(pool, error_kinds(pool), draws=50)
    first, second = answers(judged)
    assert (first.family, second.family) == ("test error", "OOD error")
    best = judged.iloc[judged.query("family == 'test error'")["tau"].abs().argmax()]
    assert (first.cell, first.target) == (best["cell"], "error_test")
    start = f"largest |τ| of 48: τ = {best['tau']:.2f}, adjusted p = {best['p']:.2g}, "
    assert first.numbers == f"{start}n = 10"
    for ceiling, told in {0.97: "0.97", 0.1: "?"}.items():
        known = answers(judged.assign(ceiling=ceiling))[0]
        assert known.numbers == f"{start}ceiling {told}, n = 10"


def test_the_explorer_holds_every_digit_and_no_odd_value() -> None:
    pool = synthetic.pool(9)
    word = Cell(DEFINITION, 0.001).id
    pool.loc[0, word] = 0.1 + 0.2
    pool["note"] = "</script>"
    pool.loc[1, "note"] = "x"
    results = PoolResults("T", pool, correlations(pool, resamples=5), families(pool, {}))
    text = explorer({"a": results})
    assert "<" not in text
    found = json.loads(text)["pools"]["a"]
    assert found == json.loads(json.dumps(pool_data(results)))
    assert found["columns"][word][0] == 0.1 + 0.2
    assert found["columns"][word][-1] is None  # a skipped model has no value
    assert found["cells"][f"{word.partition('+')[0]}+paper+m16"] == {
        "definition": "Adaptive worst-case ℓ∞, normalized logits",
        "radius": "0.001",
        "protocol": "paper, m16",
    }
    assert found["groups"]["note"] == ["</script>", "x"]
    assert "learning_rate" in found["numbers"]
    assert explorer({"a": PoolResults("T", pool[["model"]], pool, pool)}) == ""


def test_pictures_lose_nothing(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    values[..., 3] = 255
    values[0, 0] = 0  # transparent, so white
    Image.fromarray(values).save(tmp_path / "a.png")
    found = picture(tmp_path / "a.png")
    assert (found.width, found.height) == (30, 20)
    content = base64.b64decode(found.data.removeprefix("data:image/webp;base64,"))
    shown = np.asarray(Image.open(BytesIO(content)).convert("RGB"))
    values[0, 0] = 255
    assert np.array_equal(shown, values[..., :3])


def test_hours_are_summed_by_step_and_gpus_counted_where_used(tmp_path: Path) -> None:
    for path, seconds, cpu in (
        ("a/evaluate/x.tsv", 1800, "3600.0"),
        ("a/evaluate/y.tsv", 900, "-"),
        ("a/pool.tsv", 36, "18"),
    ):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"s\th:m:s\tcpu_time\n{seconds}\t0:0:0\t{cpu}\n")
    assert hours(tmp_path, gpus=2) == {
        "a/evaluate": {"jobs": 2, "hours": 0.75, "CPU-hours": 1.0, "GPU-hours": 1.5},
        "a/pool": {"jobs": 1, "hours": 0.01, "CPU-hours": 0.005, "GPU-hours": 0.0},
    }
    assert hours(tmp_path / "none", gpus=0) == {}
