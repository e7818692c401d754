"""Graphics cards of this machine: a job that computes on one holds a slot of it.

Snakemake counts cards and does not say which. A slot is a lock file for each card and place on it,
named by the card's UUID. So jobs of several runs keep off each other's cards, a job that a cluster
gave a card of its own never waits, and the kernel frees the slot of a job that was killed.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sharpness.io.errors import UserError

PAUSE = 1.0
"""Seconds between two looks at cards that are all taken."""


@contextmanager
def card(device: str, jobs_per_card: int) -> Iterator[None]:
    """Let torch see one card alone, of which this job holds a slot; wait until there is one.

    It must be entered before torch looks for cards. Where there is none, nothing happens.

    Args:
        device: what the job is to compute on; "cpu" needs no card.
        jobs_per_card: how many jobs share a card.
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
    """The UUIDs of the cards that this process may use; none where there is no NVIDIA driver."""
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
    """Hold a place on one of the cards; free cards are taken before shared ones.

    Args:
        cards: their names.
        jobs_per_card: places on each.
        folder: of the lock files, the same for all that share the cards.

    Yields:
        The name of the card.
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


if TYPE_CHECKING:
    import torch


def compute_device(wanted: str) -> torch.device:
    """The device of a job, which computes with one CPU thread: the bytes of a result depend on it.

    On a GPU 32-bit numbers are multiplied as such.

    Args:
        wanted: "auto" takes a GPU where there is one; "cpu" and "cuda" insist.

    Raises:
        UserError: if a GPU is wanted and there is none.
    """
    import torch

    torch.set_num_threads(1)
    # TF32 rounds weights by up to 5e-4 of themselves, as much as the perturbations measured here.
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    found = torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise UserError("device: cuda is wanted, but torch sees no GPU; use auto or cpu")
    return torch.device("cuda" if found and wanted != "cpu" else "cpu")
