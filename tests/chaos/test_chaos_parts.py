"""The chaos test sees what it is for: half files, lost items, jobs done twice, stray processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import Run, marked
from records import Job, Record
from remains import Remains, damage
from safetensors.numpy import save_file
from trial import Trial
from workspace import Workspace

needs_linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")

LOG = """
rule train:
    input: models.csv
    output: results/tiny/pool/trained/a.json
    log: results/tiny/logs/pool/train/a.log
    jobid: 3
    reason: Missing output files
localrule table:
    output: results/tiny/tables/table3.csv, results/tiny/tables/table3.md
    log: results/tiny/logs/tables/table3.log
    jobid: 12
Job 5: pool: b from https://host.example/b.bin
Reason: Missing output files: results/tiny/pool/checkpoints/b.safetensors
localrule tables:
    input: results/tiny/tables/table3.csv
    jobid: 1
[Sat Nov 21 19:32:47 2026]
Finished jobid: 3 (Rule: train)
"""
TRAIN = Job("train", ("results/tiny/pool/trained/a.json",))
TABLE = Job("table", tuple(f"results/tiny/tables/table3.{kind}" for kind in ("csv", "md")))
DOWNLOAD = Job("download", ("results/tiny/pool/checkpoints/b.safetensors",))


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.01)


def write(path: Path, text: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def state(path: Path, epochs: int, record: object = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    said = json.dumps({"curve": list(range(epochs)), "record": record})
    save_file({"weight": np.zeros(3, np.float32)}, path, metadata={"sharpness": said})


def test_a_log_says_what_was_begun_and_what_ended(tmp_path: Path) -> None:
    record = Record.read(write(tmp_path / "log", LOG))
    assert record.started == {TRAIN, TABLE, DOWNLOAD}
    assert record.finished == {TRAIN}
    assert record.in_flight == {TABLE, DOWNLOAD}


def test_half_files_are_seen(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "model,error\none,0.25\n")
    write(tmp_path / "a.json", '{"one": [1, 2]}\n')
    write(tmp_path / "a.md", "words and words\n")
    write(tmp_path / "a.tex", "\\begin{a}\\end{a}\n")
    write(tmp_path / "a.html", "<html><p>words</p></html>\n")
    write(tmp_path / "a.pdf", "%PDF words\n%%EOF\n")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20), np.uint8)).save(
        tmp_path / "a.png"
    )
    np.savez(tmp_path / "a.npz", numbers=np.arange(100))
    np.save(tmp_path / "a.npy", np.arange(100))
    state(tmp_path / "a.safetensors", 2)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 10
    for path in files:
        assert damage(path) == ""
        os.truncate(path, path.stat().st_size // 2)
        assert damage(path), path


def test_temporaries_are_told_from_files(tmp_path: Path) -> None:
    write(tmp_path / "data" / "digits.json")
    write(tmp_path / "data" / ".digits.json.x1y2z3w4")
    write(tmp_path / "data" / ".digits.lock")
    write(tmp_path / "cache" / "tmpabc" / "model.npz")
    write(tmp_path / "cache" / "model.npz.part")
    write(tmp_path / "logs" / "x.log")
    found = Remains.of(tmp_path)
    assert [path.name for path in found.files] == ["digits.json"]
    assert len(found.leftovers) == 3


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Training is over, the table in flight."""
    trial = Trial(Workspace(tmp_path))
    results = trial.workspace.results
    for name in TRAIN.outputs:
        write(tmp_path / name)
    write(tmp_path / TABLE.outputs[0], "a\n1\n")
    write(results / "pool" / "state" / "a" / "cell-1.json")
    state(results / "pool" / "state" / "a" / "digest.safetensors", 2)
    assert trial.look(write(tmp_path / "log", LOG)).wrong == []
    return trial


def again(trial: Trial, log: str = "") -> list[str]:
    return trial.look(write(trial.workspace.folder / "log", log)).wrong


def test_nothing_is_wrong_where_nothing_changes(trial: Trial) -> None:
    assert again(trial) == []


def test_outputs_in_flight_may_go_and_others_may_not(trial: Trial) -> None:
    (trial.workspace.folder / TABLE.outputs[0]).unlink()
    assert again(trial) == []
    (trial.workspace.folder / TRAIN.outputs[0]).unlink()
    assert len(again(trial)) == 1


def test_what_was_in_flight_stays_so_over_a_run_without_jobs(trial: Trial) -> None:
    assert again(trial) == []
    (trial.workspace.folder / TABLE.outputs[0]).unlink()
    assert again(trial) == []


def test_an_item_that_is_made_again_is_seen(trial: Trial) -> None:
    path = trial.workspace.results / "pool" / "state" / "a" / "cell-1.json"
    path.write_text("{}")
    (line,) = again(trial)
    assert str(path) in line


def test_a_job_that_is_done_again_is_seen(trial: Trial) -> None:
    (line,) = again(trial, LOG)
    assert line == f"computed again: {TRAIN.outputs[0]}"


@pytest.mark.parametrize(("epochs", "wrong"), [(3, 0), (2, 1), (1, 1)])
def test_a_training_may_only_go_on(trial: Trial, epochs: int, wrong: int) -> None:
    path = trial.workspace.results / "pool" / "state" / "a" / "digest.safetensors"
    path.unlink()
    state(path, epochs)
    assert len(again(trial)) == wrong


def test_a_finished_training_stays(trial: Trial) -> None:
    path = trial.workspace.results / "pool" / "state" / "a" / "digest.safetensors"
    state(path, 3, {"status": "ok"})
    assert again(trial) == []
    path.unlink()
    state(path, 4, {"status": "ok"})
    assert len(again(trial)) == 1


def test_a_half_file_under_its_final_name_is_wrong(trial: Trial) -> None:
    write(trial.workspace.results / "tables" / "table3.md", "half a li")
    (line,) = again(trial)
    assert line.startswith("not whole: ")


@needs_linux
def test_a_kill_reaches_a_child_that_left_its_session(tmp_path: Path) -> None:
    stray = f"sleep 60 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/started"
    words = f"setsid bash -c '{stray}'; sleep 60"
    run = Run(["bash", "-c", words], tmp_path, tmp_path / "log", tmp_path / "aim")
    wait_for(tmp_path / "started")
    child = int((tmp_path / "started").read_text())
    assert child in set(marked(run._mark))
    assert run.kill() >= 2
    assert not set(marked(run._mark))
    assert run.code == -9


@needs_linux
@pytest.mark.parametrize("window", ["half written", "before the rename", "after the rename"])
def test_an_aim_stops_a_process_in_its_window(tmp_path: Path, window: str) -> None:
    target = tmp_path / "results" / "one.json"
    target.parent.mkdir()
    words = (
        "import os, time\n"
        "while not os.path.exists('aim'): time.sleep(0.01)\n"
        "open('other', 'w').close(); os.replace('other', 'elsewhere')\n"
        "with open('results/.one', 'w') as stream: stream.write('words' * 10)\n"
        "os.replace('results/.one', 'results/one.json')\n"
        "open('over', 'w').close()"
    )
    command = [sys.executable, "-c", words]
    run = Run(command, tmp_path, tmp_path / "log", tmp_path / "aim")
    run.aim_at(window)
    wait_for(tmp_path / "aim.hit")
    assert run.hit == "results/one.json"
    assert (tmp_path / "elsewhere").exists()
    assert target.exists() == (window == "after the rename")
    if window == "half written":
        assert (target.parent / ".one").stat().st_size == 25
    assert run.code is None
    assert not (tmp_path / "over").exists()
    run.kill()


def test_the_command_says_what_it_takes() -> None:
    command = [sys.executable, str(Path(__file__).with_name("chaos.py")), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for option in ("--kills", "--seed", "--out"):
        assert option in done.stdout
