"""``sharpness correlate``: measures against targets of any CSV. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from sharpness.cli.outputs import SAYS, new_file
from sharpness.io.csv_files import WORDS, read_frame
from sharpness.io.errors import UserError
from sharpness.io.files import atomic, read_rows, write_frame
from sharpness.io.job import draw_to_files
from sharpness.io.validation import hint
from sharpness.statistics.correlation import subgroups
from sharpness.statistics.kendall import FEW, FEWEST, format_tau, kendall


def correlate(
    path: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV with a row for each model.")],
    target: Annotated[list[str], typer.Option(help="Column to predict; repeat it.")],
    measure: Annotated[
        list[str] | None,
        typer.Option(help="Column of a measure; by default every one that varies."),
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option(help="Column of groups; τ within each too; repeat it.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table there.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write scatter plots there, a PNG.")] = None,
) -> None:
    """Rank correlation (Kendall's τ, with interval and p) of measures with targets."""
    csv, plot = new_file(csv), new_file(plot)
    table = _read(path)
    target, measure, groups = ([*dict.fromkeys(names or ())] for names in (target, measure, by))
    for name in [*target, *(measure or ()), *groups]:
        if name not in table:
            raise UserError(f"{path}: no column {name!r}; {hint(name, map(str, table.columns))}")
    chosen = measure or _numbers(table, {*target, *groups})
    for name in [*target, *chosen]:
        if (word := _text_in(table[name])) is not None:
            raise UserError(
                f"{path}: column {name!r} holds {word!r}; it takes numbers with a decimal point "
                "and empty cells alone"
            )
    if not chosen:
        raise UserError(f"{path}: has no column of varied numbers besides target and groups")
    for name in [] if measure else _mixed(table, {*target, *groups}):
        word = _text_in(table[name])
        SAYS.print(f"left out: column {name!r} holds numbers, but {word!r} too")
    found = pd.DataFrame(_rows(table, chosen, target, groups))
    Console(markup=False).print(_shown(found, bool(groups)))
    if (models := int(found["models"].max())) < FEW:
        SAYS.print(f"{models} models only: the intervals are too narrow")
    if csv:
        write_frame(csv, found)
    if plot:
        _draw(table, chosen, target, plot)


def _read(path: Path) -> pd.DataFrame:
    """Read a table; pandas would move or rename columns where rows and header do not agree."""
    header, _ = read_rows(path)
    if twice := [name for name in header if header.count(name) > 1]:
        raise UserError(f"{path}: column {twice[0]!r} is there twice; rename one")
    return read_frame(path)


def _text_in(column: pd.Series[Any]) -> str | None:
    """Return the first cell of a column that is no number; None if all are."""
    if pd.api.types.is_numeric_dtype(column) or column.isna().all():
        return None
    words = column.dropna().astype(str)
    return next(iter(words[pd.to_numeric(words, errors="coerce").isna()]), None)


def _mixed(table: pd.DataFrame, without: set[str]) -> list[str]:
    """Return the columns of text with some numbers."""
    texts = [str(name) for name in table if str(name) not in {*without, *WORDS}]
    return [
        name
        for name in texts
        if _text_in(table[name]) is not None
        and pd.to_numeric(table[name], errors="coerce").notna().any()
    ]


def _numbers(table: pd.DataFrame, without: set[str]) -> list[str]:
    numbers = table.select_dtypes("number").columns
    varied = [name for name in numbers if table[name].nunique() > 1]
    return [str(name) for name in varied if name not in without]


def _rows(
    table: pd.DataFrame, measures: Sequence[str], targets: Sequence[str], by: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for measure in measures:
        for target in targets:
            for group, rows in subgroups(table, by):
                found = kendall(table.loc[rows, measure], table.loc[rows, target])
                yield {"measure": measure, "target": target, "group": group, **asdict(found)}


def _shown(found: pd.DataFrame, grouped: bool) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("measure", "target", *(["group"] if grouped else [])):
        table.add_column(name, overflow="fold")
    for name in ("models", "τ", "95 % interval", "p"):
        table.add_column(name, justify="right", no_wrap=name != "95 % interval")
    for row in found.to_dict("records"):
        words = [row["measure"], row["target"], *([row["group"]] if grouped else [])]
        if row["status"] != "ok":
            table.add_row(*words, str(row["models"]), "–", row["reason"], "")
            continue
        ends = f"[{format_tau(row['low'])}, {format_tau(row['high'])}]"
        tau = format_tau(row["tau"])
        table.add_row(*words, str(row["models"]), tau, ends, f"{row['p']:.2g}")
    return table


def _draw(table: pd.DataFrame, measures: Sequence[str], targets: Sequence[str], path: Path) -> None:
    draw_to_files()
    from matplotlib import pyplot as plt

    size = (3.2 * len(targets), 2.6 * len(measures))
    figure, axes = plt.subplots(len(measures), len(targets), figsize=size, squeeze=False)
    for row, measure in zip(axes, measures, strict=True):
        for panel, target in zip(row, targets, strict=True):
            found = kendall(table[measure], table[target], resamples=0, test=False)
            tau = format_tau(found.tau) if found.models >= FEWEST else "–"
            panel.scatter(table[measure], table[target], s=12)
            panel.set(xlabel=measure, ylabel=target, title=f"τ = {tau}, {found.models} models")
    figure.tight_layout()
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")
    plt.close(figure)
