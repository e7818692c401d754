"""The reduced workflow, and a run of it on a cluster that tests can disturb."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import yaml
from cluster import Cluster, wait_for
from workspace import VIT, Workspace

FIGURES = ("fig32", "fig39")
LIMIT = 1200  # seconds for a whole run


def small(folder: Path) -> Workspace:
    """One pool of four models, two a job, each job with a card; two figures."""
    workspace = Workspace.made(folder, pools=(VIT,))
    workspace.change("gpus", value=1)
    workspace.change("pools", VIT, "models_per_job", value=2)
    workspace.change("pools", VIT, "training", "epochs", value=40)
    catalogue = folder / "resources" / "figures.yaml"
    figures = yaml.safe_load(catalogue.read_text())
    figures = [figure for figure in figures if figure["id"] in FIGURES]
    catalogue.write_text(yaml.safe_dump(figures, sort_keys=False))
    return workspace


class Run:
    """Snakemake at work on a cluster."""

    def __init__(
        self, workspace: Workspace, cluster: Cluster, profile: str, *words: str, **settings: str
    ) -> None:
        """Start it.

        Args:
            workspace: where.
            cluster: which takes its jobs.
            profile: its name.
            words: further words of the command line.
            settings: environment variables.
        """
        self._cluster, self.log = cluster, workspace.folder / f"{profile}.log"
        given = ["--workflow-profile", f"profiles/{profile}", "--configfile", "tiny.yaml"]
        often = ["--slurm-init-seconds-before-status-checks", "2"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *given, *often, *words],
                cwd=workspace.folder,
                env={**cluster.environment, **settings},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process behind, whatever became of the test."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def said(self) -> str:
        """What Snakemake has printed so far."""
        return self.log.read_text(errors="replace")

    def ended(self) -> str:
        """What Snakemake printed, when it has ended well."""
        try:
            code = self._process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still at work after {LIMIT} s:\n{self.said}") from None
        assert code == 0, self.said
        return self.said

    def goes_on(self) -> None:
        """Fail where Snakemake has ended."""
        assert self._process.poll() is None, self.said

    def submission(self, group: str, number: int) -> str:
        """The number of a group's submission, the first being 0, once it runs."""
        found: list[str] = []

        def runs() -> bool:
            self.goes_on()
            found[:] = self._cluster.submitted(group)
            return len(found) > number and found[number] in self._cluster.jobs("RUNNING")

        wait_for(runs, f"submission {number} of {group}", LIMIT)
        return found[number]


def process_of(job: str, script: str) -> int:
    """The process of this machine in which a job runs a script of the workflow."""
    found: list[int] = []

    def runs() -> bool:
        found[:] = [
            int(folder.name)
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit() and _computes(folder, job, script)
        ]
        return bool(found)

    wait_for(runs, f"{script} of job {job}", LIMIT)
    return found[0]


def first_model(process: int) -> str:
    """The first of the models that a process computes: its log has that name."""
    found: list[str] = []

    def writes() -> bool:
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                path = link.readlink()
                found.extend([path.stem] if "logs" in path.parts else [])
        return bool(found)

    wait_for(writes, f"the log of process {process}", LIMIT, pause=0.01)
    return found[0]


def _computes(process: Path, job: str, script: str) -> bool:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        variables = (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is somebody else's
        return False
    ran = len(words) > 1 and words[1].endswith(f".{script}".encode())
    return ran and f"SLURM_JOB_ID={job}".encode() in variables
