"""A folder in which the workflow runs as in a clone of the project, with results of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESNET, VIT = "cifar10-resnet18", "cifar10-vit"
AUGREG, BERTS = "augreg-i1k", "feather-berts"
ODD = ["--help", "NA", 'ünï|*? it\'s "q"; touch pwned $(touch pwned) `touch pwned`']
"""Names of models that would harm a shell or a table."""
FIGURES = ("fig2", "fig5", "fig25", "fig29", "fig30", "fig31", "fig32", "fig39")
"""Of those of the pools, one of each layout for each pool: every figure costs seconds a run."""
CORES = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
"""Of a run: beside it, other workers run theirs."""


@dataclass(frozen=True)
class Workspace:
    """The project's files, linked or copied, and one folder of results."""

    folder: Path

    @classmethod
    def made(
        cls,
        folder: Path,
        overlay: str = "tiny.yaml",
        pools: Sequence[str] = (RESNET, VIT),
        studies: Sequence[str] = (),
    ) -> Workspace:
        """The default configuration with these pools and studies alone, and a tiny overlay."""
        for name in ("Snakefile", "rules", "scripts", "profiles", "report"):
            (folder / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "resources", folder / "resources")
        catalogue = folder / "resources" / "figures.yaml"
        figures = [one for one in yaml.safe_load(catalogue.read_text()) if one["id"] in FIGURES]
        catalogue.write_text(yaml.safe_dump(figures, sort_keys=False, allow_unicode=True))
        config = yaml.safe_load((ROOT / "config.yaml").read_text())
        config["pools"] = {name: config["pools"][name] for name in pools}
        config["studies"] = list(studies)
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        tiny = yaml.safe_load((HERE / overlay).read_text())
        tiny["pools"] = {name: tiny["pools"][name] for name in pools}
        (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny, sort_keys=False))
        return cls(folder)

    def copied(self, folder: Path) -> Workspace:
        """The same with its own results and metadata, all times as they were."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Workspace(folder)

    @property
    def results(self) -> Path:
        return self.folder / "results" / "tiny"

    def command(self, *arguments: str) -> list[str]:
        snakemake = [sys.executable, "-m", "snakemake", "--cores", CORES]
        return [*snakemake, *arguments, "--configfile", "tiny.yaml"]

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake, whatever comes of it."""
        return subprocess.run(
            self.command(*arguments), cwd=self.folder, capture_output=True, text=True, check=False
        )

    def run(self, *arguments: str, fails: bool = False) -> str:
        """What Snakemake prints."""
        done = self.attempt(*arguments)
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, said
        return said

    def change(self, *path: str, value: Any) -> None:
        """Change one key of the configuration."""
        file = self.folder / "tiny.yaml"
        whole = inner = yaml.safe_load(file.read_text())
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = value
        file.write_text(yaml.safe_dump(whole))

    def items(self, kind: str = "cell") -> dict[Path, int]:
        """Every finished item, with the moment when it was computed."""
        found = self.results.glob(f"*/state/*/{kind}-*.json")
        return {path: path.stat().st_mtime_ns for path in found}

    def bytes(self) -> dict[str, bytes]:
        """All that is compared when two runs are called identical."""
        kinds = {".csv", ".md", ".tex", ".pdf", ".png", ".safetensors", ".html"}
        paths = [p for p in self.results.rglob("*") if p.suffix in kinds and "state" not in p.parts]
        return {str(path.relative_to(self.results)): path.read_bytes() for path in sorted(paths)}


def jobs(said: str) -> dict[str, int]:
    """How many jobs of each rule Snakemake planned; ``figures+<pools>`` and such count as one."""
    table = said.partition("Job stats:")[2].partition("total")[0]
    found = Counter[str]()
    for rule, count in re.findall(r"^([^\s+]+)\S*\s+(\d+)$", table, re.M):
        found[rule] += int(count)
    return found
