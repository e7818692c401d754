"""``csv:PATH``: sentences, or pairs of sentences, and their labels."""

from __future__ import annotations

import torch

from sharpness.io.errors import UserError, described
from sharpness.io.files import expanded, read_rows
from sharpness.sources.examples import Tensors
from sharpness.sources.opened import OpenData, Order, class_names
from sharpness.sources.preparation import Preparation, TextInputs


def sentence_table(text: str, rest: str, order: Order) -> OpenData:
    """Open a table with the columns label, and sentence or text, or sentence1 and sentence2.

    Raises:
        UserError: if a column is missing, or a row has not as many cells as the header.
    """
    header, rows = read_rows(expanded(rest))
    kinds = (("sentence",), ("text",), ("sentence1", "sentence2"))
    columns = next((kind for kind in kinds if {*kind} <= {*header}), None)
    if columns is None or "label" not in header:
        raise UserError(
            f"{text}: needs the columns label, and sentence, or sentence1 and sentence2"
        )
    if twice := [name for name in ("label", *columns) if header.count(name) > 1]:
        raise UserError(f"{text}: column {twice[0]!r} is there twice")
    places_of = [header.index(name) for name in ("label", *columns)]
    chosen = [[rows[k][p] for p in places_of] for k in order([*map(str, range(len(rows)))])]
    classes = class_names([row[0].strip() for row in chosen], text)
    labels = torch.tensor([classes.index(row[0].strip()) for row in chosen])

    def make(inputs: Preparation | None) -> Tensors:
        if not isinstance(inputs, TextInputs):
            raise UserError(f"{text}: holds sentences, which the model does not read")
        sides = [[row[k] for row in chosen] for k in range(1, len(places_of))]
        with described(f"{text}: the model's tokenizer"):
            encoded = inputs.tokenize(sides[0], sides[1] if len(sides) > 1 else None)
        return Tensors(text, encoded, labels)

    return OpenData(text, classes, labels, make)
