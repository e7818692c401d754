"""``sharpness measure``: one model, by any definitions and radii."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sharpness.checkpoints.table import value as cell_value
from sharpness.cli.local_files import check_files
from sharpness.evaluation.plan import Plan
from sharpness.io.errors import UserError
from sharpness.io.files import expanded, finite_or_none, write_csv, write_json
from sharpness.measures.definition import PROTOCOLS, Cell, Definition
from sharpness.sources.grammar import DATA_SCHEMES, MODEL_SCHEMES, ModelSource

AUTO = "auto"
"""Radii at which the loss rises by given amounts; see `evaluation.radii`."""

COLUMNS = ("cell", "value", "stderr", "loss", "error", "floor", "seconds", "status", "reason")
"""Columns of the CSV file, after which come the settings of each cell."""

SAYS = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
"""For all that is no result."""


@dataclass(frozen=True)
class Request:
    """What is to be measured.

    Attributes:
        source: the model.
        data: the name of the data.
        plan: the cells of given radii, and how all are measured.
        auto: definitions whose radii are to be found.
        protocol: of all cells.
        inputs: of `preparation.given_inputs`, or None.
        places: cache, mirror and offline flag.
        labels: table of the outputs of the classes, or None.
        device: "auto", "cpu" or "cuda".
        room: examples a pass.
    """

    source: ModelSource
    data: str
    plan: Plan
    auto: Sequence[Definition]
    protocol: str
    inputs: Mapping[str, Any] | None
    places: Mapping[str, Any]
    labels: Path | None
    device: str
    room: int | None


@dataclass(frozen=True)
class Measured:
    """A cell with its row, its seconds, and the floor below which rounding decides it."""

    row: dict[str, Any]
    seconds: float
    floor: float


def measure(
    model: Annotated[str, typer.Argument(help="; ".join(MODEL_SCHEMES.values()))],
    data: Annotated[str, typer.Option(help="; ".join([*DATA_SCHEMES.values(), "a known set"]))],
    definition: Annotated[list[str], typer.Option(help="`sharpness list definitions`; repeat it.")],
    radius: Annotated[list[str], typer.Option(help="ρ of every definition, or auto; repeat it.")],
    checkpoint: Annotated[str, typer.Option(help="File or https address of weights.")] = "",
    checkpoint_key: Annotated[str, typer.Option(help="Of the dictionary of weights in it.")] = "",
    checksum: Annotated[str, typer.Option(help="Of it: `sha256 ...` or `md5 ...`.")] = "",
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Library's weights.")] = False,
    revision: Annotated[str, typer.Option(help="Of a repository of hf:.")] = "",
    argument: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for the model's function; repeat it.")
    ] = None,
    weights_seed: Annotated[int, typer.Option(min=0, help="Of random weights.")] = 0,
    labels: Annotated[Path | None, typer.Option(help="CSV with columns class, output.")] = None,
    input_size: Annotated[int | None, typer.Option(min=1, help="Pixels of a side.")] = None,
    mean: Annotated[str, typer.Option(help="Of pixels in [0, 1], such as 0.5,0.5,0.5.")] = "",
    std: Annotated[str, typer.Option(help="Likewise.")] = "",
    points: Annotated[int, typer.Option("-n", "--points", min=1, help="Examples.")] = 1024,
    m: Annotated[int, typer.Option("-b", "--batch-size", min=1, help="m, examples a batch.")] = 128,
    protocol: Annotated[str, typer.Option(help="paper or released.")] = "paper",
    steps: Annotated[int | None, typer.Option(min=1, help="Auto-PGD iterations.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Draws, average case.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise.")] = 0,
    parameters: Annotated[str, typer.Option(help="all, trainable or a pattern.")] = "all",
    micro_batch: Annotated[int | None, typer.Option(min=1, help="Examples a pass.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    offline: Annotated[bool, typer.Option("--offline", help="Ask no network.")] = False,
    cache: Annotated[str, typer.Option(help="Folder of downloads.")] = "~/.cache/sharpness",
    csv: Annotated[Path | None, typer.Option(help="Write the table there.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the table there.")] = None,
) -> None:
    """Measure the sharpness of a model."""
    source = ModelSource(
        model,
        expanded(checkpoint) if not checkpoint.startswith("https://") else checkpoint,
        checkpoint_key,
        checksum,
        revision,
        pretrained,
        0 if checkpoint or pretrained else weights_seed,
        dict(map(_argument, argument or ())),
    )
    check_files(source, data, labels)
    plan = _plan(definition, radius, protocol, points, m, steps, samples, seed, parameters)
    inputs = _inputs(input_size, mean, std)
    places = {"cache": expanded(cache), "mirror": None, "offline": offline}
    auto = [Definition.parse(word) for word in definition if AUTO in radius]
    request = Request(
        source, data, plan, auto, protocol, inputs, places, labels, device, micro_batch
    )
    total = None if auto else len(plan.cells)
    found = track(_measured(request), "cells", total=total, console=SAYS, transient=True)
    rows = list(found)
    Console().print(_shown(rows))
    _write(rows, csv, json)


def _argument(text: str) -> tuple[str, Any]:
    name, equals, given = text.partition("=")
    if not equals or not name.isidentifier():
        raise UserError(f"--argument {text!r}: is not of the form NAME=VALUE")
    return name, cell_value(given, f"--argument {name}")


def _inputs(size: int | None, mean: str, std: str) -> dict[str, Any] | None:
    if size is None and not mean and not std:
        return None
    if size is None or not mean or not std:
        raise UserError("--input-size, --mean and --std belong together; give all three")
    try:
        numbers = [[float(part) for part in text.split(",")] for text in (mean, std)]
    except ValueError:
        raise UserError(f"--mean {mean} --std {std}: give numbers such as 0.5,0.5,0.5") from None
    return {"size": size, "mean": numbers[0], "std": numbers[1]}


def _plan(
    definitions: Sequence[str],
    radii: Sequence[str],
    protocol: str,
    points: int,
    m: int,
    steps: int | None,
    samples: int | None,
    seed: int,
    parameters: str,
) -> Plan:
    if protocol not in PROTOCOLS:
        raise UserError(f"--protocol {protocol}: is one of {', '.join(PROTOCOLS)}")
    if points % m:
        raise UserError(f"-b {m}: does not divide the {points} points (-n)")
    preset = PROTOCOLS[protocol]
    cells = [
        Cell(Definition.parse(word), _radius(text), protocol)
        for word in definitions
        for text in radii
        if text != AUTO
    ]
    own = {protocol: samples} if samples else {}
    distinct = tuple(dict.fromkeys(cells))
    return Plan(distinct, points, m, steps or preset.steps, own, seed, parameters=parameters)


def _radius(text: str) -> float:
    try:
        radius = float(text)
    except ValueError:
        radius = 0.0
    if not 0 < radius < float("inf") or radius != float(f"{radius:.12g}"):
        raise UserError(f"--radius {text}: is a positive number of at most 12 digits")
    return radius


def _measured(request: Request) -> Iterator[Measured]:
    """Load model and data, say what they are, and yield each cell."""
    import torch

    from sharpness.cli.known_data import record_of
    from sharpness.evaluation.datasets import first_points
    from sharpness.evaluation.evaluate import cell_row, measure_plan
    from sharpness.evaluation.own import probe, rise_over
    from sharpness.evaluation.radii import find_radii
    from sharpness.io.job import compute_device
    from sharpness.measures.error_rates import error_and_loss
    from sharpness.measures.micro_batch import MicroBatch
    from sharpness.sources.data import OwnData, open_data
    from sharpness.sources.labels import read_labels
    from sharpness.sources.models import described, load_model

    where = compute_device(request.device)
    data, places, plan = request.data, request.places, request.plan
    opened = open_data(data, "train", places, record=record_of(data, places))
    own = OwnData({"train": opened}, read_labels(request.labels) if request.labels else None)
    loaded = load_model(request.source, len(own.classes), places, request.inputs)
    model = loaded.model.to(where)
    examples, how = own.for_model(loaded)
    points = first_points(examples["train"], plan.points)
    for line in [*described(loaded), f"{data}: {len(opened)} examples; outputs {how}"]:
        SAYS.print(line)
    room = MicroBatch(request.room)
    error, loss = room.run_with_oom_retry(
        lambda rows: error_and_loss(model, points, rows or plan.m), plan.m
    )
    SAYS.print(f"on {len(points)} points: loss {loss:.4g}, error {error:.2%}")
    if request.auto:
        rise = rise_over([(model, probe(points, plan, where))], plan, request.protocol, room)
        found = find_radii(rise, request.auto)
        plan = plan.with_radii({w: f["radii"] for w, f in found.items()}, [request.protocol])
    eps = torch.finfo(next(model.parameters()).dtype).eps
    for line in _warnings(plan, error, len(own.classes), eps):
        SAYS.print(f"warning: {line}", style="yellow")
    start = monotonic()
    for cell, result in measure_plan(model, plan, points, plan.cells, room):
        about = {"loss": finite_or_none(loss), "error": error, "weights": loaded.origin}
        row = {**plan.describe(cell), **cell_row(result), **about}
        yield Measured(row, monotonic() - start, eps * abs(loss))
        start = monotonic()


def _warnings(plan: Plan, error: float, classes: int, eps: float) -> Iterator[str]:
    if error >= 1 - 1 / classes:
        yield f"the error is no better than chance ({1 - 1 / classes:.1%}): do the labels fit?"
    for cell in plan.cells:
        if cell.definition.adaptive and cell.definition.norm == "linf" and cell.radius < eps:
            yield f"{cell.id}: an adaptive ρ below {eps:.2g} moves no weight of this precision"


def _shown(rows: Iterable[Measured]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, side in _HEADINGS:
        table.add_column(name, justify=side, no_wrap=name == "definition")
    for found in rows:
        row, below = found.row, ""
        if row["value"] is None:
            shown = row["reason"]
        else:
            below = " (rounding)" if abs(row["value"]) < found.floor else ""
            shown = f"{row['value']:.6g}{below}"
        error = "" if row["stderr"] is None else f"{row['stderr']:.2g}"
        word = Cell.parse(row["cell"]).definition.id
        table.add_row(word, f"{row['radius']:g}", shown, error, f"{found.seconds:.1f}")
    table.caption = f"peak memory {_peak():,.0f} MB"
    return table


_HEADINGS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("definition", "left"),
    ("ρ", "right"),
    ("sharpness", "right"),
    ("std. error", "right"),
    ("seconds", "right"),
)


def _peak() -> float:
    """Return the largest amount of memory that was used, of the GPU if there is one, in MB."""
    import torch

    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _write(rows: Sequence[Measured], csv: Path | None, json: Path | None) -> None:
    table = [
        {**found.row, "floor": found.floor, "seconds": round(found.seconds, 3)} for found in rows
    ]
    if csv:
        plain = [{k: v for k, v in row.items() if not isinstance(v, list)} for row in table]
        write_csv(csv, plain, list(dict.fromkeys([*COLUMNS, *plain[0]])))
    if json:
        write_json(json, table)
