"""What each file was made with, kept where neither lost metadata nor ``--touch`` reaches it.

Snakemake remembers parameters under ``.snakemake``. Where that memory is lost, or was overruled, it
takes a file for fresh that was made with other settings. So every job that ends well leaves a stamp
under ``stamps/``, and before anything is planned such files, and all that was made from them, are
moved to ``outdated/``. They are made again then, from finished cells and epochs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sharpness.files import digest, read_json, write_json

Parameters = Callable[[str, Mapping[str, str]], Mapping[str, Any]]
"""What a rule is to compute with, by its name and wildcards.

It raises LookupError for what the configuration does not name any more.
"""


@dataclass(frozen=True)
class Stamp:
    """A job that ended well.

    Attributes:
        rule: its name.
        wildcards: pairs, in the rule's order.
        inputs: what it read.
        outputs: what it made.
        made: when it ended, in seconds since 1970.
        params: the digest of its parameters.
    """

    rule: str
    wildcards: Sequence[tuple[str, str]]
    inputs: Sequence[str]
    outputs: Sequence[str]
    made: float
    params: str

    def doubtful(self) -> bool:
        """Whether Snakemake may take it for fresh wrongly; what is gone is made anyway."""
        return Path(self.outputs[0]).exists() and not self._remembered()

    def outdated(self, wanted: Parameters) -> bool:
        """Whether the job would compute with other parameters now."""
        try:
            return self.params != parameters_digest(wanted(self.rule, dict(self.wildcards)))
        except LookupError:
            return False

    def _remembered(self) -> bool:
        """Whether Snakemake has a whole record of the job; one of ``--touch`` began after it."""
        name = urlsafe_b64encode(self.outputs[0].encode()).decode()
        steps = [name[i : i + 254] for i in range(0, len(name), 254)]
        place = Path(".snakemake", "metadata", *("@" + s for s in steps[:-1]), steps[-1])
        try:
            return bool(read_json(place)["starttime"] <= self.made)
        except (OSError, ValueError, KeyError, TypeError):
            return False


def write_stamp(
    log: str | Path,
    rule: str,
    wildcards: Mapping[str, str],
    inputs: Sequence[str],
    outputs: Sequence[str],
    params: Mapping[str, Any],
) -> None:
    """Say what a job read and made, and with which parameters.

    Args:
        log: the job's log, which gives the stamp its place: ``logs/x.log`` has ``stamps/x.json``.
        rule: the job's rule.
        wildcards: of the job, in the rule's order.
        inputs: the files that it read.
        outputs: the files that it made.
        params: all of its parameters.
    """
    home, _, name = str(log).rpartition("/logs/")
    pairs, wanted = list(wildcards.items()), parameters_digest(params)
    stamp = Stamp(rule, pairs, inputs, outputs, time.time(), wanted)
    write_json(Path(home, "stamps", name).with_suffix(".json"), asdict(stamp))


def set_aside(home: str | Path, wanted: Parameters) -> None:
    """Move files to ``outdated/`` that Snakemake would wrongly take for fresh.

    A file without a whole stamp, such as one that was copied here, is taken as it stands.

    Args:
        home: the folder of all that a run makes; paths are seen from the working folder.
        wanted: parameters by rule and wildcards.
    """
    stamps = _stamps(Path(home))
    wrong = {
        path
        for stamp in stamps
        if stamp.doubtful() and stamp.outdated(wanted)
        for path in stamp.outputs
    }
    if not wrong:
        return
    grown = 0
    while grown != len(wrong):  # what was made of them is wrong as well
        grown = len(wrong)
        for stamp in stamps:
            if not wrong.isdisjoint(stamp.inputs):
                wrong.update(stamp.outputs)
    moved = [path for path in sorted(wrong) if _move(Path(path), Path(home))]
    if moved:
        more = f" and {len(moved) - 1} more" if moved[1:] else ""
        print(
            f"{moved[0]}{more}: made with other settings, and Snakemake's memory of it is lost or "
            f"was overruled; moved to {home}/outdated",
            file=sys.stderr,
        )


def parameters_digest(params: Mapping[str, Any]) -> str:
    """A name for parameters: equal ones have equal names, whatever their order."""
    return digest(json.loads(json.dumps(dict(params), default=str)))


def _stamps(home: Path) -> list[Stamp]:
    """All stamps that are whole."""
    found = []
    for path in sorted(home.joinpath("stamps").rglob("*.json")):
        try:
            found.append(Stamp(**read_json(path)))
        except (ValueError, TypeError):
            continue
    return found


def _move(path: Path, home: Path) -> bool:
    """Move a file of ``home`` to ``outdated/``; whether it was there."""
    if not path.exists():
        return False
    target = home / "outdated" / path.relative_to(home)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, target)
    return True
