"""The files of networks: their columns, how they are read, and what is compared in them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

COLUMNS = (
    "seed",
    "draw",
    "status",
    "scale",
    "learning_rate",
    "steps",
    "train_loss",
    "test_loss",
    "trace",
    "rescaled_trace",
    "rescaled_eigenvalue",
    "l1",
    "linf",
)
"""One row a draw; those from the test loss on are empty where the status is not "converged"."""

MEASURES = {
    "trace": "tr ∇²L",
    "rescaled_trace": "tr ∇̃²L",
    "rescaled_eigenvalue": "λmax ∇̃²L",
    "l1": "‖β‖₁",
    "linf": "‖β‖∞",
}
"""What the figure sets against the test loss: column to symbol."""


def converged(path: str | Path) -> pd.DataFrame:
    """The networks of a file that converged, in the order of their draws."""
    networks = pd.read_csv(path)
    return networks[networks["status"] == "converged"]
