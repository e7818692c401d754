"""Peak memory of cells on a ViT-B/16 with random weights, in units of its weights.

Tensors are counted where they are made and where they are freed. One image, 2 steps or draws: what
is left of the activations is small, and a peak of ``n`` means n times 0.34 GB in float32. One row a
definition and protocol goes to ``results/benchmarks/memory.csv``.

    python benchmarks/memory.py
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sharpness import Cell, Definition, Effort, sharpness_table
from sharpness.io.files import write_csv
from sharpness.networks import build, initialise

EFFORT = Effort(steps=9, samples=2)
ARCHITECTURE = {"name": "vit", "image_size": 32, "patch_size": 16, "dim": 768, "depth": 12}
ARCHITECTURE |= {"heads": 12, "mlp_dim": 3072, "classes": 10}
CELLS = [
    ("average-linf-adaptive-normlogits", 0.1, "paper"),
    ("worst-linf-adaptive-normlogits", 1e-4, "paper"),
    ("worst-linf-adaptive-normlogits", 1e-4, "released"),
    ("worst-l2-adaptive-normlogits", 0.01, "paper"),
    ("worst-l2-adaptive-normlogits", 0.01, "released"),
]


class Memory(TorchDispatchMode):
    """Bytes of all tensors that were made inside the block and still exist: now, and at most."""

    def __init__(self, model: nn.Module) -> None:
        """Count the parameters of a model, which exist already."""
        super().__init__()
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}
        for parameter in model.parameters():
            self._add(parameter)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):  # type: ignore[no-untyped-def]
        """Call an operation, and count the tensors that it returns."""
        found = function(*args, **(kwargs or {}))
        for each in tree_leaves(found):
            if isinstance(each, torch.Tensor):
                self._add(each)
        return found

    def _add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        place = storage._cdata
        if place not in self._sizes:
            self._sizes[place] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._remove, place)

    def _remove(self, place: int) -> None:
        self.now -= self._sizes.pop(place)


def measured() -> Iterator[dict[str, Any]]:
    """Yield a row for each cell."""
    network = build(ARCHITECTURE)
    initialise(network, torch.Generator().manual_seed(0))
    size = sum(parameter.nbytes for parameter in network.parameters())
    batch = torch.rand(1, 3, 32, 32), torch.tensor([1])
    for name, radius, protocol in CELLS:
        cell = Cell(Definition.parse(name), radius, protocol)
        with Memory(network) as memory:
            sharpness_table(network.eval(), [batch], [cell], effort=EFFORT)
        yield {"cell": cell.id, "weights_mb": size / 1e6, "peak": memory.peak / size}


def main() -> None:
    """Write the rows, and print the table."""
    rows = list(measured())
    write_csv(Path("results/benchmarks/memory.csv"), rows, list(rows[0]))
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".2f"))


if __name__ == "__main__":
    main()
