"""Tables 3 and 4 and the report: every number in its place, in every notation."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic

from sharpness.correlation import correlations
from sharpness.definition import PAPER, Cell, Definition
from sharpness.figures.catalogue import load_catalogue
from sharpness.problem import Problem
from sharpness.report.page import write_report
from sharpness.report.verdict import agreement, counts, judge
from sharpness.tables.formats import format_radius, format_tau, latex_escape, to_html
from sharpness.tables.parts import Entry
from sharpness.tables.table import build_table, read_published, write_table

ROOT = Path(__file__).parents[1]
FACTS = ROOT / "resources" / "paper_taus.csv"
NAMES = {3: "cifar10-resnet18", 4: "cifar10-vit"}
ADAPTIVE = Definition("worst", "l2", adaptive=True, logit_norm=True)


def coefficient(cell: Cell, target: str, tau: float, **others: object) -> dict[str, object]:
    row = {"cell": cell.id, "target": target, "subgroup": "all", "models": 9, "tau": tau}
    row |= {"tau_b": tau, "low": tau - 0.1, "high": tau + 0.1, "p": 0.01}
    return row | {"status": "ok", "reason": ""} | others


def measured() -> pd.DataFrame:
    """Two cells of Table 4, one of them the row that the paper left out, and three decoys."""
    known = Cell(ADAPTIVE, 0.25)
    extra = Cell(ADAPTIVE, 4.0)
    none = {"status": "undefined", "reason": "too few & <far> between"}
    return pd.DataFrame(
        [
            coefficient(known, "error_test", -0.504),
            coefficient(known, "error_corrupted", 0.5),
            coefficient(extra, "error_test", 0.12, models=7),
            coefficient(extra, "error_corrupted", np.nan, **none),
            coefficient(known, "learning_rate", 0.99),
            coefficient(Cell(ADAPTIVE, 0.25, m=16), "error_test", 0.98),
            coefficient(known, "error_test", 0.97, subgroup="augment=0,mixup=0"),
        ]
    )


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return read_published(FACTS)


@pytest.mark.parametrize("number", [3, 4])
def test_every_published_value_stands_in_its_row(number: int, published: pd.DataFrame) -> None:
    table = build_table(number, NAMES[number], measured().iloc[:0], published)
    assert len(table.rows) == 48
    facts = pd.read_csv(FACTS).query("table == @number")
    assert len(facts) == 96
    seen = {
        (row.definition, row.radius, {"error_test": "cifar10"}.get(c.target, "cifar10-c")): e.tau
        for row in table.rows
        for c, e in zip(table.columns, row.entries, strict=True)
        if c.source == "published"
    }
    for fact in facts.itertuples():
        definition = Definition(fact.case, fact.norm, fact.adaptive, fact.logit_norm)
        assert seen[definition, fact.radius, fact.dataset] == fact.tau
    # The paper's order: the definitions of App. H.4, four rising radii each.
    order = [row.definition for row in table.rows]
    assert order == [definition for definition in PAPER for _ in range(4)]
    for start in range(0, 48, 4):
        radii = [row.radius for row in table.rows[start : start + 4]]
        assert radii == sorted(radii)


def test_the_printed_bold_is_the_papers(published: pd.DataFrame) -> None:
    for number, bold in ((3, 7), (4, 13)):
        facts = published[(published["table"] == number) & (published["tau"].abs() > 0.5)]
        table = build_table(number, NAMES[number], measured().iloc[:0], published)
        strong = sum(e.strong for row in table.rows for e in row.entries)
        assert strong == len(facts) == bold


def test_measured_rows_join_the_published_ones(published: pd.DataFrame) -> None:
    table = build_table(4, NAMES[4], measured(), published)
    assert len(table.rows) == 49
    rows = {row.radius: row for row in table.rows if row.definition == ADAPTIVE}
    assert list(rows) == [0.25, 0.5, 1.0, 2.0, 4.0]
    sources = [(c.target, c.source) for c in table.columns]
    assert sources == [
        (target, source)
        for target in ("error_test", "error_corrupted")
        for source in ("paper", "released", "published")
    ]
    paper, released, printed, ood, _, ood_printed = rows[0.25].entries
    assert (paper.tau, paper.strong) == (-0.504, True)
    assert (printed.tau, printed.strong) == (-0.21, False)
    assert (ood.tau, ood.strong) == (0.5, False)
    assert ood_printed.tau == -0.12
    assert released.reason == "not measured"
    assert rows[4.0].entries[2].reason == "not printed in the paper"
    assert (rows[0.25].models, rows[4.0].models, rows[0.5].models) == ("9", "7", "–")


def test_the_files_of_a_table(tmp_path, published: pd.DataFrame) -> None:
    note = "mini: digits in place of CIFAR-10"
    write_table(4, NAMES[4], measured(), published, tmp_path / "table4", note)
    markdown = (tmp_path / "table4.md").read_text()
    line = "| Adaptive worst-case ℓ2 | Yes | 0.25 | 9 | **-0.50** [-0.60, -0.40] | – (1) | -0.21 | "
    assert line + "0.50 [0.40, 0.60] | – (1) | -0.12 |" in markdown
    line = "| Adaptive worst-case ℓ2 | Yes | 4.0 | 7 | 0.12 [0.02, 0.22] | – (1) | – (2) | – (3) | "
    assert line + "– (1) | – (2) |" in markdown
    for footnote in ("(1) not measured", "(2) not printed in the paper", "(3) too few & <far>"):
        assert f"\n{footnote}" in markdown
    assert "Scale mini: digits in place of CIFAR-10." in markdown

    frame = pd.read_csv(tmp_path / "table4.csv")
    assert len(frame) == 49
    row = frame[(frame["definition"] == ADAPTIVE.id) & (frame["rho"] == 0.25)].iloc[0]
    assert row["error_test_paper_tau"] == -0.504
    assert row["error_test_paper_low"] == pytest.approx(-0.604)
    assert row["error_test_paper_models"] == 9
    assert row["error_test_published_tau"] == -0.21
    assert np.isnan(row["error_test_released_tau"])
    assert set(frame["scale"]) == {note}
    assert (tmp_path / "table4.csv").read_bytes().count(b"\r") == 0

    before = [(tmp_path / f"table4.{suffix}").read_bytes() for suffix in ("csv", "md", "tex")]
    write_table(4, NAMES[4], measured(), published, tmp_path / "table4", note)
    after = [(tmp_path / f"table4.{suffix}").read_bytes() for suffix in ("csv", "md", "tex")]
    assert before == after


def test_latex_is_balanced_and_escaped(tmp_path, published: pd.DataFrame) -> None:
    write_table(4, NAMES[4], measured(), published, tmp_path / "table4", "mini: 50 % & more_data")
    latex = (tmp_path / "table4.tex").read_text()
    assert latex.isascii()
    assert r"Scale mini: 50 \% \& more\_data." in latex
    assert r"too few \& \ensuremath{<}far\ensuremath{>} between" in latex
    assert r"Adaptive worst-case \ensuremath{\ell_2} & Yes & 0.25 & 9 & $\mathbf{-0.50}$" in latex
    bare = re.sub(r"\\[{}%&_$]", "", latex)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert sorted(re.findall(r"\\begin\{(\w+)\}", latex)) == sorted(
        re.findall(r"\\end\{(\w+)\}", latex)
    )
    body = latex[latex.index(r"\midrule") : latex.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 49
    # Ten columns: nine separators that are not escaped.
    assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {9}


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a_b & 5 % #1 $x$ {y}", r"a\_b \& 5 \% \#1 \$x\$ \{y\}"),
        ("\\^~", r"\textbackslash{}\textasciicircum{}\textasciitilde{}"),
        (
            "ℓ∞ ℓ2 ρ τ",
            r"\ensuremath{\ell_\infty} \ensuremath{\ell_2} \ensuremath{\rho} \ensuremath{\tau}",
        ),
        ("plain", "plain"),
    ],
)
def test_latex_escape(text: str, latex: str) -> None:
    assert latex_escape(text) == latex


@pytest.mark.parametrize(
    ("radius", "text"), [(1e-5, "0.00001"), (1.0, "1.0"), (0.25, "0.25"), (0.0005, "0.0005")]
)
def test_radii_are_printed_as_in_the_paper(radius: float, text: str) -> None:
    assert format_radius(radius) == text


@pytest.mark.parametrize(("tau", "text"), [(-0.001, "0.00"), (0.495, "0.49"), (-1.0, "-1.00")])
def test_coefficients_have_two_decimals(tau: float, text: str) -> None:
    assert format_tau(tau) == text


@pytest.mark.parametrize(("tau", "strong"), [(0.5, False), (-0.5, False), (0.501, True)])
def test_strong_is_beyond_a_half(tau: float, strong: bool) -> None:
    assert Entry(tau).strong is strong


def test_an_unknown_table_is_a_problem(published: pd.DataFrame) -> None:
    with pytest.raises(Problem, match="table 7"):
        build_table(7, "any", measured(), published)


class Tags(HTMLParser):
    """Checks that tags close in order and gathers the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_of_a_table_is_escaped_and_whole(published: pd.DataFrame) -> None:
    page = to_html(build_table(4, NAMES[4], measured(), published, "mini: digits"))
    parser = Tags()
    parser.feed(page)
    assert not parser.open
    assert "too few & <far> between" in parser.text
    assert "<b>-0.50</b> <small>[-0.60, -0.40]</small>" in page


def test_agreement_counts_signs_and_intervals(published: pd.DataFrame) -> None:
    lines = agreement(build_table(4, NAMES[4], measured(), published))
    assert lines[0] == (
        "Test error, protocol paper: the sign agrees for 1 of 1, the published value lies in the "
        "computed interval for 0; mean difference 0.29."
    )
    assert lines[1] == "Test error, protocol released: nothing to compare."
    assert lines[2].startswith("OOD error, protocol paper: the sign agrees for 0 of 1")


def test_counts_name_the_reasons() -> None:
    pool = pd.DataFrame(
        {
            "status": ["ok", "skipped", "skipped", "failed"],
            "reason": ["", "training error 4.1 %", "training error 9.0 %", "loss is NaN"],
        }
    )
    assert counts(pool) == (
        "4 models, 1 of them used; 2 skipped: 2 like 'training error 4.1 %'; "
        "1 failed: loss is NaN (1)."
    )


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
            "error_corrupted": np.nan,
            "gap": error,
            Cell(ADAPTIVE, 1.0).id: sharpness,
        }
    )
    return dict(judge(pool, correlations(pool, resamples=20)))


def test_a_pool_in_perfect_order_supports_both_hypotheses() -> None:
    found = verdict_of(np.arange(1.0, 13.0), np.arange(1.0, 13.0) / 100)
    assert found["Strong hypothesis"].startswith("Supported throughout")
    assert found["Weak hypothesis"].startswith("Supported throughout")
    assert "ρ = 1.0: τ = 1.00 [1.00, 1.00] over 12 models" in found["Correlation with test error"]
    assert found["Correlation with OOD error"] == (
        "No coefficient with the OOD error could be computed."
    )
    assert "τ is positive for 1 (1 with p < 0.05)" in found["Within subgroups (test error)"]


def test_a_pool_in_reverse_order_supports_neither() -> None:
    found = verdict_of(np.arange(1.0, 13.0), -np.arange(1.0, 13.0) / 100)
    assert found["Strong hypothesis"].startswith("Not supported")
    assert "clearly less (τ < −0.5) under 1" in found["Strong hypothesis"]
    assert found["Weak hypothesis"].startswith("Not supported")


def test_flat_models_alone_support_the_weak_hypothesis_alone() -> None:
    error = np.array([1.0, 9, 8, 7, 6, 5, 4, 3, 2, 1.5, 1.7, 1.6])
    found = verdict_of(np.arange(1.0, 13.0), error)
    assert found["Strong hypothesis"].startswith("Not supported")
    assert found["Weak hypothesis"].startswith("Supported throughout")


def test_the_report_is_self_contained_and_reproducible(tmp_path, published: pd.DataFrame) -> None:
    pool = synthetic.pool(12)
    frames = {NAMES[3]: (pool, correlations(pool, resamples=20))}
    table = build_table(3, NAMES[3], frames[NAMES[3]][1], published, "mini: digits")
    figure = load_catalogue(ROOT / "resources" / "figures.yaml")["fig38"]
    png = tmp_path / "fig38.png"
    png.write_bytes(b"\x89PNG not a real one")
    for name in ("a.html", "b.html"):
        write_report(tmp_path / name, "mini", frames, [table], [(figure, png)], ["<digits>"])
    page = (tmp_path / "a.html").read_text()
    assert page == (tmp_path / "b.html").read_text()
    parser = Tags()
    parser.feed(page)
    assert not parser.open
    assert "<digits>" in parser.text
    for words in (
        "cifar10-resnet18 (mini)",
        "Tables (mini)",
        "Figures (mini)",
        "Strong hypothesis",
    ):
        assert words in parser.text
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    ids = set(re.findall(r'id="([^"]*)"', page))
    assert {link[1:] for link in links if link.startswith("#")} <= ids
