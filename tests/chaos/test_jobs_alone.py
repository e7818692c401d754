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
from remains import files, leftovers

from sharpness.checkpoints import formats
from sharpness.networks import build
from sharpness.training.checkpoint import State

pytestmark = pytest.mark.workflow

KILLS, KILLS_AT_RENAMES = 6, 24
AT_RENAMES = ("half written", "before the rename", "after the rename")
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["sharpness.evaluation.evaluate", "sharpness.checkpoints.convert", "sharpness.training.loop"]
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
        before = written(folder)
        while process.is_alive() and written(folder) == before:
            time.sleep(0.001)


def written(folder: Path) -> dict[Path, int]:
    """The finished files, with the moments when they were written."""
    return {path: path.stat().st_mtime_ns for path in files(folder)}


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


def contents(folder: Path) -> dict[str, bytes]:
    """All finished files, states included, but the note of the epochs.

    Without the cache: a publisher's file that is not to be kept stays in it after a kill, whole.
    """
    found = {str(path.relative_to(folder)): path for path in files(folder)}
    left_out = ("begun", "cache/")
    return {name: p.read_bytes() for name, p in found.items() if not name.startswith(left_out)}


def epochs(folder: Path) -> dict[str, int]:
    """How many epochs the state of each model's training has."""
    done = dict.fromkeys(work_alone.MODELS, 0)
    for path in (folder / "state").glob("*/*.safetensors"):
        state = State.load(path)
        assert state, f"{path} is damaged"
        done[path.parent.name] = len(state.curve)
    return done


def test_a_training_goes_back_one_epoch_at_most(tmp_path: Path) -> None:
    undisturbed(work_alone.train, tmp_path / "once")
    folder, before, counts = tmp_path / "killed", dict.fromkeys(work_alone.MODELS, 0), []
    for _ in kills(work_alone.train, folder):
        saved = epochs(folder)
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
    assert not leftovers(folder)


def test_an_evaluation_keeps_its_finished_items(tmp_path: Path) -> None:
    undisturbed(work_alone.evaluate, tmp_path / "once")
    whole = contents(tmp_path / "once")
    folder, before, counts = tmp_path / "killed", {}, []
    for _ in kills(work_alone.evaluate, folder):
        now = written(folder / "state")
        assert {path: now[path] for path in before} == before
        assert contents(folder).items() <= whole.items()
        before = now
        counts.append(len(now))
    assert any(0 < count < counts[-1] for count in counts)  # some kills came in the middle
    assert contents(folder) == whole
    assert not leftovers(folder)


@pytest.fixture
def mirror(tmp_path: Path) -> None:
    """A published model of some megabytes."""
    stream = np.random.default_rng(0)
    shapes = {name: value.shape for name, value in build(work_alone.VIT).state_dict().items()}
    weights = {name: stream.random(tuple(shape), np.float32) for name, shape in shapes.items()}
    path = tmp_path / "mirror" / work_alone.MEMBER.url.removeprefix("https://")
    formats.write("augreg", path, weights, work_alone.VIT)


DOWNLOADS = [work_alone.download, work_alone.download_and_drop]


@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize("work", DOWNLOADS)
def test_a_download_is_whole_or_absent(work: Work, tmp_path: Path) -> None:
    undisturbed(work, tmp_path / "once")
    whole = contents(tmp_path / "once")
    for _ in kills(work, tmp_path / "killed"):
        assert contents(tmp_path / "killed").items() <= whole.items()
    assert contents(tmp_path / "killed") == whole
    assert not leftovers(tmp_path / "killed")


@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize("work", [work_alone.train, work_alone.evaluate, *DOWNLOADS])
def test_kills_at_renames_leave_nothing_behind(work: Work, tmp_path: Path) -> None:
    undisturbed(work, tmp_path / "once")
    folder, windows = tmp_path / "killed", []
    for window in kills_at_renames(work, folder):
        windows.append(window)
        assert len(leftovers(folder)) <= 3, "the temporaries of killed runs pile up"
    assert len(windows) > 1
    assert not leftovers(folder)
    assert contents(folder) == contents(tmp_path / "once")
