"""Jobs of the workflow: their log, their one line of error, and the GPU that they hold.

Snakemake counts GPUs ("cards") but does not assign them. A slot is a lock file for each GPU and
place on it, named by the GPU's UUID. So jobs of several runs avoid each other's GPUs, a job with a
GPU of its own from a cluster never waits, and the kernel frees the slot of a killed job.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from io import FileIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sharpness.io.errors import UserError, user_message

if TYPE_CHECKING:
    import torch

PAUSE = 1.0
"""Seconds between two attempts while all GPUs are taken."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""
KEPT = {M_MMAP_THRESHOLD: 2**26, M_TRIM_THRESHOLD: 2**30}
"""Bytes of the largest tensor whose memory is kept, and of all memory that is kept."""


def draw_to_files() -> None:
    """Have matplotlib draw to files, in this process and in its jobs.

    A terminal that Jupyter started hands down the backend of a notebook, which draws no file.
    """
    os.environ["MPLBACKEND"] = "agg"


@contextmanager
def job(snakemake: Any) -> Iterator[TextIO]:
    """Run a job: stderr goes to its log, and an error is one line on the terminal, exit code 1.

    ``snakemake`` is the object that Snakemake gives to a script. The terminal's stream is yielded,
    for what the user must see at once.
    """
    log, terminal = snakemake.log[0], sys.stderr
    with _opened(log) as stream, redirect_stderr(stream):
        try:
            yield terminal
        except Exception as error:
            made = str(next(iter(snakemake.output), log))  # for an error that names no file
            line = str(error) if isinstance(error, UserError) else user_message(error, made)
            with suppress(OSError):  # the log may be on the full disk
                print(line or traceback.format_exc(), file=stream)
            print(line or f"this is a defect; the traceback is in {log}", file=terminal)
            raise SystemExit(1) from None


def _opened(log: str) -> TextIO:
    """Open an empty log without buffer, so that nothing is left to write when it closes."""
    try:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        return TextIOWrapper(FileIO(log, "w"), encoding="utf-8", write_through=True)
    except OSError as error:
        print(user_message(error, log) or f"{log}: {error}", file=sys.stderr)
        raise SystemExit(1) from None


@contextmanager
def gpu_slot(device: str, jobs_per_card: int) -> Iterator[None]:
    """Make one GPU visible to torch and hold a slot of it; wait until one is free.

    It must be entered before torch looks for GPUs; without a GPU, or on device "cpu", it does
    nothing. ``jobs_per_card`` jobs share a GPU.
    """
    cards = [] if device == "cpu" else visible_cards()
    with ExitStack() as held:
        if cards:
            folder = Path(tempfile.gettempdir(), f"sharpness-cards-{os.getuid()}")
            os.environ["CUDA_VISIBLE_DEVICES"] = held.enter_context(
                slot(cards, jobs_per_card, folder)
            )
        yield


def visible_cards() -> list[str]:
    """Return the UUIDs of the GPUs that this process may use; empty without NVIDIA driver."""
    command = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    known = dict(line.split(", ", 1) for line in said.stdout.splitlines() if ", " in line)
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return list(known.values())
    names = [name.strip() for name in allowed.split(",") if name.strip()]
    return [known.get(name, name) for name in names]


@contextmanager
def slot(cards: Sequence[str], jobs_per_card: int, folder: Path) -> Iterator[str]:
    """Hold a slot of one of the GPUs, unused ones first, and yield its name.

    ``folder`` of the lock files must be the same for all processes that share the GPUs.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    places = [
        (name, folder / f"{name}.{place}") for place in range(jobs_per_card) for name in cards
    ]
    waiting = False
    while True:
        for name, path in places:
            with open(path, "a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield name
                return
        if not waiting:
            print(f"waiting for one of {len(cards)} cards, all taken", file=sys.stderr)
            waiting = True
        time.sleep(PAUSE)


def keep_memory() -> None:
    """Have glibc keep the memory of freed tensors for the next ones.

    By default it returns most of it to the kernel, which zeroes it again page by page: up to a
    sixth of the time of a small network's step. Other C libraries are left alone.
    """
    with suppress(OSError, AttributeError):
        for option, size in KEPT.items():
            ctypes.CDLL(None).mallopt(option, size)


def compute_device(wanted: str) -> torch.device:
    """Return the device of a job; set torch to one CPU thread and full float32 precision.

    The bytes of a result depend on the number of threads. ``wanted`` is "auto" (a GPU if there is
    one), "cpu" or "cuda".

    Raises:
        UserError: if "cuda" is wanted and there is no GPU.
    """
    import torch

    torch.set_num_threads(1)
    keep_memory()
    # TF32 has relative rounding errors up to 5e-4, as large as the perturbations measured here.
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    found = torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise UserError("device: cuda is wanted, but torch sees no GPU; use auto or cpu")
    return torch.device("cuda" if found and wanted != "cpu" else "cpu")
