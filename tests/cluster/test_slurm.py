"""The workflow on a real Slurm cluster of one node, through the profiles that the project ships."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
import yaml
from cluster import Cluster, wait_for
from runs import LIMIT, Run, first_model, process_of, small
from workspace import VIT, Workspace

from sharpness.training.checkpoint import State

pytestmark = [pytest.mark.workflow, pytest.mark.slurm]

TRAIN, EVALUATE = "train_checkpoint_train", "evaluate_evaluate_rows"
"""What Slurm is told that the groups are called: the group, then its rules."""

SUBMISSIONS = {
    "data_dataset": 2,
    "draw": 1,
    TRAIN: 2,
    EVALUATE: 2,
    "pool_correlations_pool": 1,
    "table": 1,
    "figures+cifar10-vit": 1,
    "measures": 1,
    "report": 1,
}
"""How often each group, or rule alone, goes to Slurm: 22 jobs in 12 submissions."""

LITTLE_MEMORY = "200 if attempt < 2 else 3000"


def caught(job: str, script: str, state: Path, pattern: str) -> tuple[str, list[Path]]:
    """A job stopped as soon as its first model has a state file of this pattern: both of them."""
    process = process_of(job, script)
    first = first_model(process)
    files: list[Path] = []

    def there() -> bool:
        files[:] = (state / first).glob(pattern)
        return bool(files)

    wait_for(there, f"{pattern} of {first}", LIMIT, pause=0.01)
    os.kill(process, signal.SIGSTOP)
    return first, files


def test_faults_on_the_way_change_nothing(alone: Workspace, cluster: Cluster, tmp_path: Path):
    workspace = small(tmp_path)
    pool = workspace.results / VIT
    asked = [f"{rule}:mem_mb={LITTLE_MEMORY}" for rule in ("train", "checkpoint")]
    asked += [f"{rule}:runtime=30 * attempt" for rule in ("evaluate", "rows")]
    with Run(workspace, cluster, "slurm-squeue", "--set-resources", *asked) as run:
        # both trainings exceed their memory; then one of them is cancelled in its second attempt
        cancelled = run.submission(TRAIN, 2)
        trained, [file] = caught(cancelled, "train.py", pool / "state", "*.safetensors")
        state = State.load(file)
        cluster.command("scancel", cancelled)

        # the controller is started anew while a job that has measured something stands still
        late = run.submission(EVALUATE, 0)
        caught(late, "evaluate.py", pool / "state", "cell-*.json")
        finished = workspace.items() | workspace.items("error")
        cluster.stop_controller()
        time.sleep(2)
        cluster.start_controller()
        run.goes_on()

        # and that job exceeds its time
        cluster.command("scontrol", "update", f"JobId={late}", "EndTime=now")
        wait_for(lambda: cluster.asked(late, "T") == "TIMEOUT", f"job {late} to time out", LIMIT)
        run.ended()

    assert workspace.bytes() == alone.bytes()

    trainings = [
        (cluster.asked(job, "T"), cluster.asked(job, "m")) for job in cluster.submitted(TRAIN)
    ]
    assert trainings[:2] == [("FAILED", "200M")] * 2
    assert sorted(trainings[2:]) == [("CANCELLED", "3000M")] + [("COMPLETED", "3000M")] * 2
    evaluations = [
        (cluster.asked(job, "T"), cluster.asked(job, "l")) for job in cluster.submitted(EVALUATE)
    ]
    assert sorted(evaluations) == [  # each asked for thrice 30 minutes: its models one by one
        ("COMPLETED", "1:30:00"),
        ("COMPLETED", "3:00:00"),
        ("TIMEOUT", "1:00"),
    ]

    assert state
    log = (workspace.results / "logs" / VIT / "train" / f"{trained}.log").read_text()
    resumed = int(re.findall(r"(\d+)/40 ", log)[0])
    assert len(state.curve) <= resumed < 40  # scancel wakes a stopped job before it ends it
    now = workspace.items() | workspace.items("error")
    assert {path: now[path] for path in finished} == finished
    assert len(set(cluster.cards().values())) == 2

    with Run(workspace, cluster, "slurm-squeue") as run:
        assert "Nothing to be done" in run.ended()


def test_partitions_and_accounts_are_settings(
    alone: Workspace, accounting_cluster: Cluster, tmp_path: Path
):
    cluster, workspace = accounting_cluster, small(tmp_path)
    partitions = tmp_path / "partitions.yaml"
    partitions.write_text(yaml.safe_dump({"partitions": {"main": {}, "cards": {"max_gpu": 2}}}))
    settings = {"SBATCH_ACCOUNT": "lab", "SNAKEMAKE_SLURM_PARTITIONS": str(partitions)}
    with Run(workspace, cluster, "slurm", **settings) as run:
        run.ended()
    assert workspace.bytes() == alone.bytes()

    assert {name: len(cluster.submitted(name)) for name in SUBMISSIONS} == SUBMISSIONS
    jobs = cluster.jobs("all")
    assert len(jobs) == sum(SUBMISSIONS.values())
    assert {cluster.asked(job, "a") for job in jobs} == {"lab"}
    assert {cluster.asked(job, "C") for job in jobs} == {"1"}  # one job at a time in a group
    with_cards = {*cluster.submitted(TRAIN), *cluster.submitted(EVALUATE)}
    assert cluster.cards().keys() == with_cards
    assert {job for job in jobs if cluster.asked(job, "P") == "cards"} == with_cards
    assert {cluster.cards()[job] for job in cluster.submitted(TRAIN)} == {"0", "1"}
    known = cluster.command("sacct", "-X", "-n", "-P", "-o", "JobID,State").stdout.split()
    assert sorted(known) == sorted(f"{job}|COMPLETED" for job in jobs)
