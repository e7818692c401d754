"""Evaluation of the user's own models, each with its own preprocessing of the data."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sharpness.data.batches import Examples
from sharpness.data.locate import read_record
from sharpness.data.registry import TITLES
from sharpness.evaluation.datasets import Datasets, first_points
from sharpness.evaluation.evaluate import EvaluatedModel, evaluate
from sharpness.evaluation.initial import InitialWeights
from sharpness.evaluation.plan import Plan, Row
from sharpness.evaluation.radii import MODELS, Rise
from sharpness.evaluation.rise import is_whole, probe, rise_over
from sharpness.io.errors import UserError
from sharpness.io.files import read_json
from sharpness.measures.micro_batch import MicroBatch
from sharpness.sources.data import OwnData, has_splits, open_data
from sharpness.sources.labels import read_labels
from sharpness.sources.models import LoadedModel, reload_model


class OwnDatasets(Datasets):
    """The examples of each part as inputs of one model."""

    def __init__(
        self,
        examples: Mapping[str, Examples],
        titles: Mapping[str, str],
        missing: Mapping[str, str],
    ) -> None:
        """Keep the examples by part, the titles of all parts, and why parts have no data."""
        self.titles, self.missing, self._examples = titles, missing, examples

    def __getitem__(self, part: str) -> Examples:
        """Return the examples of a part."""
        return self._examples[part]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the parts whose data are present, in order."""
        return iter(self._examples)

    def __len__(self) -> int:
        """Return the number of parts whose data are present."""
        return len(self._examples)


@dataclass(frozen=True)
class OpenParts:
    """The data of a pool: those that are open, titles of all parts, and reasons for the others."""

    data: OwnData
    titles: Mapping[str, str]
    missing: Mapping[str, str]

    def for_model(self, loaded: LoadedModel, name: str) -> OwnDatasets:
        """Return the data sets of one model; raise UserError, with its name, if they misfit."""
        try:
            examples, how = self.data.for_model(loaded)
        except UserError as problem:
            raise UserError(f"{name}: {problem}") from None
        print(f"{name}: outputs are assigned to classes {how}", file=sys.stderr)
        return OwnDatasets(examples, self.titles, self.missing)


def open_parts(
    data: Mapping[str, str],
    records: Mapping[str, str | Path],
    places: Mapping[str, Any],
    *,
    titles: Mapping[str, str],
    labels: str | Path | None,
    sample: str | Path | None = None,
    seed: int,
    most: int,
) -> OpenParts:
    """Open the data of a pool.

    Args:
        data: name of the data of each part that is read, as in the configuration.
        records: the files of the records of those that are known, by part.
        places: cache, mirror and offline flag.
        titles: of all parts, also of those that are not read; records have their own.
        labels: table of the outputs of the classes, if there is one.
        sample: list of the training examples of a large known set.
        seed: of the order of the training examples.
        most: of them.

    Raises:
        UserError: if the training data are missing, or data cannot be opened or are empty.
    """
    known = {part: read_record(path) for part, path in records.items()}
    if sample is not None:
        known["train"]["sample"] = str(sample)
    absent = {p: str(r["reason"]) for p, r in known.items() if r["status"] != "present"}
    if "train" in absent:
        raise UserError(f"data.train: {data['train']}: {absent['train']}")
    opened = {
        part: open_data(
            text,
            "train" if part == "train" else "test",
            places,
            record=known.get(part),
            seed=seed,
            most=most,
        )
        for part, text in data.items()
        if part not in absent
    }
    for part, text in data.items():
        if part != "train" and text == data["train"] and not has_splits(text):
            raise UserError(f"data.{part}: {text} gives the training data: it has no `split`")
    table = read_labels(labels) if labels else None
    unread = {part: "no error is given in the table" for part in titles if part not in data}
    named = {part: TITLES.get(text, text) for part, text in titles.items()}
    named |= {part: str(record["title"]) for part, record in known.items()}
    return OpenParts(OwnData(opened, table), named, {**unread, **absent})


def evaluate_own(
    checkpoints: Mapping[str, str | Path],
    plan: Plan,
    parts: OpenParts,
    state: Path,
    device: torch.device,
    places: Mapping[str, Any],
    *,
    given: Mapping[str, Mapping[str, float]],
    micro_batch: int | None = None,
    initial: str | Path | None = None,
) -> dict[str, Row]:
    """Evaluate the models of one job, skipping finished results.

    Args:
        checkpoints: file of each model.
        plan: what to measure.
        parts: the data.
        state: folder in which each model has its own state folder.
        device: where to compute.
        places: cache, mirror and offline flag.
        given: error rates by model and part that are not computed.
        micro_batch: as in `evaluate.evaluate_models`.
        initial: checkpoint from which all models were trained.

    Returns:
        For each model, what `evaluate_models` returns, and ``warnings``, lines for the user.
    """
    room, results = MicroBatch(micro_batch), {}
    base = InitialWeights.of_checkpoint(initial) if initial else None
    for name, path in checkpoints.items():
        loaded = reload_model(path, places, device)
        sets = parts.for_model(loaded, name)
        subject = EvaluatedModel(name, loaded.model, Path(path), state / name, base)
        known = given.get(name, {})
        found = evaluate(subject, plan, sets, None, known, room)
        found["missing"] = {p: why for p, why in sets.missing.items() if p not in known}
        found["warnings"] = _no_better_than_chance(subject, found, len(parts.data.classes))
        results[name] = found
        print(f"{name}: {found['failed'] or found['skipped'] or 'evaluated'}", file=sys.stderr)
    return results


def _no_better_than_chance(subject: EvaluatedModel, found: Row, classes: int) -> list[str]:
    chance = 1 - 1 / classes
    rows = [read_json(subject.state / name) for name in found["errors"]]
    return [
        f"{subject.name}: error {100 * row['error']:.1f} % on {row['part']} is no better than "
        f"chance ({100 * chance:.1f} %); are labels and preprocessing right?"
        for row in rows
        if row["error"] >= chance
    ]


def median_rise(
    checkpoints: Mapping[str, str | Path],
    plan: Plan,
    protocol: str,
    parts: OpenParts,
    device: torch.device,
    places: Mapping[str, Any],
    micro_batch: int | None = None,
) -> Rise:
    """Return the function that `radii.find_radii` asks: the median rise over the first models."""
    subjects = []
    for name, path in list(checkpoints.items())[:MODELS]:
        loaded = reload_model(path, places, device)
        if is_whole(name, loaded.model):
            points = first_points(parts.for_model(loaded, name)["train"], plan.points)
            subjects.append((loaded.model, probe(points, plan, device)))
    if not subjects:
        raise UserError(
            f"radii: auto finds none: none of {', '.join([*checkpoints][:MODELS])} has finite "
            "numbers; mend or replace them, or give radii"
        )
    return rise_over(subjects, plan, protocol, MicroBatch(micro_batch))
