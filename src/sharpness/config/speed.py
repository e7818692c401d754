"""Seconds that the steps of a pool's network take on this device, measured with random weights.

Kept as JSON in the cache's folder, by device, number of threads and network. On a CPU they are
seconds of one core, which other programs lengthen less than the clock.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass, replace
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from PIL import Image

from sharpness.config.cost import (
    cells_passes,
    inputs_of,
    network_of,
    passes_by_kind,
    sizes_of,
)
from sharpness.config.fields import PhotoInputs
from sharpness.config.pools import PublishedPool, SweepPool
from sharpness.config.schema import TRAINING
from sharpness.data.images import Images
from sharpness.data.photos import open_image
from sharpness.data.recipes import Recipe
from sharpness.io.errors import UserError
from sharpness.io.files import digest, read_json, write_json
from sharpness.io.run_record import processor
from sharpness.measures.cell_values import ObjectiveCache
from sharpness.measures.definition import PROTOCOLS, Cell
from sharpness.measures.error_rates import ROWS
from sharpness.measures.micro_batch import MicroBatch
from sharpness.measures.network import SMALL, Network
from sharpness.measures.sharpness import measure_cells
from sharpness.training.hyperparameters import Hyperparameters
from sharpness.training.loop import train_model
from sharpness.training.records import Task

CAP = 1.0
"""Seconds after which a timing takes fewer examples, a quarter after which it is not repeated."""

LONG = 5.0
"""Seconds of all cells of a case above which one of them is timed, for one step or two draws."""

FEWEST = 8
"""Examples of a timed cell; with fewer, its time is that of the weights, not of the examples."""

LIBRARIES = "import sharpness.evaluation.evaluate, sharpness.training.loop, sharpness.data.load"


@dataclass(frozen=True)
class Speed:
    """Seconds of one network for one example.

    Attributes:
        training: of an epoch, by kind of training, with its augmentation.
        errors: of a forward pass at the batch size of the errors.
        photos: of decoding, where the examples are photos.
        worst: of a worst-case cell, for what counts as a forward pass.
        average: of a draw in an average-case cell. Both are ``errors`` where a network is too large
            to time a cell of it.
    """

    training: dict[str, float]
    errors: float
    photos: float
    worst: float
    average: float


def file_of(cache: str | Path, device: torch.device) -> Path:
    """Return the file of the speeds of a device; the name holds that of the processor or card."""
    card = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if card else processor()
    threads = "" if card else f"-{torch.get_num_threads()}-threads"
    return Path(cache, "speed", f"{name.replace(' ', '-')}{threads}.json".replace("/", "-"))


def key_of(pool: SweepPool | PublishedPool) -> str:
    """Return the key of all settings on which the speeds of a pool depend."""
    cells = {"m": pool.sharpness.m, "micro_batch": pool.micro_batch, "steps": pool.sharpness.steps}
    training = pool.training.model_dump() if isinstance(pool, SweepPool) else {}
    found = {"network": sizes_of(pool), "inputs": pool.preprocessing, "training": training, **cells}
    return digest(found)[:16]


def known_speeds(path: Path) -> dict[str, Any]:
    """Return the measured speeds by key, and ``start``; empty if nothing was measured."""
    return dict(read_json(path)) if path.exists() else {}


def speed_of(known: Mapping[str, Any], pool: SweepPool | PublishedPool) -> Speed | None:
    """Return the measured speed of a pool; None if it was not measured."""
    found = known.get(key_of(pool))
    return None if found is None else Speed(**found)


def measure_speeds(
    pools: Mapping[str, SweepPool | PublishedPool],
    path: Path,
    device: torch.device,
    say: Callable[[str], None],
) -> None:
    """Measure the speeds of some pools and the start of a process, and add them to the file."""
    known = known_speeds(path)
    known["start"] = start_seconds()
    say(f"start of a process: {known['start']:.2f} s")
    networks = {key_of(pool): (name, pool) for name, pool in pools.items()}
    for number, (key, (name, pool)) in enumerate(networks.items(), 1):
        known[key] = asdict(_measured(pool, device))
        say(f"{name}: measured, {number} of {len(networks)} networks")
        write_json(path, known)


def start_seconds() -> float:
    """Return the CPU seconds of a process that imports the libraries, the second of two."""
    for _ in range(2):
        before = _children()
        subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
        found = _children() - before
    return found


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _measured(pool: SweepPool | PublishedPool, device: torch.device) -> Speed:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = network_of(pool, "cpu").to(device)

        def forward(rows: int) -> Callable[[], object]:
            inputs = inputs_of(pool, rows, str(device))
            return torch.no_grad()(lambda: model(inputs))

        one = _seconds(forward, 1, device)
        errors = _seconds(forward, min(ROWS, pool.micro_batch or ROWS), device, one)
        return Speed(
            training=_training(pool, device, one) if isinstance(pool, SweepPool) else {},
            errors=errors,
            photos=_photos(pool),
            worst=_cells(model, pool, "worst", device, errors),
            average=_cells(model, pool, "average", device, errors),
        )


def _seconds(
    prepare: Callable[[int], Callable[[], object]],
    rows: int,
    device: torch.device,
    one: float = 0.0,
) -> float:
    """Return the seconds for each of ``rows`` examples, of fewer where they would take too long.

    Args:
        prepare: returns the function to time, of some examples.
        rows: examples of a call.
        device: where it runs.
        one: expected seconds of a single example.
    """
    if one * rows > CAP:
        rows = max(1, int(CAP / one))
    work = prepare(rows)
    work()  # warms up
    found = [_timed(work, device)]
    while sum(found) < CAP / 4 and len(found) < 20:
        found.append(_timed(work, device))
    return median(found) / rows


def _timed(work: Callable[[], object], device: torch.device) -> float:
    if device.type != "cuda":
        start = process_time()
        work()
        return process_time() - start
    torch.cuda.synchronize(device)
    start = perf_counter()
    work()
    torch.cuda.synchronize(device)
    return perf_counter() - start


def _photos(pool: SweepPool | PublishedPool) -> float:
    """Return the seconds of decoding a photo, 500 x 375 where the network takes 224 x 224."""
    if isinstance(pool, SweepPool) or not isinstance(pool.inputs, PhotoInputs):
        return 0.0
    side = pool.inputs.size / 224
    noise = np.random.default_rng(0).integers(256, size=(5, 7, 3), dtype=np.uint8)
    stream, recipe = BytesIO(), Recipe(pool.inputs.recipe, pool.inputs.size)
    photo = Image.fromarray(noise).resize((round(500 * side), round(375 * side)))
    photo.save(stream, "JPEG", quality=90)

    def decode() -> None:
        for _ in range(20):
            with open_image(BytesIO(stream.getvalue())) as image:
                recipe(image)

    return _timed(decode, torch.device("cpu")) / 20


def _cells(
    model: torch.nn.Module,
    pool: SweepPool | PublishedPool,
    case: str,
    device: torch.device,
    each: float,
) -> float:
    """Return the seconds of a pass in the pool's cells of one case, timed on one batch.

    ``each`` is the seconds of a forward pass, which tell what can be timed.
    """
    settings = pool.sharpness
    found = {
        (cell.definition, cell.protocol): cell
        for cell in settings.cells([*PROTOCOLS])
        if cell.definition.case == case and cell.data == "original"
    }
    usual: Any = dict.fromkeys(("m", "steps", "restarts", "samples"))
    cells: list[Cell] = [replace(cell, **usual) for cell in found.values()]
    if not cells:
        return 0.0
    cells = cells[:: 1 + len(cells) // 8]
    steps, samples, one = settings.steps, settings.draws, 0.0
    small = sum(each.numel() for each in model.parameters()) <= SMALL
    passes = sum(cells_passes(cells, steps, samples, small))
    if passes * settings.m * each > LONG:
        cells, steps, samples = cells[:1], 1, dict.fromkeys(samples, 2)
        passes = sum(cells_passes(cells, steps, samples, small))
        if (one := passes * each) * FEWEST > CAP:
            return each
    named = {k: replace(v, steps=steps, samples=samples[k]) for k, v in PROTOCOLS.items()}
    loss = torch.nn.functional.cross_entropy

    def prepare(rows: int) -> Callable[[], object]:
        batch = inputs_of(pool, rows, str(device)), torch.zeros(rows, dtype=torch.long).to(device)
        data: dict[Any, Any] = {"original": [batch]}
        shared = ObjectiveCache(Network(model, "all"), data, loss, "all")
        room = MicroBatch(pool.micro_batch)

        def work() -> None:
            done = measure_cells(model, data, cells, protocols=named, room=room, points=shared)
            for cell, result in done:
                if isinstance(result, UserError):
                    raise UserError(f"{cell.id} on random inputs: {result}")

        return work

    return _seconds(prepare, settings.m, device, one) / passes


def _training(pool: SweepPool, device: torch.device, one: float) -> dict[str, float]:
    """Return the seconds of an example in an epoch, by kind of training."""
    most = TRAINING[pool.data["train"]]
    return {
        kind: _seconds(partial(_epoch, pool, kind, device), most, device, passes * one)
        for kind, passes in passes_by_kind(pool.training).items()
    }


def _epoch(pool: SweepPool, kind: str, device: torch.device, rows: int) -> Callable[[], object]:
    """Return a training of one epoch on random images."""
    shape = inputs_of(pool, 1, "cpu").shape[1:]
    channels = (0.5,) * shape[0]
    pixels = torch.randint(256, (rows, *shape), dtype=torch.uint8)
    images = Images(pixels, torch.randint(10, (rows,)), channels, channels, True, "random", 10)
    size = min(rows, pool.training.batch_size)
    settings = pool.training.model_copy(update={"epochs": 1, "batch_size": size})
    drawn = Hyperparameters(0.01, 0.05 * ("sam" in kind), False, "augmented" in kind)
    task = Task(0, 0, sizes_of(pool), drawn, settings)

    def work() -> None:
        with TemporaryDirectory() as folder, redirect_stderr(StringIO()):  # its progress bar
            train_model(task, images, folder, device)

    return work
