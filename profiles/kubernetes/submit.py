#!/usr/bin/env python3
"""Make a Kubernetes Job of one of Snakemake's and print its name.

SHARPNESS_IMAGE      the image, built from envs/Dockerfile
SHARPNESS_CLAIM      the claim of the volume on which the project lies
SHARPNESS_MOUNT      where that volume is mounted, here and in the pods
SHARPNESS_NAMESPACE  where the Jobs are made (if unset: as kubectl's context says)
SHARPNESS_CPU_NODES  label=value of the nodes for jobs without a graphics card (if unset: any)
SHARPNESS_GPU_NODES  label=value of the nodes for jobs with one
SHARPNESS_GPU        what a card is called (if unset: nvidia.com/gpu)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any


def job(name: str, needs: dict[str, str], minutes: int, gpus: int, script: str) -> dict[str, Any]:
    """The Job: one pod, which is not repeated here, for Snakemake then asks for more."""
    card = os.environ.get("SHARPNESS_GPU", "nvidia.com/gpu")
    nodes = os.environ.get("SHARPNESS_GPU_NODES" if gpus else "SHARPNESS_CPU_NODES", "")
    # Where no requests are named, Kubernetes takes the limits for them.
    limits = {**needs, card: str(gpus)} if gpus else needs
    container = {
        "name": "job",
        "image": os.environ["SHARPNESS_IMAGE"],
        "command": ["bash", script],
        "workingDir": os.getcwd(),
        "resources": {"limits": limits},
        "volumeMounts": [{"name": "shared", "mountPath": os.environ["SHARPNESS_MOUNT"]}],
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "USER", "value": "sharpness"}],
    }
    pod = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 60 * minutes,
        "securityContext": {"runAsUser": os.getuid(), "runAsGroup": os.getgid()},
        "nodeSelector": dict(pair.split("=", 1) for pair in nodes.split(",") if pair),
        "tolerations": [{"key": card, "operator": "Exists"}] if gpus else [],
        "volumes": [
            {
                "name": "shared",
                "persistentVolumeClaim": {"claimName": os.environ["SHARPNESS_CLAIM"]},
            }
        ],
        "containers": [container],
    }
    labels = {"app": "sharpness"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": "sharpness-",
            "labels": labels,
            "annotations": {"snakemake": name},
        },
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 86400,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def main() -> None:
    """Read what the job needs, ask kubectl for it, end as kubectl does."""
    name, cores, memory, disk, minutes, gpus, script = sys.argv[1:]
    needs = {"cpu": cores, "memory": f"{memory}M", "ephemeral-storage": f"{disk}M"}
    try:
        asked = json.dumps(job(name, needs, int(minutes), int(gpus), script))
    except KeyError as missing:
        sys.exit(f"{missing.args[0]} is not set: profiles/kubernetes/submit.py says what it names")
    namespace = os.environ.get("SHARPNESS_NAMESPACE")
    where = ["--namespace", namespace] if namespace else []
    template = "--output=jsonpath={.metadata.name}"
    command = ["kubectl", *where, "create", "--filename=-", template]
    sys.exit(subprocess.run(command, input=asked, text=True, check=False).returncode)


main()
