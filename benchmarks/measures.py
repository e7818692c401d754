"""What does each measure cost on a ViT-B/16, in forward passes F over the points?

Random weights, 64 random images in one batch of m = 64 that goes through 8 at a time, one thread,
in seconds of the processor, so that other processes do not count. What consists of many equal parts
is extrapolated from one of them, and what takes second derivatives from 8 of the images; column
``timed`` says so. What is left out are the checks, which a model passes once for all its measures.
The rows go to ``results/benchmarks/measures.csv``.

    python benchmarks/measures.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sharpness.io.csv_files import read_frame
from sharpness.io.files import write_csv
from sharpness.measures.ball import unit_noise
from sharpness.measures.blocks import attention_pairs
from sharpness.measures.cell_values import ObjectiveCache
from sharpness.measures.curvature import DRAWS as PRODUCTS
from sharpness.measures.fisher_rao import DRAWS as LABELS
from sharpness.measures.gauge import balanced, check_same_function
from sharpness.measures.geodesic import GeodesicBall
from sharpness.measures.hessian import RescaledHessian
from sharpness.measures.measurement import Measurement
from sharpness.measures.network import Network
from sharpness.measures.objective import Objective
from sharpness.measures.subject import Subject
from sharpness.networks import build

VIT_B16 = {"name": "vit", "image_size": 224, "patch_size": 16, "dim": 768, "depth": 12}
VIT_B16 |= {"heads": 12, "mlp_dim": 3072, "classes": 1000}
M, ROWS, STEPS, LANCZOS = 64, 8, 20, 60
SIGMAS = 17
"""Radii that a bisection tries; each takes ten draws."""
OUT = Path("results/benchmarks/measures.csv")


def seconds(compute: Callable[[], Any]) -> float:
    """Return the seconds of the processor that a call takes."""
    start = process_time()
    compute()
    return process_time() - start


def subject_of(network: Network, m: int = M) -> Subject:
    """Return the network with one batch of m random images."""
    images = torch.randn(m, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    batch = images, torch.arange(m)
    points = ObjectiveCache(network, {"original": [batch]}, cross_entropy)
    points.check = lambda *_: None  # type: ignore[method-assign]
    return Subject(points, micro_batch=ROWS)


def geometry(network: Network, metric: Any, gradient: Tensor) -> float:
    """Return the seconds that a step of a geodesic measure takes besides its gradient."""
    ball = GeodesicBall.at(network.weights, attention_pairs(network), metric, 0.1)
    x = ball.start(unit_noise("l2", network.weights, 0, 0, 0))

    def step() -> None:
        ball.perturbation(x)
        pulled = ball.pullback(x, gradient)
        z = ball.project_(x + 0.2 * ball.ascent_(pulled))
        ball.project_(x + 0.75 * (z - x))

    return seconds(step)


def whole(subject: Subject, name: str) -> float:
    """Return the seconds of a measure as it is."""
    measurement = Measurement.parse(name)
    return seconds(lambda: measurement.measure.function(subject, measurement))


def costs(network: Network) -> Iterator[tuple[str, float, str]]:
    """Yield measure, seconds and what was timed; the first is F."""
    subject = subject_of(network)
    (objective,) = subject.objectives()
    F = seconds(lambda: objective.losses(network.weights, [None]))
    yield "training-loss", F, "whole"
    for name in ("margin-p10", "relative-flatness", "weight-norm", "path-norm"):
        yield name, whole(subject, name), "whole"
    for name in ("frobenius-norm", "spectral-norm"):
        yield name, whole(subject, name), "whole"
    gradients: list[Tensor] = []
    once = seconds(lambda: gradients.append(objective.loss_and_gradient(network.weights, None)[1]))
    yield "gradient-norm", once, "whole"
    yield "fisher-trace", F + LABELS * once, "a gradient"
    copies: list[Network] = []
    gauge = seconds(lambda: copies.append(Network(balanced(network.model)[0])))
    images, labels = objective.pieces[0]
    pair = network.model, copies[0].model
    gauge += 2 * seconds(lambda: check_same_function(*pair, (images, labels), cross_entropy))
    yield "balanced gauge, once a model", gauge, "whole; of the comparison 8 of 16 examples"
    for metric in ("inv", "mix"):
        step = geometry(copies[0], metric, gradients[0])
        yield f"step on the geodesic, {metric}", step, "whole"
        cell = STEPS * (once + step) + F
        yield f"geodesic-{metric}, {STEPS} steps", cell, "a gradient, a step"
    draw = seconds(lambda: _draw(objective, network))
    yield "low-pass-filter, 100 draws", 100 * draw, "a draw"
    yield f"critical-radius, {SIGMAS} σ", 10 * SIGMAS * draw, "a draw"
    yield from second_order(network)


def second_order(network: Network) -> Iterator[tuple[str, float, str]]:
    """Yield those that take second derivatives, by 8 of the images."""
    subject = subject_of(network, ROWS)
    (objective,) = subject.objectives()
    yield "fisher-rao", M / ROWS * whole(subject, "fisher-rao"), "8 images"
    c = torch.ones_like(network.weights)
    operator = RescaledHessian(network, objective.pieces, c, cross_entropy, None)
    product = M / ROWS * seconds(lambda: operator @ c)
    yield "hessian-trace, hessian-frobenius", PRODUCTS * product, "a product on 8 images"
    yield f"hessian-largest, {LANCZOS} products", LANCZOS * product, "a product on 8 images"


def _draw(objective: Objective, network: Network) -> None:
    noise = unit_noise("l2", network.weights, 0, 0, 0)
    objective.losses(network.weights + 1e-3 * noise, [None])


def main() -> None:
    """Write the rows, and print the table."""
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network(build(VIT_B16).eval())
    rows: list[dict[str, Any]] = []
    for name, taken, timed in costs(network):
        F = rows[0]["seconds"] if rows else taken
        rows.append({"measure": name, "seconds": taken, "F": taken / F, "timed": timed})
        print(f"{name}: {taken:.1f} s, {taken / F:.3g} F ({timed})", file=sys.stderr, flush=True)
        write_csv(OUT, rows, list(rows[0]))
    print(read_frame(OUT).to_markdown(index=False, floatfmt=".3g"))


if __name__ == "__main__":
    main()
