"""A Slurm cluster of one node: this machine, with two graphics cards that do not exist.

Everything it writes lies in one folder; nothing in /etc is read or changed.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from slurm_files import Files

WAIT = 120  # seconds for a daemon to answer, on a machine that has other things to do


class Cluster:
    """Daemons in the foreground, each a child of this process."""

    def __init__(self, folder: Path, accounting: bool = False) -> None:
        self._files, self._accounting = Files(folder), accounting
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "SLURM_CONF": str(folder / "slurm.conf"),
        }

    def start(self) -> None:
        """Start every daemon, and wait until jobs can be submitted."""
        files = self._files
        files.write(self._accounting)
        self._start("munged", *files.munge(), ready=["munge", "-n", "-S", str(files.munge_socket)])
        if self._accounting:
            self._start_accounting()
        self.start_controller()
        self._start("slurmd", "-D", ready=["sinfo", "-h", "-o", "%T"], says="idle")

    def start_controller(self) -> None:
        """The daemon that knows all jobs."""
        self._start("slurmctld", "-D", ready=["scontrol", "ping"], says="UP")

    def stop_controller(self) -> None:
        """End it, as for an upgrade: it saves what it knows."""
        daemon = self._daemons.pop("slurmctld")
        daemon.terminate()
        daemon.wait(WAIT)

    def stop(self) -> None:
        """Cancel what runs and leave no daemon behind."""
        try:
            if "slurmctld" in self._daemons:
                self.command("scancel", "--user", "root")
                wait_for(lambda: not self.jobs(), "the cluster's jobs to end")
        finally:
            for daemon in reversed(self._daemons.values()):
                daemon.terminate()
                try:
                    daemon.wait(WAIT)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
            self._daemons.clear()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Slurm's."""
        return subprocess.run(
            words, env=self.environment, capture_output=True, text=True, check=False
        )

    def jobs(self, states: str = "PENDING,RUNNING,COMPLETING") -> dict[str, str]:
        """What each job in one of these states computes: its comment, by its number."""
        said = self.command("squeue", "-h", "--states", states, "-o", "%i %k").stdout
        return dict(line.split(maxsplit=1) for line in said.splitlines())

    def submitted(self, group: str) -> list[str]:
        """The number of each job that Snakemake submitted for a group or a rule, in order."""
        found = {
            job: comment.partition("_wildcards_")[0] for job, comment in self.jobs("all").items()
        }
        return [job for job in sorted(found, key=int) if found[job] == f"rule_{group}"]

    def asked(self, job: str, what: str) -> str:
        """What a job is or asked for, in squeue's letters: T its state, m memory, l time."""
        return self.command(
            "squeue", "-h", "--states=all", "-j", job, "-o", f"%{what}"
        ).stdout.strip()

    def cards(self) -> dict[str, str]:
        """CUDA_VISIBLE_DEVICES of each job that had a card, by the job's number."""
        lines = self._files.cards.read_text().splitlines()
        return dict(line.split() for line in lines if len(line.split()) == 2)

    def _start(self, daemon: str, *words: str, ready: list[str], says: str = "") -> None:
        with open(self._files.folder / f"{daemon}.out", "ab") as log:
            self._daemons[daemon] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", daemon, *words],  # none outlives this process
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def answers() -> bool:
            assert self._daemons[daemon].poll() is None, f"{daemon} ended: see {log.name}"
            said = self.command(*ready)
            return said.returncode == 0 and says in said.stdout

        wait_for(answers, daemon)

    def _start_accounting(self) -> None:
        data, port = self._files.folder / "database", self._files.database_port
        install = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}"]
        authentication = "--auth-root-authentication-method=normal"
        subprocess.run([*install, authentication], capture_output=True, check=True)
        where = ["--protocol=tcp", "--host=127.0.0.1", f"--port={port}", "--user=root"]
        self._start(
            "mariadbd",
            *("--no-defaults", "--user=root", f"--datadir={data}", f"--socket={data}/socket"),
            *("--bind-address=127.0.0.1", f"--port={port}"),
            *("--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"),
            ready=["mariadb-admin", "--no-defaults", *where, "ping"],
        )
        self._start("slurmdbd", "-D", ready=["sacctmgr", "-n", "list", "cluster"])
        self.command("sacctmgr", "-i", "add", "cluster", "toy")
        self.command("sacctmgr", "-i", "add", "account", "lab", "Cluster=toy")
        self.command("sacctmgr", "-i", "add", "user", "root", "Account=lab")


def wait_for(
    condition: Callable[[], object], what: str, seconds: float = WAIT, pause: float = 0.2
) -> None:
    """Wait until something holds; fail when it does not come to hold."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s in vain for {what}"
        time.sleep(pause)
