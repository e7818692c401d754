"""Slots of graphics cards: no two jobs on one, several where allowed, free after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from sharpness.io import job as gpu
from sharpness.io.job import gpu_slot, slot, visible_cards

CARDS = ["GPU-a", "GPU-b"]
HOLDER = """
import sys, time
from pathlib import Path
from sharpness.io.job import slot
with slot(["GPU-a"], 1, Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two cards, as far as nvidia-smi tells."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '0, GPU-a\\n1, GPU-b\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(gpu.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")


def test_jobs_are_spread_over_cards_before_they_share_them(tmp_path: Path):
    with ExitStack() as held:
        taken = [held.enter_context(slot(CARDS, 2, tmp_path)) for _ in range(4)]
    assert taken == ["GPU-a", "GPU-b", "GPU-a", "GPU-b"]


def test_a_job_waits_until_a_slot_is_free(tmp_path: Path, monkeypatch, capsys):
    first = ExitStack()
    first.enter_context(slot(["GPU-a"], 1, tmp_path))
    monkeypatch.setattr(gpu.time, "sleep", lambda seconds: first.close())
    with slot(["GPU-a"], 1, tmp_path) as name:
        assert name == "GPU-a"
    assert "waiting for one of 1 cards" in capsys.readouterr().err


def test_a_killed_job_frees_its_slot(tmp_path: Path):
    held = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert held.stdout is not None
    assert held.stdout.readline() == "held\n"
    held.send_signal(signal.SIGKILL)
    held.wait()
    with slot(["GPU-a"], 1, tmp_path) as name:
        assert name == "GPU-a"


def test_torch_sees_the_card_of_the_job_alone(driver):
    with gpu_slot("auto", 1):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-a"


def test_the_processor_needs_no_slot(driver, tmp_path: Path):
    with gpu_slot("cpu", 1):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert not list(tmp_path.glob("sharpness-cards-*"))


def test_only_cards_that_the_job_may_use_are_taken(driver, monkeypatch):
    assert visible_cards() == CARDS
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert visible_cards() == ["GPU-b"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-7")
    assert visible_cards() == ["MIG-7"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_cards() == CARDS
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_cards() == []


def test_without_a_driver_nothing_happens(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_cards() == []
    start = dict(os.environ)
    with gpu_slot("auto", 1):
        assert dict(os.environ) == start
