"""Tables 1 to 4: every number in its place, in every notation."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pretrained
import pytest
from markup import read_tags

from sharpness.measures.definition import PAPER, Cell, Definition
from sharpness.report.tables import LAYOUTS, build_table, read_published_taus
from sharpness.report.tables.writers import Table, format_ceiling, render_table, write_table
from sharpness.statistics.correlation import correlations, format_radius
from sharpness.statistics.kendall import format_tau

ROOT = Path(__file__).parents[3]
FACTS = ROOT / "resources" / "paper_taus.csv"
NAMES = {3: "cifar10-resnet18", 4: "cifar10-vit"}
ADAPTIVE = Definition("worst", "l2", adaptive=True, logit_norm=True)


def coefficient(cell: Cell, target: str, tau: float, **others: object) -> dict[str, object]:
    row = {"cell": cell.id, "target": target, "subgroup": "all", "models": 9, "tau": tau}
    row |= {"tau_b": tau, "low": tau - 0.1, "high": tau + 0.1, "p": 0.01}
    row |= {"ceiling": np.nan, "flag": ""}
    return row | {"status": "ok", "reason": ""} | others


def measured() -> pd.DataFrame:
    """Three cells of Table 4, two of them in the row that the paper left out, and three decoys."""
    known = Cell(ADAPTIVE, 0.25)
    extra = Cell(ADAPTIVE, 4.0)
    none = {"status": "undefined", "reason": "too few & <far> between"}
    return pd.DataFrame(
        [
            coefficient(known, "error_test", -0.504),
            coefficient(known, "error_corrupted", 0.5),
            coefficient(extra, "error_test", 0.12, models=7, ceiling=0.9, flag="n < 8"),
            coefficient(extra, "error_corrupted", np.nan, **none),
            coefficient(Cell(ADAPTIVE, 4.0, "released"), "error_test", np.nan, **none),
            coefficient(known, "learning_rate", 0.99),
            coefficient(Cell(ADAPTIVE, 0.25, m=16), "error_test", 0.98),
            coefficient(known, "error_test", 0.97, subgroup="augment=0,mixup=0"),
        ]
    )


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return read_published_taus(FACTS)


@pytest.mark.parametrize(
    ("number", "rows", "bold"), [(1, 36, 5), (2, 12, 1), (3, 48, 7), (4, 48, 13)]
)
def test_every_value_that_the_paper_prints_stands_in_its_row(
    number: int, rows: int, bold: int, published: pd.DataFrame
) -> None:
    layout = LAYOUTS[number]
    names = [*layout.titles] or [NAMES[number]]
    table = build_table(number, dict.fromkeys(reversed(names), measured().iloc[:0]), published)
    assert [section.pool for section in table.sections] == names
    assert len(table.rows) == rows
    datasets = dict(layout.columns.values())
    seen = {
        (section.pool, row.definition, row.radius, datasets[column.heading]): entry.tau
        for section in table.sections
        for row in section.rows
        for column, entry in zip(table.columns, row.entries, strict=True)
        if column.source == "published"
    }
    facts = pd.read_csv(FACTS).query("table == @number")
    assert seen == {
        (
            f.family if layout.titles else names[0],
            Definition(f.case, f.norm, f.adaptive, f.logit_norm),
            f.radius,
            f.dataset,
        ): f.tau
        for f in facts.itertuples()
    }
    assert sum(entry.strong for row in table.rows for entry in row.entries) == bold
    # The paper's order: definitions one after another, rising radii each.
    for section in table.sections:
        order = pretrained.DEFINITIONS if layout.titles else PAPER
        radii = len(section.rows) // len(order)
        assert [row.definition for row in section.rows] == [d for d in order for _ in range(radii)]
        for start in range(0, len(section.rows), radii):
            group = [row.radius for row in section.rows[start : start + radii]]
            assert group == sorted(group)


def test_measured_rows_join_the_published_ones(published: pd.DataFrame) -> None:
    table = build_table(4, {NAMES[4]: measured()}, published)
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
    write_table(build_table(4, {NAMES[4]: measured()}, published, note), tmp_path / "table4")
    markdown = (tmp_path / "table4.md").read_text()
    line = "| Adaptive worst-case ℓ2 | Yes | 0.25 | 9 | **-0.50** [-0.60, -0.40] | – (1) | -0.21 | "
    assert line + "0.50 [0.40, 0.60] | – (1) | -0.12 |" in markdown
    line = "| Adaptive worst-case ℓ2 | Yes | 4.0 | 7 | 0.12 [0.02, 0.22]† ≤ 0.90 | – (2) | – (3) | "
    assert line + "– (2) | – (1) | – (3) |" in markdown
    for footnote in ("(1) not measured", "(2) too few & <far>", "(3) not printed in the paper"):
        assert f"\n{footnote}" in markdown
    assert "Scale mini: digits in place of CIFAR-10." in markdown
    assert "\n† fewer than 8 models, so the interval is too narrow.\n" in markdown
    assert (
        "\n≤ the ceiling of τ by the noise between batches; “?” where it is below |τ| itself"
        in markdown
    )
    assert "‡" not in markdown

    frame = pd.read_csv(tmp_path / "table4.csv")
    assert len(frame) == 49
    assert set(frame["pool"]) == {NAMES[4]}
    row = frame[(frame["definition"] == ADAPTIVE.id) & (frame["rho"] == 0.25)].iloc[0]
    assert row["error_test_paper_tau"] == -0.504
    assert row["error_test_paper_low"] == pytest.approx(-0.604)
    assert row["error_test_paper_models"] == 9
    other = frame[(frame["definition"] == ADAPTIVE.id) & (frame["rho"] == 4.0)].iloc[0]
    assert (other["error_test_paper_ceiling"], other["error_test_paper_flag"]) == (0.9, "n < 8")
    assert row["error_test_published_tau"] == -0.21
    assert np.isnan(row["error_test_released_tau"])
    assert set(frame["scale"]) == {note}
    assert (tmp_path / "table4.csv").read_bytes().count(b"\r") == 0


def check_latex(latex: str, rows: int, separators: int) -> None:
    """Braces, dollars and environments are in pairs, and every row has every cell."""
    assert latex.isascii()
    bare = re.sub(r"\\[\\{}%&_$]", "", latex)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    begun, ended = (re.findall(rf"\\{word}\{{(\w+)\}}", latex) for word in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    lines = [
        line for line in latex.splitlines() if re.match(r"(Worst|Adaptive|Standard|Avg)", line)
    ]
    assert len(lines) == rows
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {separators}


def test_every_notation_escapes_what_has_a_meaning_in_it(published: pd.DataFrame) -> None:
    note = "mini: 50 % & more_data #1 $x$ {y} \\^~ ≤"
    table = build_table(4, {NAMES[4]: measured()}, published, note)
    latex = render_table(table, "tex")
    check_latex(latex, 49, 9)
    escaped = r"50 \% \& more\_data \#1 \$x\$ \{y\} \textbackslash{}\textasciicircum{}"
    assert escaped + r"\textasciitilde{} \ensuremath{\le}." in latex
    assert r"too few \& \ensuremath{<}far\ensuremath{>} between" in latex
    assert r"Adaptive worst-case \ensuremath{\ell_2} & Yes & 0.25 & 9 & $\mathbf{-0.50}$" in latex
    assert r"$[0.02, 0.22]\ensuremath{\dagger} \ensuremath{\le} 0.90$" in latex
    assert r"\ensuremath{\dagger} fewer than 8 models" in latex
    page = render_table(table, "html")
    assert "too few & <far> between" in read_tags(page).text
    assert "<b>-0.50</b> <small>[-0.60, -0.40]</small>" in page


def test_numbers_are_printed_as_in_the_paper() -> None:
    radii = {1e-5: "0.00001", 1.0: "1.0", 0.25: "0.25", 0.0005: "0.0005"}
    assert {radius: format_radius(radius) for radius in radii} == radii
    taus = {-0.001: "0.00", 0.495: "0.49", -1.0: "-1.00"}
    assert {tau: format_tau(tau) for tau in taus} == taus


def of_pretrained(*names: str, protocols: tuple[str, ...] = ("paper",)) -> dict[str, pd.DataFrame]:
    """The coefficients of made-up pools."""
    pools = {name: pretrained.pool(name, 12, protocols=protocols) for name in names}
    return {name: correlations(pool, resamples=20) for name, pool in pools.items()}


def test_a_protocol_that_was_not_measured_has_no_columns(published: pd.DataFrame) -> None:
    def sources(table: Table) -> list[str]:
        return list(dict.fromkeys(column.source for column in table.columns))

    one = build_table(2, of_pretrained("feather-berts"), published)
    assert sources(one) == ["paper", "published"]
    other = build_table(2, of_pretrained("feather-berts", protocols=("released",)), published)
    assert sources(other) == ["released", "published"]
    frames = of_pretrained("augreg-i1k") | of_pretrained("clip-soups", protocols=("released",))
    both = build_table(1, frames, published)
    assert sources(both) == ["paper", "released", "published"]


@pytest.mark.parametrize(("number", "pools"), [(1, [*LAYOUTS[1].titles]), (2, ["feather-berts"])])
def test_a_note_says_that_the_released_code_is_for_other_models(
    number: int, pools: list[str], published: pd.DataFrame
) -> None:
    note = (
        "The columns “released” apply the CIFAR-10 code of the paper's authors to models for which "
        "they released no code."
    )
    table = build_table(
        number, of_pretrained(*pools, protocols=("paper", "released")), published, "mini: digits"
    )
    assert f"|\n\n{note}\n" in render_table(table, "md")
    assert note in read_tags(render_table(table, "html")).text
    latex = render_table(table, "tex")
    quoted = note.replace("“", "``").replace("”", "''")
    assert latex.count(quoted) == len(pools)  # below each float
    check_latex(latex, len(table.rows), 3 + len(table.columns))
    without = build_table(number, of_pretrained(*pools), published)
    for notation in ("md", "tex", "html"):
        assert "CIFAR-10 code" not in render_table(without, notation)
    assert not LAYOUTS[3].remark
    assert not LAYOUTS[4].remark


def test_a_missing_data_set_is_a_footnote(published: pd.DataFrame) -> None:
    pool = pretrained.pool("augreg-i1k", protocols=("paper",))
    pool = pool.assign(error_sketch=np.nan, gap_sketch=np.nan)
    pool.loc[:1, "error_r"] = np.nan
    why = "imagenet-sketch: set data.imagenet-sketch.folder"
    found = correlations(pool, (), {"sketch": why}, resamples=10)
    table = build_table(1, {"augreg-i1k": found}, published)
    column = [(c.heading, c.source) for c in table.columns].index(("IN-Sketch", "paper"))
    assert {row.entries[column].reason for row in table.rows} == {why}
    assert f"\n(1) {why}" in render_table(table, "md")
    assert rf"\textsuperscript{{1}} {why}." in render_table(table, "tex")
    assert f"<sup>1</sup> {why}" in render_table(table, "html")
    assert {row.models for row in table.rows} == {"10–12"}


def test_every_notation_of_a_wide_table_has_every_section(published: pd.DataFrame) -> None:
    frames = of_pretrained(*LAYOUTS[1].titles, protocols=("paper", "released"))
    table = build_table(1, frames, published, "mini: digits")
    assert len(table.columns) == 12

    markdown = render_table(table, "md")
    assert markdown.count("| Sharpness | LogitNorm | ρ | Models | IN: paper | IN: released |") == 3
    assert {line.count("|") for line in markdown.splitlines() if line.startswith("|")} == {17}
    for name, title in LAYOUTS[1].titles.items():
        assert f"\n**{title}** ({name})\n" in markdown

    (grid,) = read_tags(render_table(table, "html")).tables
    assert {len(row) for row in grid} == {16}
    assert grid[0][4:] == [h for h, _ in LAYOUTS[1].columns.values() for _ in range(3)]
    assert len(grid) == 2 + 3 + len(table.rows) == 2 + 3 + 12 + 12 + 18
    places = [i for i, row in enumerate(grid) if len(set(row)) == 1]
    assert places == [2, 15, 28]
    assert grid[28][0].startswith("ImageNet-1k models fine-tuned from CLIP (clip-soups)")
    entry = table.rows[0].entries[0]
    assert grid[3][4] == (
        f"{format_tau(entry.tau)} [{format_tau(entry.low)}, {format_tau(entry.high)}]"
    )

    latex = render_table(table, "tex")
    check_latex(latex, len(table.rows), 15)
    assert latex.startswith("% \\usepackage{booktabs,graphicx,rotating}\n")
    assert latex.count(r"\begin{sidewaystable}[p]") == 3
    # One number for the three floats, a label for each.
    assert latex.count(r"\addtocounter{table}{-1}") == 2
    assert re.findall(r"\\label\{tab:(.*)\}", latex) == [*LAYOUTS[1].titles]
    assert latex.count("Scale mini: digits.") == 3


def test_a_pool_of_ones_own_has_a_section_of_its_own(published: pd.DataFrame) -> None:
    """Without a printed family of its name; alone in a table of one family it is compared."""
    found = measured()
    both = build_table(4, {"mine": found, NAMES[4]: found}, published)
    assert [section.title for section in both.sections] == ["mine", NAMES[4]]
    assert "the models of mine and cifar10-vit" in both.caption
    alone = build_table(4, {"mine": found}, published)
    known = build_table(4, {NAMES[4]: found}, published)
    assert render_table(alone, "md") == render_table(known, "md").replace(NAMES[4], "mine")
    assert alone.sections[0].title == ""
    table = build_table(1, of_pretrained("augreg-i1k") | {"mine": found}, published)
    assert [section.title for section in table.sections][1] == "mine"
    reasons = {e.reason for row in table.sections[1].rows for e in row.entries[2::3]}
    assert reasons == {"not printed in the paper"}


def test_a_ceiling_below_the_coefficient_is_not_told() -> None:
    assert format_ceiling(0.57, -0.85) == "?"
    assert format_ceiling(0.57, 0.5) == "0.57"
