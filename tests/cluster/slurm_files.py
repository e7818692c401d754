"""The files of a Slurm cluster of one node: configuration, programs, keys, all in one folder."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

DEVICES = "/dev/null", "/dev/zero"  # that every machine has, and that play graphics cards
PARTITIONS = {"main": "YES", "cards": "NO"}  # by whether it is the site's default


class Files:
    """Where they lie and what they say."""

    def __init__(self, folder: Path) -> None:
        """Choose ports, and write nothing yet."""
        self.folder = folder
        self.munge_socket = folder / "munge" / "socket"
        self.cards = folder / "cards"  # a line a task: its job's number, its CUDA_VISIBLE_DEVICES
        *self._ports, self.database_port = free_ports(4)

    def munge(self) -> list[str]:
        """What munged is started with."""
        home = self.munge_socket.parent
        files = {
            "key": home / "key",
            "pid": home / "pid",
            "log": home / "log",
            "seed": home / "seed",
        }
        options = [f"--{name}-file={path}" for name, path in files.items()]
        return ["--foreground", "--force", f"--socket={self.munge_socket}", *options]

    def write(self, accounting: bool) -> None:
        """Write them."""
        for name in ("bin", "state", "spool", "munge"):
            (self.folder / name).mkdir(mode=0o755)
        key = self.munge_socket.with_name("key")
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self._programs()
        host = socket.gethostname().partition(".")[0]
        for number, device in enumerate(DEVICES):
            (self.folder / f"card{number}").symlink_to(device)
        (self.folder / "gres.conf").write_text(
            f"NodeName={host} Name=gpu Type=fake File={self.folder}/card[0-1]\n"
        )
        (self.folder / "slurm.conf").write_text(self._slurm_conf(host, accounting))
        if accounting:
            path = self.folder / "slurmdbd.conf"
            path.write_text(self._slurmdbd_conf(host))
            path.chmod(0o600)

    def _programs(self) -> None:
        # a job's steps are started without SLURM_CONF
        conf = f"SLURM_CONF={self.folder / 'slurm.conf'}"
        _script(self.folder / "bin" / "srun", f'{conf} exec {shutil.which("srun")} "$@"')
        # runs before every task, in its environment
        noted = f'"$SLURM_JOB_ID $CUDA_VISIBLE_DEVICES" >> {self.cards}'
        _script(self.folder / "prolog", f"/bin/echo {noted}")

    def _slurm_conf(self, host: str, accounting: bool) -> str:
        storage = "accounting_storage/slurmdbd" if accounting else "accounting_storage/none"
        settings = {
            "ClusterName": "toy",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": self._ports[0],
            "SlurmdPort": self._ports[1],
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self.munge_socket}",
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
        if accounting:
            settings |= {
                "AccountingStorageHost": "127.0.0.1",
                "AccountingStoragePort": self._ports[2],
                "AccountingStoragePass": self.munge_socket,  # munged's, and no password
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
            "AuthInfo": f"socket={self.munge_socket}",
            "DbdHost": host,
            "DbdAddr": "127.0.0.1",
            "DbdPort": self._ports[2],
            "SlurmUser": "root",
            "LogFile": self.folder / "slurmdbd.log",
            "PidFile": self.folder / "slurmdbd.pid",
            "StorageType": "accounting_storage/mysql",
            "StorageHost": "127.0.0.1",
            "StoragePort": self.database_port,
            "StorageUser": "root",
            "StorageLoc": "slurm",
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())


def _script(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)


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
