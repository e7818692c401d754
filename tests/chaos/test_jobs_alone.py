"""A single job that is killed again and again loses what it was at, and ends in the same bytes."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle, islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import work_alone
from moments import AT_RENAMES
from remains import Remains, damage, epochs

from sharpness.networks import build
from sharpness.pools.formats import write

pytestmark = pytest.mark.workflow

KILLS, KILLS_AT_RENAMES = 6, 24
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["sharpness.evaluation", "sharpness.pools.download", "sharpness.training.sweep"]
)

Work = Callable[[Path], None]


def begun(work: Work, folder: Path, window: str = "") -> multiprocessing.context.ForkServerProcess:
    """A process that is at work in the folder, all imports behind it."""
    mark = folder.with_suffix(".mark")
    mark.unlink(missing_ok=True)
    process = PROCESSES.Process(target=work_alone.announced, args=(work, folder, mark, window))
    process.start()
    while not mark.exists():
        assert process.is_alive()
        time.sleep(0.001)
    return process


def undisturbed(work: Work, folder: Path) -> None:
    """Do the work once."""
    folder.mkdir()
    process = begun(work, folder)
    process.join()
    assert process.exitcode == 0


def kills(work: Work, folder: Path) -> Iterator[int]:
    """Kill the work at random moments and begin it again; the last time let it end."""
    folder.mkdir()
    moments = random.Random(0)
    for kill in range(KILLS):
        process = begun(work, folder)
        for _ in range(moments.randrange(3)):  # a busy machine is not killed before it does a thing
            wait_for_a_change(folder, process)
        process.join(moments.uniform(0, 0.02))
        process.kill()
        process.join()
        yield kill
    process = begun(work, folder)
    process.join()
    assert process.exitcode == 0
    yield KILLS


def wait_for_a_change(folder: Path, process: multiprocessing.context.ForkServerProcess) -> None:
    """Wait until a file is written or the work has ended."""
    with suppress(FileNotFoundError):  # it goes while it is looked at: a change
        before = Remains.of(folder).files
        while process.is_alive() and Remains.of(folder).files == before:
            time.sleep(0.001)


def kills_at_renames(work: Work, folder: Path) -> Iterator[str]:
    """Kill the work at its second rename, again and again, then let it end."""
    folder.mkdir()
    for window in [*islice(cycle(AT_RENAMES), KILLS_AT_RENAMES), ""]:
        process = begun(work, folder, window)
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        yield window
        if process.exitcode == 0:
            return


def whole(folder: Path) -> Remains:
    """What lies there; every file that the work made is whole under its final name."""
    found = Remains.of(folder)
    made = (path for path in found.files if path.name != "model-000.safetensors")  # a toy's
    assert [reason for path in made if (reason := damage(path))] == []
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """All finished files, states included, but the note of the epochs.

    Without the cache: a publisher's file that is not to be kept stays in it after a kill, whole.
    """
    found = {str(path.relative_to(folder)): path for path in Remains.of(folder).files}
    left_out = ("begun", "cache/")
    return {name: p.read_bytes() for name, p in found.items() if not name.startswith(left_out)}


def test_a_training_goes_back_one_epoch_at_most(tmp_path: Path) -> None:
    undisturbed(work_alone.train, tmp_path / "once")
    folder, before, counts = tmp_path / "killed", dict.fromkeys(work_alone.MODELS, 0), []
    for _ in kills(work_alone.train, folder):
        states = {path.parent.name: path for path in whole(folder).states}
        saved = before | {model: epochs(path)[0] for model, path in states.items()}
        assert all(saved[model] >= before[model] for model in saved)
        for model, done in saved.items():
            # The epoch that was begun last is the one after the state, or has come into it.
            last = max(work_alone.epochs_begun(folder, model), default=-1)
            assert done in (last, last + 1)
        before = saved
        counts.append(sum(saved.values()))
    assert any(0 < count < counts[-1] for count in counts)  # some kills came in the middle
    for model in work_alone.MODELS:
        found = work_alone.epochs_begun(folder, model)
        assert set(found) == set(range(work_alone.EPOCHS))
        assert all(after - number in (0, 1) for number, after in pairwise(found))
    assert contents(folder) == contents(tmp_path / "once")
    assert not Remains.of(folder).leftovers


def test_an_evaluation_keeps_its_finished_items(tmp_path: Path) -> None:
    undisturbed(work_alone.evaluate, tmp_path / "once")
    folder, before, counts = tmp_path / "killed", {}, []
    for _ in kills(work_alone.evaluate, folder):
        now = whole(folder).states
        assert {path: now[path] for path in before} == before
        before = now
        counts.append(len(now))
    assert any(0 < count < counts[-1] for count in counts)  # some kills came in the middle
    assert contents(folder) == contents(tmp_path / "once")
    assert not Remains.of(folder).leftovers


@pytest.fixture
def mirror(tmp_path: Path) -> None:
    """A published model of some megabytes."""
    stream = np.random.default_rng(0)
    shapes = {name: value.shape for name, value in build(work_alone.VIT).state_dict().items()}
    weights = {name: stream.random(tuple(shape), np.float32) for name, shape in shapes.items()}
    path = tmp_path / "mirror" / work_alone.MEMBER.url.removeprefix("https://")
    write("augreg", path, weights, work_alone.VIT)


DOWNLOADS = [work_alone.download, work_alone.download_and_drop, work_alone.download_standin]


@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize("work", DOWNLOADS)
def test_a_download_is_whole_or_absent(work: Work, tmp_path: Path) -> None:
    undisturbed(work, tmp_path / "once")
    for _ in kills(work, tmp_path / "killed"):
        whole(tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "once")
    assert not Remains.of(tmp_path / "killed").leftovers


@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize("work", [work_alone.train, work_alone.evaluate, *DOWNLOADS])
def test_kills_at_renames_leave_nothing_behind(work: Work, tmp_path: Path) -> None:
    undisturbed(work, tmp_path / "once")
    folder, windows = tmp_path / "killed", []
    for window in kills_at_renames(work, folder):
        windows.append(window)
        assert len(whole(folder).leftovers) <= 3, "the temporaries of killed runs pile up"
    assert len(windows) > 1
    assert not Remains.of(folder).leftovers
    assert contents(folder) == contents(tmp_path / "once")
