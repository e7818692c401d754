"""The report: verdicts that follow from the numbers, on a page that holds all it shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pretrained
import pytest
import synthetic
from markup import read_tags
from PIL import Image

from sharpness.evaluation.published import (
    PublishedError,
    compare,
    compare_facts,
    not_compared,
    read_facts,
)
from sharpness.measures.definition import Cell, Definition
from sharpness.report.figures.catalogue import load_catalogue, panels_within
from sharpness.report.page import write_report
from sharpness.report.page.models import (
    accuracies,
    compare_words,
    count_models,
    effect_of_copies,
)
from sharpness.report.page.results import PoolResults
from sharpness.report.page.subgroups import tau_table
from sharpness.report.tables import agreement, build_table, read_published_taus
from sharpness.report.tables.writers import Column, Row, Section, Table, TableEntry
from sharpness.report.verdict import judge, summarize_targets
from sharpness.statistics.correlation import (
    cell_columns,
    correlations,
    read_pool,
    within_subgroups,
)
from sharpness.statistics.families import duplicate_models, error_kinds, families
from sharpness.statistics.headline import main_cells
from sharpness.statistics.kendall import kendall

ROOT = Path(__file__).parents[3]
ADAPTIVE = Definition("worst", "l2", adaptive=True, logit_norm=True)
BY = ("augment", "mixup")


def test_agreement_counts_signs_and_intervals() -> None:
    sources = ("paper", "released", "published")
    columns = tuple(Column("error_test", "IN", source) for source in sources)
    nothing = TableEntry(np.nan, reason="not measured")
    rows = tuple(
        Row(
            ADAPTIVE,
            radius,
            (TableEntry(tau, tau - 0.1, tau + 0.1, 9), nothing, TableEntry(printed)),
        )
        for radius, tau, printed in ((0.1, -0.5, -0.45), (0.2, 0.2, -0.1), (0.4, 0.3, np.nan))
    )
    table = Table(1, "error", None, columns, (Section("a", "A", rows), Section("b", "B", rows[:1])))
    first, second, third, _ = agreement(table)
    assert (first.section, first.error, first.protocol) == ("a", "IN", "paper")
    assert (first.both, first.sign, first.inside) == (2, 1, 1)
    assert first.difference == pytest.approx((0.05 + 0.3) / 2)
    assert (second.protocol, second.both) == ("released", 0)
    assert np.isnan(second.difference)
    assert (third.section, third.both) == ("b", 1)


def test_counts_name_the_reasons() -> None:
    statuses = ["ok", "skipped", "skipped", "failed", "excluded", "missing", "odd"]
    reasons = ["", "training error 4.1 %", "training error 9.0 %", "loss is NaN", "test error 99 %"]
    pool = pd.DataFrame(
        {"model": [*"abcdefg"], "status": statuses, "reason": [*reasons, "no file", "why"]}
    )
    assert count_models(pool) == (
        "7 models, 1 of them used; 2 skipped: 2 like 'training error 4.1 %'; "
        "1 excluded (e): test error 99 % (1); 1 failed (d): loss is NaN (1); "
        "1 missing: no file (1); 1 odd: why (1)."
    )


def test_a_model_that_is_there_twice_is_found_and_its_effect_stated() -> None:
    pool = pretrained.pool("clip-soups", 14)
    assert duplicate_models(pool) == []
    assert effect_of_copies(pool) == ""
    cells = cell_columns(pool)
    same = [*cells, *(name for name in pool if name.startswith("error_"))]
    pool.loc[9, same] = pool.loc[4, same]
    # Rounding alone does not hide a copy; another error does.
    pool.loc[9, cells] = pool.loc[9, cells] * (1 + 1e-4)
    assert duplicate_models(pool) == [["model_4", "model_9"]]
    assert duplicate_models(pool.assign(error_r=np.arange(14))) == []
    assert duplicate_models(pool.assign(status=["skipped"] * 14)) == []
    for change in (1.5, np.nan):
        other = pool.copy()
        other.loc[9, cells[3]] *= change
        assert duplicate_models(other) == []

    text = effect_of_copies(pool)
    assert text.startswith("By their errors and cells, model_4 and model_9 are one model.")
    once = pool.drop(index=9)
    changes = {
        cell: [kendall(frame[cell], frame["error_test"], resamples=0).tau for frame in (pool, once)]
        for cell in main_cells(cells)
    }
    before, after = max(changes.values(), key=lambda both: abs(both[1] - both[0]))
    assert f"changes by {abs(after - before):.3f} at most: from {before:.3f} to {after:.3f}" in text
    pool.loc[2, same] = pool.loc[4, same]
    text = effect_of_copies(pool.assign(error_test=np.nan))
    assert text == "By their errors and cells, model_2, model_4 and model_9 are one model."


def published() -> pd.DataFrame:
    """Seven published errors: one off, one of another preparation, one not evaluated."""
    stated = [0.2, 0.3, 0.2, 0.3, 0.2, 0.3, 0.2]
    evaluated = [0.2, 0.301, 0.1985, 0.312, 0.25, np.nan, 0.2]
    parts = ["test", "r", "test", "r", "test", "r", "test"]
    facts: dict[str, dict[str, PublishedError]] = {}
    pool = pd.DataFrame({"model": [f"model_{i}" for i in range(7)]})
    pool = pool.assign(error_test=np.nan, error_r=np.nan)
    for i, part in enumerate(parts):
        facts[f"model_{i}"] = {
            part: PublishedError(stated[i], "timm" if i == 4 else "clip", "a list")
        }
        pool.loc[i, f"error_{part}"] = evaluated[i]
    return compare(pool, facts, "clip")


def test_published_accuracies_that_agree_are_counted() -> None:
    text, warning = accuracies(published())
    assert text == (
        "4 of 5 agree with the evaluated ones within 0.3 points; not compared: 1 for another "
        "preparation of the data and 1 not evaluated here. Source: a list."
    )
    assert warning.startswith("1 of 5 published accuracies differ by more than 0.3 points")
    assert "model_3, ImageNet-R error: 31.20 % here, 30.00 % published." in warning
    text, warning = accuracies(published().drop(index=[3, 4, 5]))
    assert text == "4 of 4 agree with the evaluated ones within 0.3 points. Source: a list."
    assert warning == ""


def test_what_nobody_states_is_said_with_its_reason() -> None:
    rows = [not_compared(m, "test", 0.2, "offline", "augreg", "a list") for m in "ab"]
    text, warning = accuracies(pd.concat([published(), pd.DataFrame(rows)]))
    assert text.startswith("4 of 5 agree with the evaluated ones within 0.3 points; not compared: ")
    assert "1 not evaluated here and 2 a list: offline. Source: a list." in text
    assert warning.startswith("1 of 5 published accuracies differ")


def test_what_the_paper_says_of_the_errors_stands_beside_them() -> None:
    facts = read_facts(ROOT / "resources" / "published_facts.csv", "augreg-i1k")
    errors = pd.Series(np.linspace(0.219, 0.376, 56))
    origins = {"evaluated here": errors, "by index.csv": errors[:3]}
    assert compare_words(compare_facts(facts, origins, standins=False)) == (
        "lowest test error: 21.8 % (the paper, Sec. 4), 21.9 % evaluated here, 21.9 % by index.csv "
        "(not compared: 3 of the paper's 56 models); highest test error: 37.2 % (the paper, "
        "Sec. 4), 37.6 % evaluated here, which differs, 22.5 % by index.csv (not compared: 3 of "
        "the paper's 56 models)."
    )


def test_a_figure_about_subgroups_has_a_table_of_their_tau(tmp_path: Path) -> None:
    figure = load_catalogue(ROOT / "resources" / "figures.yaml")["fig6"]
    name = "cifar10-resnet18"
    pool = synthetic.pool(24)
    found = correlations(pool, BY, resamples=20)
    shown = [("fig6", *pair) for pair in panels_within(figure, name)]
    judged = judged_families(pool)
    within = within_subgroups(found, shown)
    results = PoolResults("ResNets", pool, found, judged, subgroups=within)
    table = tau_table("fig6", {name: results, "other": PoolResults("x", pool, found, judged)})
    kinds = [f"augment={a},mixup={m}" for a in (0, 1) for m in (0, 1)]
    assert table["subgroups"] == ["all", *kinds]
    first, second = table["rows"]
    assert first[0] == name
    assert first[1].startswith("adaptive worst-case ℓ∞ with logit normalization at ρ = 0.001")
    assert first[2] == "Learning rate"
    tau = kendall(pool[shown[0][1]], pool["learning_rate"], resamples=0).tau
    assert first[3].startswith(f"{tau:.2f} (22 models, p = ")  # two are skipped
    assert tau_table("fig5", {name: results})["rows"] == []
    png = tmp_path / "fig6.png"
    Image.new("RGBA", (3, 2)).save(png)
    write_report(tmp_path / "page.html", "mini", {name: results}, [], [(figure, png)])
    page = read_tags((tmp_path / "page.html").read_text())
    assert page.tables[-2][1:3] == [first, second]
    assert figure.within in " ".join(page.text.split())


def verdict_of(sharpness: np.ndarray, error: np.ndarray) -> dict[str, str]:
    pool = pd.DataFrame(
        {
            "model": [f"m{i}" for i in range(len(error))],
            "status": "ok",
            "reason": "",
            "augment": [0, 1] * (len(error) // 2),
            "mixup": 0,
            "learning_rate": sharpness[::-1],
            "error_test": error,
            "error_v2": error,
            "error_r": -error,
            "error_corrupted": np.nan,
            "gap": error,
            Cell(ADAPTIVE, 1.0).id: sharpness,
        }
    )
    found = correlations(pool, BY, {"corrupted": "no such set"}, resamples=20)
    judged = judged_families(pool, BY)
    lines = {
        rank.target: f"{rank.strongest}; {rank.tau}; {rank.p}; {rank.models}; "
        f"{rank.positive} and {rank.negative} of {rank.cells}"
        for rank in summarize_targets(found, judged)
    }
    return dict(judge(pool, found, judged)) | lines


def judged_families(pool: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    return families(pool, error_kinds(pool), subgroup_by=by, draws=200)


def test_a_pool_in_order_supports_both_hypotheses_and_one_in_reverse_neither() -> None:
    found = verdict_of(np.arange(1.0, 13.0), np.arange(1.0, 13.0) / 100)
    words = "adaptive worst-case ℓ2 with logit normalization at ρ = 1.0"
    assert found["Strong hypothesis, test error"].startswith(
        "Yes: sharper models have more test error. Of 1 coefficients the largest is 1.00, for "
        f"{words} (12 models, adjusted p = 0.005); an adjusted p is below 0.05 for 1. Chance alone"
    )
    assert found["Weak hypothesis, test error"].startswith("Not supported")  # 1 of 12 by chance
    # ImageNet-V2 is no distribution shift: the OOD error is ImageNet-R's alone.
    assert found["Strong hypothesis, OOD error"].startswith("Reverse: sharper models have less")
    assert found["Weak hypothesis, OOD error"].startswith("Not supported")
    assert found["Test error"] == f"{words}; 1.00 [1.00, 1.00]; 0.005; 12; 1 and 0 of 1"
    assert found["ImageNet-R error"] == f"{words}; -1.00 [-1.00, -1.00]; 0.005; 12; 0 and 1 of 1"
    assert found["OOD error"] == "none: no such set; ; ; 0; 0 and 0 of 0"
    rate = found["Learning rate"]
    assert rate == f"{words}; -1.00 [-1.00, -1.00]; exploratory; 12; 0 and 1 of 1"
    kinds = "augment=0,mixup=0 (6 models): τ is positive for {} and negative for {}; "
    within = found["Within subgroups (test error)"]
    assert within.startswith(kinds.format(1, 0))
    assert f"largest τ is 1.00, for {words} (adjusted p = 0.005)" in within
    assert "of 1, 1 positive and 0 negative ones have an adjusted p below 0.05." in within
    assert "of 1, 0 positive and 1 negative" in found["Within subgroups (OOD error)"]
    rate = found["Within subgroups (learning rate; exploratory)"]
    assert rate.startswith(kinds.format(0, 1))
    assert "adjusted" not in rate
    assert "Ties" not in found


def test_flat_models_alone_support_the_weak_hypothesis_alone() -> None:
    rng = np.random.default_rng(0)
    error = np.array([0.0, 0.0, 0.0, 0.0, *rng.uniform(5, 9, 36)])
    found = verdict_of(np.arange(1.0, 41.0), error)
    assert found["Strong hypothesis, test error"].startswith("Cannot tell")
    assert found["Weak hypothesis, test error"].startswith("Supported")


def test_only_what_a_pool_has_is_judged() -> None:
    pool = pretrained.pool("feather-berts").assign(error_test=np.repeat([0.1, 0.2], 6))
    found = correlations(pool, resamples=20)
    judged = judged_families(pool)
    headings = dict(judge(pool, found, judged))
    assert not any("Within subgroups" in heading for heading in headings)
    # Two values, six models each: 36 of 66 pairs differ.
    assert (
        headings["Ties"]
        == "Test error: |τ| cannot exceed 0.55 (2 distinct values among 12 models)."
    )
    assert "Of 36 coefficients the largest is" in headings["Strong hypothesis, OOD error"]
    parts = ("Test", "HANS lexical", "HANS subsequence", "HANS constituent")
    assert [rank.target for rank in summarize_targets(found, judged)] == [
        f"{part} error" for part in parts
    ]
    near = pool[[name for name in pool if name.partition("_")[2] not in pretrained.SENTENCES[1:]]]
    headings = dict(judge(near, correlations(near, resamples=20), judged_families(near)))
    assert not any("OOD" in heading for heading in headings)


def test_the_verdict_is_about_the_first_protocol_and_no_ablation() -> None:
    words = [cell.id for cell in synthetic.cells()]
    assert len(main_cells(words)) == 48
    assert main_cells(words)[0].endswith("+paper")
    assert {Cell.parse(w).protocol for w in main_cells(reversed(words))} == {"paper"}
    released = [w for w in words if w.endswith("+released")]
    assert main_cells(released) == released
    assert main_cells([]) == []


@pytest.fixture(scope="module")
def page(reports: dict[str, str]) -> str:
    """A report of five pools at scale mini, with one figure."""
    return reports["mini"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same report at two scales."""
    folder = tmp_path_factory.mktemp("report")
    pools = {name: pretrained.pool(name) for name in pretrained.POOLS}
    pools["cifar10-resnet18"] = synthetic.pool(12)
    pools["augreg-i21k"].loc[5, ["status", "reason"]] = ["excluded", "test error 99.9 %"]
    findings = {}
    for name, pool in pools.items():
        pool.to_csv(folder / "pool.csv", index=False)
        read = read_pool(folder / "pool.csv")
        by = BY if name.startswith("cifar") else ()
        found = correlations(read, by, resamples=20)
        errors = published() if name == "clip-soups" else None
        findings[name] = PoolResults(
            f"all about {name}", read, found, judged_families(read), errors
        )
    facts = read_published_taus(ROOT / "resources" / "paper_taus.csv")
    numbers = {1: pretrained.POOLS[:3], 2: pretrained.POOLS[3:], 3: ["cifar10-resnet18"]}
    tables = [
        build_table(number, {name: findings[name].correlations for name in names}, facts, "mini")
        for number, names in numbers.items()
    ]
    figure = load_catalogue(ROOT / "resources" / "figures.yaml")["fig38"]
    png = folder / "fig38.png"
    Image.new("RGBA", (3, 2)).save(png)
    for name in ("a.html", "b.html"):
        write_report(folder / name, "mini", findings, tables, [(figure, png)], ["<digits>"])
    assert (folder / "a.html").read_bytes() == (folder / "b.html").read_bytes()
    write_report(
        *(folder / "paper.html", "paper", findings, tables, [(figure, png)]), published=facts
    )
    names = {"mini": "a.html", "paper": "paper.html"}
    return {scale: (folder / name).read_text() for scale, name in names.items()}


def test_the_report_is_self_contained(page: str) -> None:
    text = read_tags(page).text
    assert "<digits>" in text
    for name in (*pretrained.POOLS, "cifar10-resnet18"):
        assert f"{name} (mini)" in text
        assert f"all about {name}" in text
    for words in ("Tables (mini)", "Figures (mini)", "Strong hypothesis, OOD error"):
        assert words in text
    written = page.partition("<script>")[0]  # what follows is Vega
    links = re.findall(r'(?:src|href)="([^"]*)"', written)
    assert {link for link in links if not link.startswith(("#", "data:image/webp;base64,"))} == {
        "provenance.json"
    }
    ids = re.findall(r'id="([^"]*)"', written)
    assert len(ids) == len(set(ids))
    places = {link[1:] for link in links if link.startswith("#") and not link.startswith("#pool=")}
    assert places <= set(ids)
    assert {*pretrained.POOLS, "cifar10-resnet18", "table1", "table2", "table3", "fig38"} <= places
    assert "1 excluded (model_5): test error 99.9 % (1)" in text
    notes = re.findall(r'<p class="note">(.*?)</p>', page)
    assert len(notes) == 4
    assert "not comparable with the published ones" in notes[0]
    assert "needs JavaScript" in notes[2]
    assert "1 of 5 published accuracies differ" in notes[3]
    assert text.count("Published accuracies") == 1


def test_every_table_of_the_report_is_rectangular(page: str, reports: dict[str, str]) -> None:
    tables = read_tags(page).tables
    # Heat maps, explorer, pools; Tables 1 to 3, without their agreement; provenance.
    assert len(tables) == 5 + 1 + 5 + 3 + 1
    for table in tables:
        assert len({len(row) for row in table}) == 1
    soups = tables[6 + 2]
    shifts = [f"ImageNet-{name} error" for name in ("V2", "R", "Sketch", "A")]
    assert [row[0] for row in soups[1:]] == [
        *("Test error", *shifts, "ObjectNet error", "Learning rate")
    ]
    assert [row[-1] for row in soups[1:]] == ["18"] * 7
    compared = read_tags(reports["paper"]).tables[6 + 5 + 1]
    assert compared[1][:4] == ["augreg-i1k", "IN", "paper", "12"]
    assert len(compared) == 1 + 3 * 4 * 2
