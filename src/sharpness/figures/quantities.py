"""What an axis can show: the quantities of ``pool.csv``, and what they are called in print."""

from __future__ import annotations

from dataclasses import dataclass

COMPARED = ("Sharpness (original)", "Sharpness (augmented)")
"""The labels in a figure that compares the two kinds of data."""

PARTS = {
    "train": "Training",
    "test": "Test",
    "corrupted": "OOD",
    "corrupted_whole": "OOD (whole)",
    "heldout": "Held-out",
    "v2": "ImageNet-V2",
    "r": "ImageNet-R",
    "sketch": "ImageNet-Sketch",
    "a": "ImageNet-A",
    "objectnet": "ObjectNet",
    "lexical": "HANS lexical",
    "subsequence": "HANS subsequence",
    "constituent": "HANS constituent",
}
"""The part that a data set plays in a pool, and the words for it."""

OF_A_PART = {"error": "Error (%)", "gap": "Gap (%)"}
"""Quantities of whichever part the panel names; its row or column says which that is."""

LABELS = {
    "sharpness": "Sharpness",
    "sharpness_augmented": COMPARED[1],
    **{f"error_{part}": f"{name} error (%)" for part, name in PARTS.items()},
    **{f"gap_{part}": f"{name} gap (%)" for part, name in PARTS.items() if part != "train"},
    "gap": "Generalization gap (%)",
    "learning_rate": "Learning rate",
}
"""Everything an axis can show by its own name."""


@dataclass(frozen=True)
class Axis:
    """One axis of a panel.

    Attributes:
        column: of pool.csv.
        label: what is printed beside the axis.
        factor: what the column is multiplied by.
        name: what the quantity is called where the axis label alone does not tell.
    """

    column: str
    label: str
    factor: float
    name: str


def factor_of(label: str) -> float:
    """What a column is multiplied by to be shown under a label: errors are shown in percent."""
    return 100.0 if label.endswith("(%)") else 1.0


def column_axis(quantity: str, part: str | None) -> Axis:
    """The axis that shows a column of pool.csv other than a sharpness.

    Args:
        quantity: such as ``error_test``, or ``error`` of the part.
        part: such as ``test``.
    """
    whole = f"{quantity}_{part}" if quantity in OF_A_PART and part else quantity
    label = OF_A_PART[quantity] if whole != quantity else LABELS[whole]
    # The gap of the test data has no suffix in pool.csv.
    column = "gap" if whole == "gap_test" else whole
    return Axis(column, label, factor_of(label), LABELS[whole].removesuffix(" (%)"))


def sharpness_axis(column: str, label: str) -> Axis:
    """The axis that shows a cell."""
    return Axis(column, label, 1.0, label)
