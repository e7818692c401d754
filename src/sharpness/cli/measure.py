"""``sharpness measure``: one model, by any definitions and radii."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from sharpness.checkpoints.table import value as cell_value
from sharpness.cli.local_files import check_files
from sharpness.cli.measured import Measured, shown, write
from sharpness.cli.outputs import SAYS, new_file
from sharpness.evaluation.plan import Plan
from sharpness.io.errors import UserError
from sharpness.io.files import expanded, finite_or_none
from sharpness.measures.definition import PROTOCOLS, Cell, Definition, Precision
from sharpness.measures.measurement import AUTO, Measurement
from sharpness.sources.grammar import (
    DATA_SCHEMES,
    MODEL_SCHEMES,
    ModelSource,
    as_argument,
)


@dataclass(frozen=True)
class Request:
    """What is to be measured.

    Attributes:
        source: the model.
        data: the name of the data.
        plan: the cells of given radii, and how all are measured.
        auto: definitions and measures whose radii are to be found.
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
    auto: Sequence[Definition | Measurement]
    protocol: str
    inputs: Mapping[str, Any] | None
    places: Mapping[str, Any]
    labels: Path | None
    device: str
    room: int | None


def measure(
    model: Annotated[str, typer.Argument(help="; ".join(MODEL_SCHEMES.values()))],
    data: Annotated[str, typer.Option(help="; ".join([*DATA_SCHEMES.values(), "a known set"]))],
    definition: Annotated[
        list[str] | None, typer.Option(help="`sharpness list definitions`; repeat it.")
    ] = None,
    radius: Annotated[
        list[str] | None, typer.Option(help="ρ of every definition, or auto; repeat it.")
    ] = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="`sharpness list measures`, such as fisher-rao.")
    ] = None,
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
    precision: Annotated[Precision, typer.Option(help="Of Auto-PGD's gradients.")] = "float32",
    micro_batch: Annotated[int | None, typer.Option(min=1, help="Examples a pass.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    offline: Annotated[bool, typer.Option("--offline", help="Ask no network.")] = False,
    cache: Annotated[str, typer.Option(help="Folder of downloads.")] = "~/.cache/sharpness",
    csv: Annotated[Path | None, typer.Option(help="Write the table there.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the table there.")] = None,
) -> None:
    """Measure the sharpness of a model."""
    files = new_file(csv), new_file(json)
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
    words = _words(definition or (), radius or (), measure or ())
    plan = _plan(words, protocol, points, m, steps, samples, seed, parameters, precision)
    inputs = _inputs(input_size, mean, std)
    places = {"cache": expanded(cache), "mirror": None, "offline": offline}
    auto: list[Definition | Measurement] = [each for each in plan.measures if each.auto]
    if AUTO in words.radii:
        auto = [*map(Definition.parse, words.definitions), *auto]
    request = Request(
        source, data, plan, auto, protocol, inputs, places, labels, device, micro_batch
    )
    total = None if auto else len(plan.wanted)
    found = track(_measured(request), "cells", total=total, console=SAYS, transient=True)
    rows: list[Measured] = []
    try:
        rows.extend(found)
    finally:  # what was measured before an interruption is not lost
        if rows:
            Console().print(shown(rows))
            write(rows, *files)
    if all(found.row["value"] is None for found in rows):
        raise typer.Exit(1)


def _argument(text: str) -> tuple[str, Any]:
    name, equals, given = text.partition("=")
    if not equals or not name.isidentifier():
        raise UserError(f"--argument {text!r}: is not of the form NAME=VALUE")
    return name, as_argument(cell_value(given, f"--argument {name}"))


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


@dataclass(frozen=True)
class _Words:
    """Definitions, their radii, and measures, as they are given."""

    definitions: Sequence[str]
    radii: Sequence[str]
    measures: Sequence[str]


def _words(definitions: Sequence[str], radii: Sequence[str], measures: Sequence[str]) -> _Words:
    if bool(definitions) != bool(radii):
        raise UserError("--definition and --radius belong together; give both")
    if not definitions and not measures:
        raise UserError("nothing to measure: give --definition and --radius, or --measure")
    return _Words(definitions, radii, measures)


def _plan(
    words: _Words,
    protocol: str,
    points: int,
    m: int,
    steps: int | None,
    samples: int | None,
    seed: int,
    parameters: str,
    precision: Precision,
) -> Plan:
    if protocol not in PROTOCOLS:
        raise UserError(f"--protocol {protocol}: is one of {', '.join(PROTOCOLS)}")
    if points % m:
        raise UserError(f"-b {m}: does not divide the {points} points (-n)")
    preset = PROTOCOLS[protocol]
    cells = [
        Cell(Definition.parse(word), _radius(text), protocol)
        for word in words.definitions
        for text in words.radii
        if text != AUTO
    ]
    own = {protocol: samples} if samples else {}
    distinct = tuple(dict.fromkeys(cells))
    return Plan(
        distinct,
        points,
        m,
        steps or preset.steps,
        own,
        seed,
        parameters=parameters,
        precision=precision,
        measures=tuple(dict.fromkeys(map(Measurement.parse, words.measures))),
    )


def _radius(text: str) -> float:
    try:
        radius = float(text)
    except ValueError:
        radius = 0.0
    if not 1e-12 <= radius < 1e12 or radius != float(f"{radius:.12g}"):
        raise UserError(f"--radius {text}: is a number from 1e-12 to 1e12 of at most 12 digits")
    return radius


def _measured(request: Request) -> Iterator[Measured]:
    """Load model and data, say what they are, and yield each cell."""
    import torch

    from sharpness.cli.known_data import record_of
    from sharpness.evaluation.datasets import first_points
    from sharpness.evaluation.evaluate import cell_row
    from sharpness.evaluation.measuring import measure_plan
    from sharpness.evaluation.radii import find_radii
    from sharpness.evaluation.rise import probe, rise_over
    from sharpness.io.job import compute_device
    from sharpness.measures.error_rates import error_and_loss
    from sharpness.measures.micro_batch import MicroBatch
    from sharpness.sources.data import OwnData, open_data
    from sharpness.sources.labels import read_labels
    from sharpness.sources.models import described, load_model
    from sharpness.sources.offline import go_offline_if_needed
    from sharpness.sources.own_code import check_arguments

    where = compute_device(request.device)
    go_offline_if_needed(bool(request.places["offline"]))  # before the user's imports
    check_arguments(request.source)
    data, places, plan = request.data, request.places, request.plan
    opened = open_data(data, "train", places, record=record_of(data, places))
    if len(opened) < plan.points:
        have = f"{data}: has {len(opened)} training examples"
        raise UserError(f"{have}, -n is {plan.points}; lower it, to a multiple of -b")
    table = read_labels(expanded(str(request.labels))) if request.labels else None
    own = OwnData({"train": opened}, table)
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
    eps = max(torch.finfo(p.dtype).eps for p in model.parameters() if p.is_floating_point())
    for line in _warnings(plan, error, len(own.classes), eps):
        SAYS.print(f"warning: {line}", style="yellow")
    start = monotonic()
    for cell, result in measure_plan(model, plan, points, plan.wanted, room):
        about = {"loss": finite_or_none(loss), "error": error, "weights": loaded.origin}
        row = {**plan.describe(cell), **cell_row(result), **about}
        yield Measured(row, monotonic() - start, eps * abs(loss))
        start = monotonic()


def _warnings(plan: Plan, error: float, classes: int, eps: float) -> Iterator[str]:
    if error >= 1 - 1 / classes:
        yield f"the error is no better than chance ({1 - 1 / classes:.1%}): do the labels fit?"
    if classes == 2 and any(cell.definition.logit_norm for cell in plan.cells):
        yield "normalized logits of two classes are 1 and -1: they see no change but of the answer"
    for cell in plan.cells:
        if cell.definition.adaptive and cell.definition.norm == "linf" and cell.radius < eps:
            yield f"{cell.id}: an adaptive ρ below {eps:.2g} moves no weight of this precision"
