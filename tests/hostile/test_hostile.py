"""Files that were made to harm: each is refused in one line, and nothing acts, grows or stays."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import hostile_archives
import hostile_arrays
import hostile_photos
import hostile_pickles
import hostile_tables
import numpy as np
import pytest
from hostile_pickles import ACTS, acts
from hostile_readers import ARCHITECTURES, NAMES, weights
from hostile_world import CANARY, Case, small, tree, watched

from sharpness.checkpoints import formats
from sharpness.io.errors import UserError

pytestmark = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux to tell memory"
)

CASES: list[Case] = [
    *hostile_pickles.CASES,
    *hostile_archives.CASES,
    *hostile_arrays.CASES,
    *hostile_photos.CASES,
    *hostile_tables.CASES,
]


def identifiers() -> list[str]:
    """Number, number of all, and what is hostile."""
    return [f"{i} of {len(CASES)}: {case.name}" for i, case in enumerate(CASES, 1)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=identifiers())
def test_it_is_refused(case: Case, tmp_path: Path) -> None:
    given, work = tmp_path / "given", tmp_path / "work"
    given.mkdir()
    work.mkdir()
    path = case.make(given)
    before = tree(given)
    with small(), watched(work) as watch, pytest.raises(UserError) as problem:
        case.read(path, work)
    assert watch.seen == []
    assert tree(given) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["given", "work"]
    assert not (given / CANARY).exists()
    assert not any(p.is_symlink() for p in (work / "cache" / "unpacked").rglob("*"))
    message = str(problem.value).replace(str(tmp_path), "")
    assert message.isprintable()
    for word in (case.names or path.name, *case.says):
        assert word in message


@pytest.mark.parametrize("form", ["augreg", "soups", "bert"])
def test_numbers_that_are_none_are_reported(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are read: what becomes of the model is for its evaluation to say."""
    path, found = tmp_path / NAMES[form], weights(form)
    last = list(found)[-1]
    found[last].flat[0] = np.nan
    formats.write(form, path, found, ARCHITECTURES[form])
    formats.read(form, path, ARCHITECTURES[form])
    assert f"{path}: {last}: NaN or infinite" in capsys.readouterr().err


@pytest.mark.parametrize("name", ACTS)
def test_the_acts_are_real(name: str, tmp_path: Path) -> None:
    """Unpickled by the ordinary reader, each touches the canary, and the watch sees it."""
    canary = tmp_path / CANARY
    content = pickle.dumps(acts(canary)[name])
    with watched(tmp_path / "work") as watch:
        pickle.loads(content)
    assert canary.exists()
    assert watch.seen
