"""A job that the machine fails ends in one line and exit code 1; a defect keeps its traceback.

Errors are provoked, not imagined: by a limit on the size of files, by /dev/full, by files that are
not there or are folders. Full and read-only disks: tests/workflow/test_disks.py.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from sharpness.checkpoints.torch_file import write_tensors
from sharpness.io.errors import UserError, errno_of, user_message
from sharpness.io.files import atomic, check_writable, read_json, write_json, write_text
from sharpness.io.job import job
from sharpness.plots.style import save_figure as save_figure
from sharpness.statistics.correlation import read_pool
from sharpness.training import checkpoint
from sharpness.training.checkpoint import State


def snakemake(folder: Path, log: str | None = None) -> Any:
    """What Snakemake gives to the script of a rule that makes out.json."""
    return SimpleNamespace(
        log=[log or str(folder / "logs" / "rule.log")],
        input=[],
        output=[str(folder / "out.json")],
        rule="rule",
        wildcards={},
        params={},
    )


@contextmanager
def failing(given: Any) -> Iterator[None]:
    """A job that is to end with exit code 1."""
    with pytest.raises(SystemExit) as ended, job(given):
        yield
    assert ended.value.code == 1


def line(capsys: Any) -> str:
    """The only line on the terminal."""
    (said,) = capsys.readouterr().err.splitlines()
    return str(said)


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """No file becomes larger: the disk is full after so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


BIG = np.arange(50_000.0)


def figure(path: Path) -> None:
    canvas = Figure()
    canvas.subplots().plot(np.random.default_rng(0).normal(size=20_000))
    save_figure(lambda: canvas, path.with_suffix(""), "title")


def table(path: Path) -> None:
    with atomic(path) as temporary:
        pd.DataFrame({"a": BIG}).to_csv(temporary)


def tensors(path: Path) -> None:
    checkpoint.save(path, {"a": torch.tensor(BIG)}, {})


WRITERS: dict[str, Callable[[Path], Any]] = {
    "a.json": lambda path: write_json(path, BIG.tolist()),
    "a.safetensors": tensors,
    "a.pt": lambda path: write_tensors(path, {"a": BIG}),
    "a.csv": table,
    "a.pdf": figure,
}


@pytest.mark.parametrize(("name", "write"), WRITERS.items(), ids=WRITERS)
def test_a_file_that_the_disk_does_not_take_is_named_whoever_writes_it(
    tmp_path: Path, capsys: Any, name: str, write: Callable[[Path], Any]
) -> None:
    path = tmp_path / name
    path.write_text("what was there")
    with small_files(6000), failing(snakemake(tmp_path)):
        write(path)
    said = line(capsys)
    assert said.startswith(f"{path}: ")
    assert "run again; what is finished is kept" in said
    assert (tmp_path / "logs" / "rule.log").read_text().splitlines() == [said]
    assert path.read_text() == "what was there"
    assert {found.name for found in tmp_path.iterdir()} == {name, "logs"}  # no half of a file
    write(path)
    assert path.stat().st_size > 6000


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left on the device; make room"),
        (errno.EIO, "input/output error"),
    ],
)
def test_each_fault_has_its_words(
    tmp_path: Path, capsys: Any, number: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with failing(snakemake(tmp_path)):
        write_text(tmp_path / "a.csv", "text")
    assert line(capsys).startswith(f"{tmp_path}/a.csv: {words}")


def test_a_full_disk_under_the_log_still_reaches_the_terminal(tmp_path: Path, capsys: Any) -> None:
    given = snakemake(tmp_path, log="/dev/full")
    with failing(given):
        print("model-000: cell 1 of 2", file=sys.stderr)
    assert line(capsys) == (
        f"{given.output[0]}: no space left on the device; make room and run again; "
        "what is finished is kept"
    )
    with failing(given):
        raise UserError("data.csv: line 3: x is no number; correct it")
    assert line(capsys) == "data.csv: line 3: x is no number; correct it"
    with failing(given):
        raise ZeroDivisionError
    assert line(capsys).startswith("this is a defect")


def test_a_log_that_cannot_be_opened_is_one_line(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "logs").write_text("a file in the way")
    with pytest.raises(SystemExit) as ended, job(snakemake(tmp_path)):
        pytest.fail("the job must not begin")
    assert ended.value.code == 1
    assert line(capsys).startswith(f"{tmp_path}/logs: is a file where a folder must be")


def test_what_vanished_since_it_was_planned_is_named(tmp_path: Path, capsys: Any) -> None:
    readers: dict[str, Callable[[Path], Any]] = {
        "pool.csv": read_pool,
        "state.json": read_json,
        "model.safetensors": checkpoint.load,
    }
    for name, read in readers.items():
        with failing(snakemake(tmp_path)):
            read(tmp_path / name)
        assert line(capsys).startswith(f"{tmp_path / name}: ")
    with failing(snakemake(tmp_path)), atomic(tmp_path / "out.json"):
        (tmp_path / "input.csv").read_text()
    assert line(capsys).startswith(f"{tmp_path}/input.csv: is not there")


def test_a_defect_keeps_its_traceback_in_the_log_alone(tmp_path: Path, capsys: Any) -> None:
    given = snakemake(tmp_path)
    with failing(given):
        {}["key"]  # type: ignore[index]
    assert line(capsys) == f"this is a defect; the traceback is in {given.log[0]}"
    assert "KeyError: 'key'" in Path(given.log[0]).read_text()
    with failing(given):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert line(capsys).startswith("this is a defect")
    assert errno_of(OSError("a library's own words")) is None
    assert user_message(ConnectionResetError(errno.ECONNRESET, "reset"), "a.csv") == ""


def test_no_memory_is_no_defect(tmp_path: Path, capsys: Any) -> None:
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to ...")):
        with failing(snakemake(tmp_path)):
            raise error
        assert line(capsys).startswith(f"{tmp_path}/out.json: out of memory while it was made")


def test_a_state_that_cannot_be_read_is_not_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged state is; one that a disk or a mount withholds for a while may be whole."""

    def withheld(*_: object, **__: object) -> None:
        raise OSError("Input/output error (os error 5)")

    path = tmp_path / "state.safetensors"
    path.write_bytes(b"cut off")
    assert State.load(path) is None
    monkeypatch.setattr(checkpoint, "safe_open", withheld)
    with pytest.raises(OSError, match="Input/output error") as raised:
        State.load(path)
    assert raised.value.filename == str(path)


def test_folders_are_looked_at_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(tmp_path / "results" / "tiny", tmp_path)
    assert not (tmp_path / "results").exists()
    (tmp_path / "results").write_text("")
    with pytest.raises(UserError, match="results: is a file where a folder must be"):
        check_writable(tmp_path / "results" / "tiny")
    (tmp_path / "home" / "logs").mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "logs")
    with pytest.raises(UserError, match=r"home/logs: may not be written to"):
        check_writable(tmp_path / "home")
