"""Names of models that would harm a shell survive the whole workflow, and harm nothing."""

from __future__ import annotations

import pandas as pd
import pytest
from workspace import BERTS, ODD, Workspace

pytestmark = pytest.mark.workflow


def test_odd_names_survive(published: Workspace) -> None:
    pool = pd.read_csv(published.results / BERTS / "pool.csv", keep_default_na=False)
    assert list(pool["model"]) == ODD
    assert set(pool["status"]) == {"ok"}
    checkpoints = list((published.results / BERTS / "checkpoints").glob("*.safetensors"))
    assert len(checkpoints) == len(ODD)
    assert not list(published.folder.rglob("pwned"))
