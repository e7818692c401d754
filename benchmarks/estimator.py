"""What does a cell of sharpness cost, in passes of the bare model?

A small PreAct ResNet and a small SimpleViT, one batch of 64. The worst case with N steps should
cost about N + 1 forward and backward passes, the average case with n draws about n forward passes,
and the four logit variants of an average case hardly more than one. Each ratio is the time of the
cell over that of as many bare passes, medians of interleaved repetitions in one run; 1 is free.

Measured (5,090 and 17,386 weights, float32, torch 2.15, one core of a CPU): worst case 1.2, with
the released projection 1.3; average case 1.5 to 1.7; four average cells together (raw, normalized,
both protocols) 1.7 to 1.9. What exceeds 1 is mostly fixed per pass and fades with larger networks.

    python benchmarks/estimator.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sharpness import Cell, Effort, sharpness_table
from sharpness.measures.definition import ALL, PAPER
from sharpness.networks import build, initialise

STEPS, DRAWS, REPETITIONS = 20, 20, 7
EFFORT = Effort(steps=STEPS, samples=DRAWS)
NETWORKS = {
    "resnet": {
        "name": "preact-resnet",
        "width": 8,
        "blocks": [1, 1],
        "in_channels": 1,
        "classes": 10,
    },
    "vit": {
        "name": "simple-vit",
        "image_size": 8,
        "patch_size": 2,
        "dim": 32,
        "depth": 2,
        "heads": 2,
        "dim_head": 16,
        "mlp_dim": 64,
        "in_channels": 1,
        "classes": 10,
    },
}


def timed(*jobs: Callable[[], object]) -> list[float]:
    """The median seconds of each job, in turns so that all see the same machine."""
    seconds: list[list[float]] = [[] for _ in jobs]
    for _ in range(REPETITIONS):
        for job, taken in zip(jobs, seconds, strict=True):
            start = time.perf_counter()
            job()
            taken.append(time.perf_counter() - start)
    return [median(taken) for taken in seconds]


def bare(network: nn.Module, batch: tuple[Tensor, Tensor], passes: int, backward: bool) -> None:
    """Forward passes, with gradients of all weights or without."""
    with torch.set_grad_enabled(backward):
        for _ in range(passes):
            loss = cross_entropy(network(batch[0]), batch[1])
            if backward:
                torch.autograd.grad(loss, list(network.parameters()))


def main() -> None:
    """Print one row per network and definition."""
    torch.set_num_threads(1)
    stream = torch.Generator().manual_seed(0)
    batch = torch.rand(64, 1, 8, 8, generator=stream), torch.arange(64) % 10
    print(f"{'network':<9}{'cells':<36}{'protocol':<10}{'cost':>6}")
    for name, architecture in NETWORKS.items():
        network = build(architecture)
        initialise(network, stream)
        network.eval()

        def cost(
            cells: list[Cell], passes: int, backward: bool, network: nn.Module = network
        ) -> float:
            taken, reference = timed(
                lambda: sharpness_table(network, [batch], cells, effort=EFFORT),
                lambda: bare(network, batch, passes, backward),
            )
            return taken / reference

        for protocol in ("paper", "released"):
            for definition in PAPER:
                worst = definition.case == "worst"
                cells = [Cell(definition, 0.01, protocol)]
                ratio = cost(cells, STEPS + 1 if worst else DRAWS, backward=worst)
                print(f"{name:<9}{definition.id:<36}{protocol:<10}{ratio:>6.2f}")
        both = [d for d in ALL if (d.case, d.norm, d.adaptive) == ("average", "l2", True)]
        cells = [Cell(d, 0.01, protocol) for d in both for protocol in ("paper", "released")]
        ratio = cost(cells, DRAWS, backward=False)
        print(f"{name:<9}{'average-l2-adaptive, both logits':<36}{'both':<10}{ratio:>6.2f}")


if __name__ == "__main__":
    main()
