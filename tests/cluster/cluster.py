"""A Slurm cluster of one node: this machine, with two graphics cards that do not exist.

Everything it writes lies in one folder; nothing in /etc is read or changed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

WAIT = 120  # seconds for a daemon to answer, on a machine that has other things to do
CARDS = "/dev/null", "/dev/zero"  # devices that every machine has
PARTITIONS = {"main": "YES", "cards": "NO"}  # by whether it is the site's default


class Cluster:
    """Daemons in the foreground, each a child of this process."""

    def __init__(self, folder: Path, accounting: bool = False) -> None:
        self.folder, self.accounting = folder, accounting
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._ports = free_ports(4)
        self.environment = {
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "SLURM_CONF": str(folder / "slurm.conf"),
        }

    def start(self) -> None:
        """Start every daemon, and wait until jobs can be submitted."""
        self._configure()
        self._start("munged", *self._munge(), ready=["munge", "-n", "-S", str(self._socket)])
        if self.accounting:
            self._start_accounting()
        self.start_controller()
        self._start("slurmd", "-D", ready=["sinfo", "-h", "-o", "%T"], says="idle")

    def start_controller(self) -> None:
        """The daemon that knows all jobs."""
        self._start("slurmctld", "-D", ready=["scontrol", "ping"], says="UP")

    def stop_controller(self) -> None:
        """End it as a crash would: nothing is saved that was not saved before."""
        daemon = self._daemons.pop("slurmctld")
        daemon.kill()
        daemon.wait()

    def stop(self) -> None:
        """Cancel what runs and leave no daemon behind."""
        if "slurmctld" in self._daemons:
            self.command("scancel", "--user", "root")
            wait_for(lambda: not self.jobs(), "the cluster's jobs to end")
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
        lines = (self.folder / "cards").read_text().splitlines()
        return dict(line.split() for line in lines if len(line.split()) == 2)

    def _start(self, daemon: str, *words: str, ready: list[str], says: str = "") -> None:
        with open(self.folder / f"{daemon}.out", "ab") as log:
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

    @property
    def _socket(self) -> Path:
        return self.folder / "munge" / "socket"

    def _munge(self) -> list[str]:
        home = self._socket.parent
        files = {"pid": home / "pid", "log": home / "log", "seed": home / "seed"}
        return [
            *("--foreground", "--force", f"--socket={self._socket}", f"--key-file={home / 'key'}"),
            *(f"--{name}-file={path}" for name, path in files.items()),
        ]

    def _start_accounting(self) -> None:
        data = self.folder / "database"
        install = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}"]
        authentication = "--auth-root-authentication-method=normal"
        subprocess.run([*install, authentication], capture_output=True, check=True)
        where = ["--protocol=tcp", "--host=127.0.0.1", f"--port={self._ports[3]}", "--user=root"]
        self._start(
            "mariadbd",
            *("--no-defaults", "--user=root", f"--datadir={data}", f"--socket={data}/socket"),
            *("--bind-address=127.0.0.1", f"--port={self._ports[3]}"),
            *("--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"),
            ready=["mariadb-admin", "--no-defaults", *where, "ping"],
        )
        self._start("slurmdbd", "-D", ready=["sacctmgr", "-n", "list", "cluster"])
        self.command("sacctmgr", "-i", "add", "cluster", "toy")
        self.command("sacctmgr", "-i", "add", "account", "lab", "Cluster=toy")
        self.command("sacctmgr", "-i", "add", "user", "root", "Account=lab")

    def _configure(self) -> None:
        for name in ("bin", "state", "spool"):
            (self.folder / name).mkdir()
        srun = self.folder / "bin" / "srun"  # a job's steps are started without SLURM_CONF
        conf = self.environment["SLURM_CONF"]
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        (self.folder / "munge").mkdir(mode=0o755)
        (self.folder / "munge" / "key").write_bytes(os.urandom(128))
        (self.folder / "munge" / "key").chmod(0o600)
        prolog = self.folder / "prolog"  # runs before a job's task, in its environment
        noted = f'"$SLURM_JOB_ID $CUDA_VISIBLE_DEVICES" >> {self.folder}/cards'
        prolog.write_text(f"#!/bin/sh\n/bin/echo {noted}\n")
        prolog.chmod(0o755)
        host = socket.gethostname().partition(".")[0]
        for number, device in enumerate(CARDS):
            (self.folder / f"card{number}").symlink_to(device)
        (self.folder / "gres.conf").write_text(
            f"NodeName={host} Name=gpu Type=fake File={self.folder}/card[0-1]\n"
        )
        (self.folder / "slurm.conf").write_text(self._slurm_conf(host))
        if self.accounting:
            path = self.folder / "slurmdbd.conf"
            path.write_text(self._slurmdbd_conf(host))
            path.chmod(0o600)

    def _slurm_conf(self, host: str) -> str:
        storage = "accounting_storage/slurmdbd" if self.accounting else "accounting_storage/none"
        settings = {
            "ClusterName": "toy",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": self._ports[0],
            "SlurmdPort": self._ports[1],
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self._socket}",
            "StateSaveLocation": self.folder / "state",
            "SlurmdSpoolDir": self.folder / "spool",
            "SlurmctldPidFile": self.folder / "slurmctld.pid",
            "SlurmdPidFile": self.folder / "slurmd.pid",
            "SlurmctldLogFile": self.folder / "slurmctld.log",
            "SlurmdLogFile": self.folder / "slurmd.log",
            "ProctrackType": "proctrack/linuxproc",  # cgroups are not everywhere
            "TaskPlugin": "task/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": "bf_interval=2,sched_interval=5",
            "SwitchType": "switch/none",
            "MpiDefault": "none",
            "ReturnToService": 2,
            "MinJobAge": 7200,
            "KillWait": 5,
            "TaskProlog": self.folder / "prolog",
            "JobAcctGatherType": "jobacct_gather/linux",
            "JobAcctGatherFrequency": "task=1",
            "JobAcctGatherParams": "UsePss,OverMemoryKill",
            "AccountingStorageType": storage,
            "GresTypes": "gpu",
            "SlurmdParameters": "config_overrides",  # take the node to be as large as it says
        }
        if self.accounting:
            settings |= {
                "AccountingStorageHost": "127.0.0.1",
                "AccountingStoragePort": self._ports[2],
                "AccountingStoragePass": self._socket,  # munged's, and no password
                "AccountingStoreFlags": "job_comment",
                "AccountingStorageTRES": "gres/gpu",
            }
        cores = max(2, os.cpu_count() or 1)
        node = f"NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=64000"
        partitions = [
            f"PartitionName={name} Nodes={host} Default={default} DefMemPerCPU=500 State=UP"
            for name, default in PARTITIONS.items()
        ]
        lines = [f"{key}={value}" for key, value in settings.items()]
        return "\n".join([*lines, f"{node} Gres=gpu:fake:2 State=UNKNOWN", *partitions, ""])

    def _slurmdbd_conf(self, host: str) -> str:
        settings = {
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self._socket}",
            "DbdHost": host,
            "DbdAddr": "127.0.0.1",
            "DbdPort": self._ports[2],
            "SlurmUser": "root",
            "LogFile": self.folder / "slurmdbd.log",
            "PidFile": self.folder / "slurmdbd.pid",
            "StorageType": "accounting_storage/mysql",
            "StorageHost": "127.0.0.1",
            "StoragePort": self._ports[3],
            "StorageUser": "root",
            "StorageLoc": "slurm",
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [found.getsockname()[1] for found in sockets]
    finally:
        for found in sockets:
            found.close()


def wait_for(
    condition: Callable[[], object], what: str, seconds: float = WAIT, pause: float = 0.2
) -> None:
    """Wait until something holds; fail when it does not come to hold."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s in vain for {what}"
        time.sleep(pause)
