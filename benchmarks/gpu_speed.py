"""Times cells and a training epoch on a GPU, against a reconstruction of the released code.

ResNet-18 with 128 images and ViT-B/16 with 64, random weights: the worst case in 20 steps, in
float32 and with mixed precision, and the average case in 20 draws, each plain and compiled,
protocol ``released``, ℓ∞. The values of both sides are compared first; then they take turns, and
each ratio is of one turn. An epoch is one of ResNet-18 and of SimpleViT on 50,000 random images, in
batches of 128. Writes the page ``results/benchmarks/gpu.md``.

    python benchmarks/gpu_speed.py                  python benchmarks/gpu_speed.py --device cpu
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from cells import NETWORKS, compare, made, sides

from sharpness.data.images import Images
from sharpness.io.files import write_text
from sharpness.io.run_record import processor
from sharpness.training.hyperparameters import Hyperparameters, Training
from sharpness.training.loop import SweepJob, train_model

TURNS = 3
IMAGES = {"in_channels": 3, "classes": 10}
RESNET = {"name": "preact-resnet", "width": 64, "blocks": [2, 2, 2, 2], **IMAGES}
SIMPLE_VIT = {"name": "simple-vit", "patch_size": 4, "dim": 512, "depth": 6, "heads": 16}
SIMPLE_VIT |= {"dim_head": 64, "mlp_dim": 1024, **IMAGES}
VIT = {"name": "vit", "image_size": 224, "patch_size": 16, "dim": 768, "depth": 12, "heads": 12}
VIT |= {"mlp_dim": 3072, "classes": 1000}
CELLS = {"cuda": {"ResNet-18": (RESNET, 128), "ViT-B/16": (VIT, 64)}}
CELLS["cpu"] = {name: (architecture, 4) for name, architecture in NETWORKS.items()}
EPOCHS = {"cuda": ({"ResNet-18": RESNET, "SimpleViT": SIMPLE_VIT}, 50_000)}
EPOCHS["cpu"] = ({"small ResNet": {**RESNET, "width": 8}}, 256)


def seconds(job: Callable[[], Any], device: str) -> tuple[float, Any]:
    """Return the seconds of a job, and what it returns."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    found = job()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, found


def cell_rows(device: str) -> Iterator[dict[str, Any]]:
    """Yield the row of each network, case and side."""
    for name, (architecture, examples) in CELLS[device].items():
        network, batch = made(architecture, examples, device)
        for case in ("worst", "average"):
            jobs = sides(network, batch, case)
            compare({side: job() for side, job in jobs.items()})
            turns = [
                {side: seconds(job, device)[0] for side, job in jobs.items()} for _ in range(TURNS)
            ]
            for side in jobs:
                ratios = [turn["reconstruction"] / turn[side] for turn in turns]
                taken = float(np.median([turn[side] for turn in turns]))
                row = {"network": name, "examples": examples, "case": case, "side": side}
                yield {**row, "seconds": taken, "ratio": np.median(ratios), "least": min(ratios)}


def epoch_rows(device: str) -> Iterator[dict[str, Any]]:
    """Yield the row of each training: of its second epoch, since the first chooses kernels."""
    architectures, size = EPOCHS[device]
    stream = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (size, 3, 32, 32), dtype=torch.uint8, generator=stream)
    labels = torch.randint(10, (size,), generator=stream)
    images = Images(pixels, labels, (0.5,) * 3, (0.5,) * 3, True, "random", 10)
    plain = Hyperparameters(0.01, 0.0, mixup=False, augment=False)
    for name, architecture in architectures.items():
        taken = []
        for epochs in (1, 2):
            settings = Training(epochs=epochs, batch_size=128)
            sizes = {key: architecture[key] for key in architecture if key not in IMAGES}
            with TemporaryDirectory() as folder:
                sweep = SweepJob(0, sizes, settings, images, Path(folder), torch.device(device))
                task = sweep.task(0, plain)
                taken.append(seconds(lambda: train_model(task, images, folder, device), device)[0])  # noqa: B023
        yield {"network": name, "images": size, "seconds": taken[1] - taken[0]}


def main() -> None:
    """Write the page, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", choices=CELLS)
    device = parser.parse_args().device
    if device == "cuda" and not torch.cuda.is_available():
        print("there is no GPU here: nothing was timed; --device cpu tries small sizes")
        return
    where = torch.cuda.get_device_name() if device == "cuda" else processor()
    tables = [pd.DataFrame(rows(device)) for rows in (cell_rows, epoch_rows)]
    page = [f"# Cells and training on {where}", f"torch {torch.__version__}, {TURNS} turns."]
    page += [table.to_markdown(index=False, floatfmt=".4g") for table in tables]
    write_text(Path("results/benchmarks/gpu.md"), "\n\n".join(page) + "\n")
    print("\n\n".join(page))


if __name__ == "__main__":
    main()
