"""One table, three notations: Markdown, LaTeX (booktabs) and HTML."""

from __future__ import annotations

import html
import math
from itertools import groupby

import numpy as np

from sharpness.tables.parts import Entry, Row, Table

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{character: "\\" + character for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\ensuremath{|}",
    "τ": r"\ensuremath{\tau}",
    "ρ": r"\ensuremath{\rho}",
    "ℓ2": r"\ensuremath{\ell_2}",
    "ℓ∞": r"\ensuremath{\ell_\infty}",
    "≤": r"\ensuremath{\le}",
    "×": r"\ensuremath{\times}",
    "–": "--",
}

_LEADING = ("Sharpness", "LogitNorm", "ρ", "Models")


def format_radius(radius: float) -> str:
    """A radius as the paper prints it: ``0.00001`` and ``1.0``, never ``1e-05``."""
    return np.format_float_positional(radius, trim="0")


def format_tau(tau: float) -> str:
    """A coefficient with two decimals and a sign only if it needs one; never ``-0.00``."""
    text = f"{tau:.2f}"
    return "0.00" if text == "-0.00" else text


def latex_escape(text: str) -> str:
    """Text that LaTeX prints as it stands, symbols of the papers included."""
    pieces, rest = [], text
    while rest:
        key = next((k for k in (rest[:2], rest[0]) if k in _ESCAPES), rest[0])
        pieces.append(_ESCAPES.get(key, key))
        rest = rest[len(key) :]
    return "".join(pieces)


def footnotes(table: Table) -> dict[str, int]:
    """The reasons for missing coefficients, numbered as they come."""
    reasons = [e.reason for row in table.rows for e in row.entries if math.isnan(e.tau)]
    return {reason: number for number, reason in enumerate(dict.fromkeys(reasons), start=1)}


def to_markdown(table: Table) -> str:
    """The table in Markdown with its caption and footnotes."""
    headings = [*_LEADING, *(f"{c.heading}: {c.source}" for c in table.columns)]
    marks = footnotes(table)

    def entry(e: Entry) -> str:
        if math.isnan(e.tau):
            return f"– ({marks[e.reason]})"
        tau = f"**{format_tau(e.tau)}**" if e.strong else format_tau(e.tau)
        return f"{tau} {_interval(e)}".rstrip()

    lines = [f"**Table {table.number}.** {table.caption}", "", _pipes(headings)]
    lines.append(_pipes(["---", *["---:"] * (len(headings) - 1)]))
    lines += [_pipes([*_leading(row), *map(entry, row.entries)]) for row in table.rows]
    lines += ["", *(f"({number}) {reason}  " for reason, number in marks.items())]
    return "\n".join(lines).rstrip() + "\n"


def to_latex(table: Table) -> str:
    """The table as a float to include; the document needs booktabs and graphicx."""
    marks = footnotes(table)

    def entry(e: Entry) -> str:
        if math.isnan(e.tau):
            return rf"--\textsuperscript{{{marks[e.reason]}}}"
        tau = rf"$\mathbf{{{format_tau(e.tau)}}}$" if e.strong else f"${format_tau(e.tau)}$"
        return f"{tau} ${_interval(e)}$" if _interval(e) else tau

    body = []
    for _, rows in groupby(table.rows, key=lambda row: row.definition):
        body.append(r"\midrule")
        for row in rows:
            cells = [*map(latex_escape, _leading(row)), *map(entry, row.entries)]
            body.append(" & ".join(cells) + r" \\")
    notes = [rf"\textsuperscript{{{n}}} {latex_escape(reason)}." for reason, n in marks.items()]
    return "\n".join(
        [
            r"% \usepackage{booktabs,graphicx}",
            r"\begin{table}[p]",
            r"\centering",
            rf"\caption{{{latex_escape(table.caption)}}}",
            rf"\label{{tab:{table.pool}}}",
            r"\setlength{\tabcolsep}{3pt}",
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{llrr{'r' * len(table.columns)}}}",
            r"\toprule",
            *_latex_head(table),
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            *([r"\par\smallskip\footnotesize " + " ".join(notes)] if notes else []),
            r"\end{table}",
            "",
        ]
    )


def _latex_head(table: Table) -> list[str]:
    """Two lines of headings, with a rule under each kind of error."""
    spans, rules, first = [], [], len(_LEADING) + 1
    for heading, group in groupby(table.columns, key=lambda column: column.heading):
        width = len(list(group))
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{heading}}}")
        rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    subheadings = [latex_escape(text) for text in (*_LEADING, *(c.source for c in table.columns))]
    top = " & ".join([""] * len(_LEADING) + spans) + r" \\"
    return [top, *rules, " & ".join(subheadings) + r" \\"]


def to_html(table: Table) -> str:
    """The table as HTML with its caption and footnotes; every text escaped."""
    marks = footnotes(table)

    def entry(e: Entry) -> str:
        if math.isnan(e.tau):
            return f"<td>–<sup>{marks[e.reason]}</sup></td>"
        tau = f"<b>{format_tau(e.tau)}</b>" if e.strong else format_tau(e.tau)
        interval = f" <small>{_interval(e)}</small>" if _interval(e) else ""
        return f"<td>{tau}{interval}</td>"

    spans = "".join(
        f'<th colspan="{len(list(group))}">{heading}</th>'
        for heading, group in groupby(table.columns, key=lambda column: column.heading)
    )
    lines = [f"<table><caption><b>Table {table.number}.</b> {html.escape(table.caption)}</caption>"]
    lines.append(f'<thead><tr><th colspan="{len(_LEADING)}"></th>{spans}</tr>')
    lines.append(
        _html_row("th", [*_LEADING, *(c.source for c in table.columns)]) + "</thead><tbody>"
    )
    for row in table.rows:
        leading = "".join(f"<td>{html.escape(text)}</td>" for text in _leading(row))
        lines.append(f"<tr>{leading}{''.join(map(entry, row.entries))}</tr>")
    lines.append("</tbody></table>")
    lines += [f"<p><sup>{n}</sup> {html.escape(reason)}</p>" for reason, n in marks.items()]
    return "\n".join(lines)


def _leading(row: Row) -> list[str]:
    normalized = "Yes" if row.definition.logit_norm else "No"
    return [row.definition.title, normalized, format_radius(row.radius), row.models]


def _interval(entry: Entry) -> str:
    if math.isnan(entry.low):
        return ""
    return f"[{format_tau(entry.low)}, {format_tau(entry.high)}]"


def _pipes(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _html_row(tag: str, cells: list[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
