"""Downloads from a server on this machine that cuts off, stalls, lies, and forgets."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from publisher import Handler, Publisher, publishing
from urllib3.util import Retry

from sharpness.io import download as downloads
from sharpness.io import transfer
from sharpness.io.download import Absent, download_named, fetch
from sharpness.io.errors import UserError
from sharpness.io.transfer import Checksum

URL = "https://host.example/folder/data.bin"
PLACE = "host.example/folder/data.bin"
BODY = bytes(range(256)) * 1000
SHA256 = f"sha256 {hashlib.sha256(BODY).hexdigest()}"
MD5 = f"md5 {hashlib.md5(BODY).hexdigest()}"
GIT_BLOB = "git-blob ed99543dba99b885850a5e5a6bf95545aaa9754c"  # by `git hash-object`
TOKEN = "hf_0123456789secret"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A server on this machine, few retries, no proxy and no token."""
    for name in [n for n in os.environ if n.lower().endswith("_proxy") or n == "HF_TOKEN"]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(transfer, "RETRY", Retry(2, backoff_factor=0.01, status_forcelist=(503,)))
    put(tmp_path / "served" / PLACE)
    with publishing(tmp_path / "served") as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def put(path: Path, content: bytes = BODY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def refused(*words: object, kind: type[UserError] = UserError, **arguments: Any) -> None:
    """`fetch` raises one line that says these words."""
    with pytest.raises(kind) as problem:
        fetch(**{"url": URL, **arguments})
    message = str(problem.value)
    assert message.isprintable()
    for word in words:
        assert str(word) in message


def status(code: int) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(code)


def sending(count: int) -> Callable[[Handler], None]:
    """Send some bytes of what was promised, then hang up."""
    return lambda handler: handler.serve(count)


def redirect(address: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(307, Location=address)


def network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the publisher's own server have the file; who was asked, in order."""
    original, asked = transfer.download, []

    def download(url: str, part: Path, claim: Checksum) -> None:
        asked.append(url)
        if url != URL:
            return original(url, part, claim)
        part.write_bytes(BODY)

    monkeypatch.setattr(downloads, "download", download)
    return asked


# -- the ordinary course


def test_a_file_is_brought_once_and_its_folder_is_a_mirror(server: Publisher, cache: Path) -> None:
    wanted: dict[str, Any] = {"size": len(BODY), "checksum": SHA256, "offline": True}
    for _ in range(2):
        path = fetch(URL, cache, mirror=server.url, **wanted)
    assert server.paths == [PLACE]
    assert path == cache / PLACE
    assert path.read_bytes() == BODY
    assert {file.name for file in path.parent.iterdir()} == {"data.bin", ".data.bin.lock"}
    assert fetch(URL, cache / "next", mirror=cache, offline=True).read_bytes() == BODY
    put(server.folder / "h.example" / "a b" / "c=d.bin")
    path = fetch("https://h.example/a%20b/c%3Dd.bin?download=1", cache, mirror=server.url)
    assert path == cache / "h.example" / "a b" / "c=d.bin"


@pytest.mark.parametrize("checksum", [SHA256, MD5, GIT_BLOB, f"md5 0; {SHA256}"])
def test_a_published_digest_is_enforced_on_what_comes_and_on_what_is_here(
    server: Publisher, cache: Path, checksum: str
) -> None:
    wanted: dict[str, Any] = {"folder": cache, "mirror": server.url, "checksum": checksum}
    put(server.folder / PLACE, BODY[:-1] + b"?")
    refused(PLACE, "refused", "published", **wanted)
    assert not (cache / PLACE).exists()
    put(server.folder / PLACE)
    fetch(URL, **wanted)
    put(cache / PLACE, BODY[::-1])
    refused(cache / PLACE, "published", "delete", **wanted)
    other = {**wanted, "folder": cache / "next"}
    refused(PLACE, len(BODY), len(BODY) + 1, size=len(BODY) + 1, **other)
    assert not list(cache.rglob("*.part"))


def test_without_a_published_digest_the_first_one_is_pinned(server: Publisher, cache: Path) -> None:
    wanted: dict[str, Any] = {"folder": cache, "mirror": server.url}
    path = fetch(URL, **wanted)
    pin = path.with_name("data.bin.sha256")
    assert pin.read_text() == f"{SHA256.split()[1]}  data.bin\n"
    put(path, b"changed here")
    refused(path, pin, **wanted)
    refused("refused", pin, folder=cache / "next", mirror=cache, offline=True)
    # The pin outlives the file: another content from the server is refused as well.
    path.unlink()
    put(server.folder / PLACE, BODY[::-1])
    refused(PLACE, pin, **wanted)
    assert not path.exists()
    put(server.folder / PLACE)
    assert fetch(URL, **wanted).read_bytes() == BODY


# -- who is asked


@pytest.mark.parametrize("mirror", [None, "directory", "server"])
def test_offline_absence_says_which_settings_change_it(
    server: Publisher, cache: Path, mirror: str | None
) -> None:
    server.faults = [status(404)]
    place = {None: None, "directory": str(cache / "empty"), "server": server.url}[mirror]
    words = (URL, "`offline: false`", "`mirror`", place or "a mirror", PLACE)
    refused(*words, kind=Absent, folder=cache, mirror=place, offline=True)
    assert cache.exists() == (mirror == "server")


@pytest.mark.parametrize("code", [404, 503, None])
def test_the_network_is_asked_after_a_mirror_that_fails(
    server: Publisher,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: int | None,
) -> None:
    asked = network(monkeypatch)
    mirror = server.url if code else "http://127.0.0.1:1"
    server.faults = [status(code)] * 3 if code else []
    assert fetch(URL, cache, mirror=mirror).read_bytes() == BODY
    assert asked == [f"{mirror}/{PLACE}", URL]
    assert ("asking the next source" in caplog.text) == (code != 404)


@pytest.mark.parametrize("path", ["", "a/../../x", "a/%2e%2e/x", "./x", "a//x", "a%2F..%2Fx"])
def test_an_address_cannot_leave_the_folder(cache: Path, path: str) -> None:
    refused("names no file", folder=cache, url=f"https://host.example/{path}")
    refused("https", folder=cache, url=f"ftp://host.example/{path}")


@pytest.mark.parametrize("checksum", ["", MD5])
def test_plain_http_without_a_sha256_is_refused(cache: Path, checksum: str) -> None:
    url = "http://host.example/data.bin"
    refused(url, "plain http", "sha256", folder=cache, url=url, checksum=checksum)
    mirror = "http://mirror.example"
    refused(mirror, "plain http", folder=cache, mirror=mirror, checksum=checksum)


def test_plain_http_brings_what_a_sha256_proves_from_its_server_alone(
    server: Publisher, cache: Path
) -> None:
    url = f"{server.url}/{PLACE}"
    elsewhere = f"http://localhost:{server.server_port}/{PLACE}"  # it would answer
    server.faults = [redirect(elsewhere)]
    refused(url, "localhost", folder=cache, url=url, checksum=SHA256)
    server.faults = [redirect(elsewhere)]
    refused(PLACE, "localhost", folder=cache, mirror=server.url, offline=True)
    assert len(server.requests) == 2
    server.faults = [redirect(f"{url}?again")]
    assert fetch(url, cache, checksum=SHA256).read_bytes() == BODY


# -- what goes wrong on the way


def test_a_cut_off_transfer_goes_on_where_it_stopped(server: Publisher, cache: Path) -> None:
    """Eight interruptions, where two without progress would be the end."""
    server.faults = [sending(20_000)] * 8
    path = fetch(URL, cache, mirror=server.url)
    assert path.read_bytes() == BODY
    assert server.said("Range") == [None, *(f"bytes={n * 20_000}-" for n in range(1, 9))]
    assert not list(path.parent.glob("*.part*"))


def test_a_stalled_server_is_left_and_asked_again(
    server: Publisher, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def stall(handler: Handler) -> None:
        handler.serve(100_000)
        handler.wfile.flush()
        released.wait(20)

    monkeypatch.setattr(transfer, "TIMEOUT", (10.0, 0.2))
    server.faults = [stall]
    assert fetch(URL, cache, mirror=server.url).read_bytes() == BODY
    released.set()
    assert server.said("Range")[1] == "bytes=65536-"


def test_what_stays_cut_off_is_kept_for_the_next_run(server: Publisher, cache: Path) -> None:
    server.faults = [sending(100_000), sending(0), sending(0)]
    words = (PLACE, "cut off after 100000 bytes", "run again")
    refused(*words, folder=cache, mirror=server.url, offline=True)
    assert not (cache / PLACE).exists()
    assert not server.faults
    assert fetch(URL, cache, mirror=server.url).read_bytes() == BODY
    assert server.said("Range")[-1] == "bytes=100000-"


@pytest.mark.parametrize(
    ("part", "tag", "checksum", "asked"),
    [
        (BODY[:50_000], '"one"', "", ["bytes=50000-"]),
        (BODY[:50_000], '"one"', SHA256, ["bytes=50000-"]),
        (BODY[:50_000], None, SHA256, ["bytes=50000-"]),
        (b"old" * 1000, '"zero"', "", ["bytes=3000-"]),  # another version: sent whole
        (b"old" * 1000, None, "", [None]),  # an unknown version, and no digest to tell
        (BODY, '"one"', "", ["bytes=256000-", None]),
    ],
)
def test_a_killed_run_is_continued_and_two_versions_are_never_joined(
    server: Publisher, cache: Path, part: bytes, tag: str | None, checksum: str, asked: list[Any]
) -> None:
    put(cache / f"{PLACE}.part", part)
    if tag:
        put(cache / f"{PLACE}.part.tag", tag.encode())
    assert fetch(URL, cache, mirror=server.url, checksum=checksum).read_bytes() == BODY
    assert server.said("Range") == asked
    put(cache / "next" / f"{PLACE}.part", b"old" * 1000)  # another version: the digest tells
    refused("refused", folder=cache / "next", mirror=server.url, checksum=SHA256)


@pytest.mark.parametrize(("code", "times"), [(403, 1), (503, 3), (500, 1)])
def test_a_busy_server_is_asked_again_and_a_refusing_one_is_one_line(
    server: Publisher, cache: Path, code: int, times: int
) -> None:
    server.faults = [status(code)] * times
    refused(PLACE, code, folder=cache, mirror=server.url, offline=True)
    assert not server.faults
    server.faults = [status(503)] * 2
    assert fetch(URL, cache, mirror=server.url, offline=True).read_bytes() == BODY


def test_room_is_checked_before_the_transfer(
    server: Publisher, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = len(BODY) - 1

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    refused(PLACE, len(BODY), f"{Usage.free} free", folder=cache, mirror=server.url)
    assert not list(cache.rglob("data.bin*"))
    put(cache / f"{PLACE}.part", BODY[:50_000])  # what is left of a continued transfer fits
    fetch(URL, cache, mirror=server.url, checksum=SHA256)


# -- two runs at once


def _fetch(folder: Path, mirror: str) -> None:
    fetch(URL, folder, mirror=mirror)


def test_two_runs_at_once_transfer_once(server: Publisher, cache: Path) -> None:
    server.delay = 0.2
    context = multiprocessing.get_context("fork")
    runs = [context.Process(target=_fetch, args=(cache, server.url)) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    assert len(server.requests) == 1


READER = """
import os, sys
from sharpness.io.download import fetch, locked
cache, own, checksum = sys.argv[1:]
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
for place, mirror, digest in ((cache, None, ""), (cache, None, checksum), (own, cache, "")):
    path = fetch("https://host.example/folder/data.bin", place, checksum=digest, mirror=mirror,
                 offline=True)
with locked(fetch("https://host.example/folder/data.bin", cache, offline=True)):
    pass
"""


def test_another_user_reads_a_cache_that_is_not_his() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        cache = Path(name)
        cache.chmod(0o755)
        fetch(URL, cache, mirror=put(cache / "mirror" / PLACE).parents[2])
        (cache / "own").mkdir()
        os.chown(cache / "own", 65534, 65534)
        command = [sys.executable, "-c", READER, name, str(cache / "own"), SHA256]
        subprocess.run(command, check=True, cwd="/")
        assert (cache / "own" / PLACE).read_bytes() == BODY


# -- the token


def test_one_host_may_see_the_token() -> None:
    assert transfer.trusted("https://huggingface.co/a/resolve/main/b.bin")
    for url in (
        "http://huggingface.co/a",
        "https://huggingface.co:8443/a",
        "https://huggingface.co.example/a",
        "https://huggingface.co@host.example/a",
        "https://host.example/huggingface.co/a",
        None,
    ):
        assert not transfer.trusted(url)


@pytest.fixture
def gated(server: Publisher, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """A server that is taken for the token's host, and a token."""
    monkeypatch.setattr(transfer, "trusted", lambda url: str(url).startswith(f"{server.url}/"))
    monkeypatch.setenv("HF_TOKEN", f" {TOKEN}\n")
    return server


def test_the_token_goes_to_its_host_and_no_redirection_takes_it_elsewhere(
    gated: Publisher, cache: Path
) -> None:
    with publishing(gated.folder) as other:
        gated.faults = [redirect(f"{gated.url}/again"), redirect(f"{other.url}/{PLACE}")]
        with transfer._session(gated.url) as session:
            session.mount(other.url, session.get_adapter(f"{gated.url}/"))
            assert session.get(f"{gated.url}/first").content == BODY
        assert other.said("Authorization") == [None]
        assert gated.said("Authorization") == [f"Bearer {TOKEN}"] * 2
        fetch(URL, cache, mirror=other.url, offline=True)
        assert other.said("Authorization") == [None] * 2


@pytest.mark.parametrize("token", ["hf_0123\nX-Header: secret", "hf_sécret"])
def test_what_is_no_token_is_not_shown(
    gated: Publisher, cache: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match=r"^HF_TOKEN: [^\n]*$") as problem:
        fetch(URL, cache, mirror=gated.url)
    assert "hf_" not in str(problem.value)
    assert not gated.requests


def test_a_closed_door_names_the_variable_and_no_secret(gated: Publisher, cache: Path) -> None:
    gated.faults = [status(403)]
    with pytest.raises(UserError, match=r"HTTP 403.*HF_TOKEN") as problem:
        fetch(URL, cache, mirror=gated.url, offline=True)
    assert TOKEN not in str(problem.value)
    with pytest.raises(UserError, match=r"^mirror: ") as problem:
        fetch(URL, cache, mirror="https://me:mine@host.example/files")
    assert "mine" not in str(problem.value)


# -- the table


def test_the_table_knows_what_is_published_of_a_file(tmp_path: Path) -> None:
    cifar, hans = download_named("cifar10"), download_named("hans")
    assert cifar.url == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert cifar.bytes == 170_498_071
    assert cifar.digest("md5") == "c58f30108f718f92721af3b95e74349a"
    assert cifar.digest("sha256") is None
    assert hans.claims() == {
        "size": None,
        "checksum": "git-blob e042af242b19708d9c0256c713e873415c0b58a1",
    }
    with pytest.raises(UserError, match=r"downloads.csv: has no download named 'x'"):
        download_named("x")
