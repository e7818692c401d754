"""Machines without a network: one fetches, another runs; both ask for the same, and no more."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from publisher import Publisher, publishing
from workspace import AUGREG, BERTS, ROOT, Workspace, jobs

pytestmark = pytest.mark.workflow

TOKEN = "hf_0123456789secret"
VOCABULARY = "huggingface.co/connectivity/feather_berts_0/resolve/main/vocab.txt"
DENIED = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
"""Runs a command where there is no network, not even this machine's own addresses."""


@pytest.fixture(scope="module")
def server(published: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    """The publishers: small models in their formats."""
    folder = tmp_path_factory.mktemp("publishers") / "files"
    for mirror in (published.results / "standin").glob("*/mirror"):
        shutil.copytree(mirror, folder, dirs_exist_ok=True)
    with publishing(folder) as server:
        yield server


def made(published: Workspace, folder: Path, server: Publisher) -> Workspace:
    """Two pools of models that are served; their data lie here, and what lacks is published."""
    folder.mkdir()
    workspace = Workspace.made(folder, "published.yaml", (AUGREG, BERTS))
    own = published.results / "standin" / "data"
    packed = {path.name: path for path in (own / "mirror").rglob("*") if path.is_file()}
    data = {
        **{
            name: {"folder": str(own / "folders" / name)}
            for name in ("imagenet", "imagenet-sketch", "objectnet")
        },
        "imagenet-r": {"file": str(packed["imagenet-r.tar"])},
        "mnli": {"file": str(packed["multinli_1.0.zip"])},
        "hans": {"file": str(packed["heuristics_evaluation_set.txt"])},
    }
    settings = {"standins": False, "data": data, "cache": str(folder / "cache")}
    for key, value in {**settings, "mirror": server.url, "offline": True}.items():
        workspace.change(key, value=value)
    workspace.change("pools", AUGREG, "errors", value="published")
    names = workspace_models(workspace)
    with open(folder / "resources" / "published_errors.csv", "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["pool", "model", "part", "error", "preprocessing", "source"])
        for part in ("v2", "a"):
            writer.writerows([AUGREG, name, part, 0.5, "", "a test"] for name in names)
        writer.writerow([AUGREG, names[0], "r", 0.5, "", "a test"])
    return workspace


def workspace_models(workspace: Workspace) -> list[str]:
    """The models of the first pool; of the second, published digests are forgotten."""
    table = workspace.folder / "resources" / "pools" / f"{BERTS}.csv"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    with open(table, "w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(row | {"checksum": "", "bytes": ""} for row in rows)
    with open(workspace.folder / "resources" / "pools" / f"{AUGREG}.csv", newline="") as stream:
        return [row["model"] for row in csv.DictReader(stream)]


def wanted(published: Workspace) -> set[str]:
    """HOST/PATH of what the configuration needs, told from what stood in for it."""
    files = [
        path.relative_to(mirror)
        for mirror in (published.results / "standin").glob("*/mirror")
        for path in mirror.rglob("*")
        if path.suffix in (".npz", ".bin") or path.name == "index.csv"
    ]
    assert len(files) == 7
    return {*map(str, files), VOCABULARY}


@pytest.fixture(scope="module")
def fetched(
    published: Workspace, server: Publisher, tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """What the login node has brought, with a token in its environment."""
    workspace = made(published, tmp_path_factory.mktemp("login") / "node", server)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", TOKEN)
        said = workspace.run("fetch")
    assert sorted(server.paths) == sorted(wanted(published))
    assert f"fetch: {len(server.paths)} files, " in said
    assert f"`mirror: {workspace.folder}/cache`" in said
    assert server.said("Authorization") == [None] * len(server.requests)
    assert TOKEN not in said
    return workspace


def test_what_was_fetched_is_written_down_and_the_token_is_not(fetched: Workspace) -> None:
    records = [json.loads(path.read_text()) for path in fetched.results.glob("fetched/**/*.json")]
    files = [file for record in records for file in record["files"]]
    cache = fetched.folder / "cache"
    for file in files:
        path = cache / file["url"].partition("://")[2]
        assert path.stat().st_size == file["bytes"]
        assert len(file["sha256"]) == 64
    brought = {p for p in cache.rglob("*") if p.is_file() and p.name[0] != "."}
    assert len(files) == len({p for p in brought if p.suffix != ".sha256"})
    written = [path for path in fetched.folder.rglob("*") if path.is_file()]
    assert any(".snakemake" in path.parts for path in written)
    assert any("logs" in path.parts for path in written)
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_what_is_gone_comes_again_and_nothing_else(fetched: Workspace, server: Publisher) -> None:
    server.requests.clear()
    (fetched.folder / "cache" / VOCABULARY).unlink()
    assert jobs(fetched.run("fetch")) == {"fetch": 1, "fetch_item": 1}
    assert server.paths == [VOCABULARY]


def test_the_cache_serves_a_machine_without_a_network(
    published: Workspace, fetched: Workspace, server: Publisher, tmp_path: Path
) -> None:
    tried = subprocess.run([*DENIED, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no network namespace can be made here: {tried.stderr.strip()}")
    workspace = made(published, tmp_path / "node", server)
    workspace.change("mirror", value=str(fetched.folder / "cache"))
    workspace.change("pools", BERTS, "checkpoints", "keep", value=False)
    command = [*DENIED, *workspace.command()]
    done = subprocess.run(
        command, cwd=workspace.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((fetched.folder / "cache").rglob("*.bin"))) == 3
    assert not list((workspace.folder / "cache").rglob("*.bin"))
    # A set whose errors are published is not looked for.
    data = {path.stem for path in (workspace.results / "data").glob("*.json")}
    assert "imagenet-r" in data  # one model alone has its error published
    assert not data & {"imagenet-v2", "imagenet-a"}
    for path in (workspace.results / AUGREG / "errors").glob("*.csv"):
        with open(path, newline="") as stream:
            rows = {row["part"]: row for row in csv.DictReader(stream)}
        assert {rows[part]["source"] for part in ("v2", "a")} == {"published"}
        assert {row["status"] for row in rows.values()} == {"ok"}


# -- planning


WATCH = """
import os, sys

KNOWN = (sys.prefix, sys.base_prefix)
REPORT = os.environ["WATCH_REPORT"]

def watch(event, arguments):
    line = ""
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        line = f"{event} {arguments[-1] if event == 'socket.connect' else arguments[0]}"
    elif event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        try:
            large = os.stat(path).st_size > 1_000_000 and os.path.isfile(path)
        except OSError:
            large = False
        if large and not path.startswith(KNOWN):
            line = f"open {path}"
    if line:
        handle = os.open(REPORT, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{line}\\n".encode())
        os.close(handle)

sys.addaudithook(watch)
"""


def plan(workspace: Workspace, *arguments: str) -> tuple[str, list[str]]:
    """What a dry run says, and which sockets and large files it opens."""
    folder = workspace.folder / "watch"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(WATCH)
    report = folder / "report"
    report.unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("WATCH_REPORT", str(report))
        said = workspace.run("-n", *arguments)
    return said, report.read_text().splitlines() if report.exists() else []


def sparse(path: Path) -> Path:
    """A file that is large and takes no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as stream:
        stream.truncate(2_000_000_000)
    return path


def large(workspace: Workspace) -> Workspace:
    """Data sets in folders and files of the user's, and models that are already there."""
    given = workspace.folder / "given"
    sparse(given / "imagenet" / "ILSVRC2012_img_train.tar")
    data = {
        "imagenet": {"folder": str(given / "imagenet"), "holdout": str(sparse(given / "held.npy"))},
        "cifar10": {"file": str(sparse(given / "cifar.npz"))},
        "cifar10-c": {"file": str(sparse(given / "CIFAR-10-C.tar"))},
        "imagenet-r": {"file": str(sparse(given / "imagenet-r.tar"))},
        "imagenet-a": {"folder": str(sparse(given / "a" / "photo.jpg").parent)},
    }
    workspace.change("data", value=data)
    workspace.change("cache", value=str(workspace.folder / "cache"))
    sparse(workspace.folder / "cache" / "huggingface.co" / "datasets" / "x.tar.gz")
    return workspace


def test_planning_at_the_papers_scale_opens_no_socket_and_no_large_file(tmp_path: Path) -> None:
    """All pools, no file converted yet but some, and both targets."""
    pools = list(yaml.safe_load((ROOT / "config.yaml").read_text())["pools"])
    workspace = Workspace.made(tmp_path, "../../config/paper.yaml", pools)
    large(workspace).change("scale", value="tiny")
    for pool in (AUGREG, BERTS):
        models = next(iter(csv.DictReader(open(tmp_path / f"resources/pools/{pool}.csv"))))  # noqa: SIM115
        sparse(workspace.results / pool / "checkpoints" / f"{models['model']}.safetensors")
    said, opened = plan(workspace)
    assert jobs(said)["evaluate"] == 634
    assert opened == []
    said, opened = plan(workspace, "fetch")
    assert jobs(said)["fetch_item"] > 234
    assert opened == []
