"""Tables of ours as pandas reads them: only an empty cell is missing, and words stay words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

WORDS = ("model", "status", "reason", "checkpoint", "points_digest", "part", "data", "source")
"""Columns of words, even where one of them is "NA" or looks like a number."""


def read_frame(path: str | Path) -> pd.DataFrame:
    """A CSV file of this project; an empty cell is NaN."""
    words = dict.fromkeys(WORDS, str)
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=words)
