"""Plan of the measurements on every model of a pool. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sharpness.measures.definition import PROTOCOLS, Cell

REVISION = 2
"""Increase it with any code change that changes an error or a sharpness; all are computed anew."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Measurements that are made on every model of a pool.

    Attributes:
        cells: in canonical order.
        points: number of training points, the first of the training set.
        m: examples per batch.
        steps: Auto-PGD iterations of cells that do not set them.
        samples: draws per batch, by protocol; the protocol's own by default.
        seed: of the noise and of the augmented views.
        max_train_error: models above it are not measured; None measures all.
        augment_operations: of RandAugment, on each augmented view.
    """

    cells: tuple[Cell, ...]
    points: int
    m: int
    steps: int
    samples: Mapping[str, int]
    seed: int
    max_train_error: float | None = None
    augment_operations: int = 2

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Plan:
        """Return the plan from its JSON form, in which cells are ids."""
        cells = tuple(Cell.parse(word) for word in settings["cells"])
        return cls(**{**settings, "cells": cells})

    def rows(self) -> list[Row]:
        """Return the settings of every cell."""
        return [self.describe(cell) for cell in self.cells]

    def skipped(self, record: Mapping[str, Any] | None) -> str:
        """Return why a model is not measured; empty if it is, as is a model without record."""
        if record is None:
            return ""
        if record["status"] != "ok":
            return str(record["reason"])
        if self.max_train_error is not None and record["train_error"] > self.max_train_error:
            limit = f"{100 * self.max_train_error:g} %"
            return f"training error {100 * record['train_error']:.1f} % is above {limit}"
        return ""

    def describe(self, cell: Cell) -> Row:
        """Return the settings of a cell, all of which its value depends on."""
        worst = cell.definition.case == "worst"
        samples = self.samples.get(cell.protocol, PROTOCOLS[cell.protocol].samples)
        return {
            "cell": cell.id,
            "case": cell.definition.case,
            "norm": cell.definition.norm,
            "adaptive": cell.definition.adaptive,
            "logit_norm": cell.definition.logit_norm,
            "radius": cell.radius,
            "protocol": cell.protocol,
            "data": cell.data,
            "points": self.points,
            "m": cell.m or self.m,
            "steps": (cell.steps or self.steps) if worst else None,
            "samples": None if worst else samples,
            "seed": self.seed,
            "revision": REVISION,
        }
