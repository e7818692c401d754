"""Downloads against a server on this machine that cuts off, stalls, lies, and forgets."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest
from urllib3.util import Retry

from sharpness.downloads import fetch as downloads
from sharpness.downloads import transfer
from sharpness.downloads.fetch import Absent, fetch, known
from sharpness.downloads.verification import Claim
from sharpness.problem import Problem

URL = "https://host.example/folder/data.bin"
PLACE = "host.example/folder/data.bin"
BODY = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()
GIT_BLOB = "ed99543dba99b885850a5e5a6bf95545aaa9754c"  # by `git hash-object`


class Server(ThreadingHTTPServer):
    """Serves ``body`` at every path, and misbehaves on request.

    Attributes:
        faults: called with the handler, first to last, instead of the ordinary answer.
        requests: path and Range header of each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = BODY
        self.etag: str | None = '"one"'
        self.ranges = True
        self.faults: list[Callable[[Handler], None]] = []
        self.requests: list[tuple[str, str | None]] = []
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        if self.server.faults:
            self.server.faults.pop(0)(self)
        else:
            self.answer()

    def answer(self, send: int | None = None) -> None:
        """The honest answer, or only its first ``send`` bytes."""
        body, server, wanted = self.server.body, self.server, self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, server.etag)
        start = int(wanted[6:-1]) if wanted and server.ranges and same else 0
        if start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        self.wfile.write(body[start:][:send])

    def log_message(self, format: str, *args: object) -> None:
        pass


def cut_off(handler: Handler) -> None:
    """Send 100,000 bytes of what was promised, then hang up."""
    handler.answer(100_000)


def stall(handler: Handler) -> None:
    """Send 100,000 bytes, then nothing."""
    handler.answer(100_000)
    handler.wfile.flush()
    handler.server.release.wait(20)


def status(code: int) -> Callable[[Handler], None]:
    def fault(handler: Handler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return fault


def redirect(address: str) -> Callable[[Handler], None]:
    def fault(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", address)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return fault


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on this machine, no network behind it, and few retries."""
    quick = Retry(total=2, backoff_factor=0.01, status_forcelist=(503,))
    monkeypatch.setattr(transfer, "RETRY", quick)
    monkeypatch.setattr(transfer, "TIMEOUT", (10.0, 20.0))
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


def one_line(problem: pytest.ExceptionInfo[Problem], *words: str) -> None:
    """The message is one line and names what it is about."""
    message = str(problem.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def final(folder: Path) -> Path:
    return folder / PLACE


def leave_part(folder: Path, content: bytes, tag: str | None) -> Path:
    """What a killed run leaves behind."""
    part = folder / f"{PLACE}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(content)
    if tag:
        part.with_name(part.name + ".tag").write_text(tag)
    return part


# -- the ordinary course


def test_a_file_is_brought_once_and_lies_as_in_a_mirror(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        path = fetch(URL, tmp_path, sha256=SHA256, size=len(BODY), mirror=server.url, offline=True)
        assert path == final(tmp_path)
        assert path.read_bytes() == BODY
    assert server.requests == [(f"/{PLACE}", None)]
    left = {file.name for file in path.parent.iterdir()}
    assert left == {"data.bin", ".data.bin.lock"}


def test_one_folder_is_the_mirror_of_the_next(server: Server, tmp_path: Path) -> None:
    fetch(URL, tmp_path / "first", mirror=server.url)
    path = fetch(URL, tmp_path / "second", mirror=tmp_path / "first", offline=True)
    assert path.read_bytes() == BODY
    assert len(server.requests) == 1


def test_names_with_spaces_and_a_query(server: Server, tmp_path: Path) -> None:
    path = fetch("https://h.example/a%20b/c%3Dd.bin?download=1", tmp_path, mirror=server.url)
    assert path == tmp_path / "h.example" / "a b" / "c=d.bin"
    assert server.requests[0][0] in ("/h.example/a%20b/c%3Dd.bin", "/h.example/a%20b/c=d.bin")


def test_progress_is_shown_on_stderr(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(URL, tmp_path, mirror=server.url)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "data.bin: 100%" in shown.err
    assert "B/s" in shown.err


@pytest.mark.parametrize("digest", [{"sha256": SHA256}, {"md5": MD5}, {"git_blob": GIT_BLOB}])
def test_a_published_digest_is_enforced_on_what_comes_and_on_what_is_here(
    server: Server, tmp_path: Path, digest: dict[str, str]
) -> None:
    server.body = BODY[:-1] + b"?"
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror=server.url, **digest)
    one_line(problem, URL, "refused", "published")
    assert not final(tmp_path).exists()
    server.body = BODY
    fetch(URL, tmp_path, mirror=server.url, **digest)
    final(tmp_path).write_bytes(BODY[::-1])
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror=server.url, **digest)
    one_line(problem, str(final(tmp_path)), "delete")


def test_without_a_published_digest_the_first_one_is_pinned(server: Server, tmp_path: Path) -> None:
    path = fetch(URL, tmp_path, mirror=server.url)
    pin = path.with_name("data.bin.sha256")
    assert pin.read_text() == f"{SHA256}  data.bin\n"
    path.write_bytes(b"changed here")
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror=server.url)
    one_line(problem, str(path), str(pin))
    # The pin outlives the file: another content from the server is refused as well.
    path.unlink()
    server.body = BODY[::-1]
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror=server.url)
    one_line(problem, URL, str(pin))
    assert not path.exists()
    server.body = BODY
    assert fetch(URL, tmp_path, mirror=server.url).read_bytes() == BODY


def test_a_file_put_there_by_hand_is_pinned_too(tmp_path: Path) -> None:
    final(tmp_path).parent.mkdir(parents=True)
    final(tmp_path).write_bytes(BODY)
    fetch(URL, tmp_path, offline=True)
    final(tmp_path).write_bytes(BODY[1:])
    with pytest.raises(Problem, match="pinned"):
        fetch(URL, tmp_path, offline=True)


def test_a_wrong_size_is_refused_before_anything_is_read(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, size=len(BODY) + 1, mirror=server.url, offline=True)
    one_line(problem, PLACE, str(len(BODY)), str(len(BODY) + 1))
    assert not list(tmp_path.rglob("*.part"))


# -- who is asked


@pytest.mark.parametrize("mirror", [None, "directory", "server"])
def test_offline_absence_says_which_settings_change_it(
    server: Server, tmp_path: Path, mirror: str | None
) -> None:
    server.faults = [status(404)]
    place = {None: None, "directory": str(tmp_path / "empty"), "server": server.url}[mirror]
    with pytest.raises(Absent) as problem:
        fetch(URL, tmp_path / "cache", mirror=place, offline=True)
    one_line(problem, URL, "`offline: false`", "`mirror`", str(place or "none is set"), PLACE)


def test_offline_without_a_mirror_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Absent):
        fetch(URL, tmp_path / "cache", offline=True)
    assert not (tmp_path / "cache").exists()


def test_the_network_is_asked_after_the_mirror(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def record(url: str, part: Path, size: int | None, *, verified: bool) -> None:
        asked.append(url)
        if url != URL:
            raise transfer.NotThere(f"{url}: not found (HTTP 404)")
        part.write_bytes(BODY)

    monkeypatch.setattr(downloads, "download", record)
    fetch(URL, tmp_path, mirror=server.url)
    assert asked == [f"{server.url}/{PLACE}", URL]


@pytest.mark.parametrize("fault", [403, 500, 503, None])
def test_a_mirror_that_fails_is_passed_over(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: int | None,
) -> None:
    server.faults = [status(fault)] * 3 if fault else []
    mirror = server.url if fault else "http://127.0.0.1:1"
    original = transfer.download

    def network(url: str, part: Path, size: int | None, *, verified: bool) -> None:
        if url != URL:
            return original(url, part, size, verified=verified)
        part.write_bytes(BODY)

    monkeypatch.setattr(downloads, "download", network)
    assert fetch(URL, tmp_path, mirror=mirror).read_bytes() == BODY
    (line,) = [r.getMessage() for r in caplog.records if r.name == downloads.log.name]
    assert line.startswith(f"{mirror}/{PLACE}: ")
    assert line.endswith("; asking the next source")


def test_not_found_anywhere(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults = [status(404)]
    with pytest.raises(Problem) as problem:
        transfer.download(f"{server.url}/x", tmp_path / "x.part", None, verified=False)
    one_line(problem, f"{server.url}/x", "404")
    assert isinstance(problem.value, transfer.NotThere)


@pytest.mark.parametrize(
    "url", ["http://host.example/x", "ftp://host.example/x", "https://host.example/", "x/y"]
)
def test_without_a_digest_only_https_files_are_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(Problem) as problem:
        fetch(url, tmp_path)
    one_line(problem, url)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a/%2e%2e/x", "./x", "a//x", "a%2F..%2Fx"])
def test_an_address_cannot_leave_the_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(Problem, match="names no file"):
        fetch(f"https://host.example/{path}", tmp_path)


@pytest.mark.parametrize("mirror", ["http://mirror.example", "ftp://mirror.example"])
def test_a_mirror_elsewhere_must_speak_https(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror=mirror)
    one_line(problem, "mirror", mirror)


def test_a_redirection_to_plain_http_is_refused(server: Server, tmp_path: Path) -> None:
    # The same server by another name: were the redirection followed, it would answer.
    server.faults = [redirect(f"http://localhost:{server.server_port}/{PLACE}")]
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror=server.url)
    one_line(problem, PLACE, "localhost")
    assert len(server.requests) == 1
    assert not final(tmp_path).exists()


def test_the_network_session_has_no_plain_http() -> None:
    session = transfer._session(URL)
    assert list(session.adapters) == ["https://"]
    session = transfer._session("http://host.example:81/x")
    assert set(session.adapters) == {"https://", "http://host.example:81/"}


def test_plain_http_brings_what_a_sha256_proves(server: Server, tmp_path: Path) -> None:
    url = f"{server.url}/data.bin"
    path = fetch(url, tmp_path, sha256=SHA256)
    assert path == tmp_path / "127.0.0.1" / "data.bin"
    assert path.read_bytes() == BODY
    server.body = BODY[::-1]
    with pytest.raises(Problem) as problem:
        fetch(url, tmp_path / "again", sha256=SHA256)
    one_line(problem, url, "refused", "published")
    assert not list(tmp_path.glob("again/*/data.bin*"))


@pytest.mark.parametrize("claims", [{}, {"md5": MD5}, {"git_blob": GIT_BLOB}, {"size": len(BODY)}])
def test_plain_http_without_a_sha256_is_refused(
    server: Server, tmp_path: Path, claims: dict[str, Any]
) -> None:
    """Nobody is asked, a mirror no more than the server."""
    url = f"{server.url}/data.bin"
    for mirror in (None, server.url):
        with pytest.raises(Problem) as problem:
            fetch(url, tmp_path, mirror=mirror, **claims)
        one_line(problem, url, "plain http", "sha256", "https")
    assert not server.requests
    assert not list(tmp_path.iterdir())


def test_plain_http_does_not_lead_to_another_server(server: Server, tmp_path: Path) -> None:
    url = f"{server.url}/data.bin"
    server.faults = [redirect(f"http://localhost:{server.server_port}/data.bin")]
    with pytest.raises(Problem) as problem:
        fetch(url, tmp_path, sha256=SHA256)
    one_line(problem, url, "localhost")
    assert len(server.requests) == 1
    server.faults = [redirect(f"{server.url}/elsewhere")]
    assert fetch(url, tmp_path, sha256=SHA256).read_bytes() == BODY


def test_a_mirror_serves_what_is_published_by_plain_http(server: Server, tmp_path: Path) -> None:
    url = "http://host.example/folder/data.bin"
    path = fetch(url, tmp_path, sha256=SHA256, mirror=server.url, offline=True)
    assert path == final(tmp_path)
    assert server.requests == [(f"/{PLACE}", None)]


# -- what goes wrong on the way


def test_a_cut_off_transfer_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.faults = [cut_off, cut_off]
    path = fetch(URL, tmp_path, sha256=SHA256, mirror=server.url)
    assert path.read_bytes() == BODY
    assert [wanted for _, wanted in server.requests] == [None, "bytes=100000-", "bytes=200000-"]
    assert not list(path.parent.glob("*.part*"))


def test_patience_lasts_as_long_as_there_is_progress(server: Server, tmp_path: Path) -> None:
    """Eight interruptions where two without progress would be the end."""
    server.faults = [lambda handler: handler.answer(20_000)] * 8
    assert fetch(URL, tmp_path, mirror=server.url).read_bytes() == BODY
    assert not server.faults


def test_a_stalled_server_is_left_and_asked_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT", (10.0, 1.0))
    server.faults = [stall]
    path = fetch(URL, tmp_path, mirror=server.url)
    assert path.read_bytes() == BODY
    assert server.requests[1][1] == "bytes=65536-"


def test_what_stays_cut_off_is_one_line_and_kept_for_the_next_run(
    server: Server, tmp_path: Path
) -> None:
    def nothing_more(handler: Handler) -> None:
        handler.answer(0)

    server.faults = [cut_off, nothing_more, nothing_more]
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror=server.url)
    one_line(problem, PLACE, "cut off after 100000 bytes", "run again")
    assert not final(tmp_path).exists()
    assert not server.faults
    fetch(URL, tmp_path, mirror=server.url)
    assert server.requests[-1][1] == "bytes=100000-"
    assert final(tmp_path).read_bytes() == BODY


def test_a_killed_run_is_continued(server: Server, tmp_path: Path) -> None:
    leave_part(tmp_path, BODY[:50_000], '"one"')
    fetch(URL, tmp_path, mirror=server.url)
    assert server.requests == [(f"/{PLACE}", "bytes=50000-")]
    assert final(tmp_path).read_bytes() == BODY


def test_a_part_that_was_already_whole_is_taken(server: Server, tmp_path: Path) -> None:
    leave_part(tmp_path, BODY, '"one"')
    fetch(URL, tmp_path, mirror=server.url)
    assert final(tmp_path).read_bytes() == BODY


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    leave_part(tmp_path, BODY + b"more", '"one"')
    fetch(URL, tmp_path, mirror=server.url)
    assert final(tmp_path).read_bytes() == BODY


def test_two_versions_of_a_file_are_never_joined(server: Server, tmp_path: Path) -> None:
    """The server's file changed since the part was written, and nobody published a digest."""
    leave_part(tmp_path, b"old" * 1000, '"zero"')
    fetch(URL, tmp_path, mirror=server.url)
    assert final(tmp_path).read_bytes() == BODY


def test_a_part_of_unknown_version_is_continued_only_under_a_digest(
    server: Server, tmp_path: Path
) -> None:
    leave_part(tmp_path / "a", b"old" * 1000, None)
    fetch(URL, tmp_path / "a", mirror=server.url)
    assert final(tmp_path / "a").read_bytes() == BODY
    leave_part(tmp_path / "b", b"old" * 1000, None)
    with pytest.raises(Problem, match="refused"):
        fetch(URL, tmp_path / "b", mirror=server.url, sha256=SHA256)
    fetch(URL, tmp_path / "b", mirror=server.url, sha256=SHA256)
    assert [wanted for _, wanted in server.requests] == [None, "bytes=3000-", None]


def test_a_server_that_ignores_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    leave_part(tmp_path, BODY[:50_000], '"one"')
    fetch(URL, tmp_path, mirror=server.url)
    assert server.requests[0][1] == "bytes=50000-"
    assert final(tmp_path).read_bytes() == BODY


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.faults = [status(503), status(503)]
    assert fetch(URL, tmp_path, mirror=server.url).read_bytes() == BODY


@pytest.mark.parametrize(("code", "times"), [(403, 1), (503, 3), (500, 1)])
def test_a_refusing_server_is_one_line(
    server: Server, tmp_path: Path, code: int, times: int
) -> None:
    server.faults = [status(code)] * times
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror=server.url, offline=True)
    one_line(problem, PLACE, str(code))
    assert not server.faults


def test_a_server_that_is_not_there_is_one_line(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror="http://127.0.0.1:1", offline=True)
    one_line(problem, PLACE, "refused")


def test_room_is_checked_before_the_transfer(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = len(BODY) - 1

    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda path: Usage)
    for mirror in (server.url, str(tmp_path / "mirror")):
        final(tmp_path / "mirror").parent.mkdir(parents=True, exist_ok=True)
        final(tmp_path / "mirror").write_bytes(BODY)
        with pytest.raises(Problem) as problem:
            fetch(URL, tmp_path / "cache", mirror=mirror)
        one_line(problem, PLACE, str(len(BODY)), f"{Usage.free} free")
        assert not list((tmp_path / "cache").rglob("data.bin*"))
    # What is left of a continued transfer fits.
    leave_part(tmp_path / "half", BODY[:50_000], '"one"')
    fetch(URL, tmp_path / "half", mirror=server.url)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_is_one_line(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, mode: str) -> IO[bytes]:
        return open("/dev/full", mode)

    monkeypatch.setattr(transfer, "open", full, raising=False)
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror=server.url)
    one_line(problem, URL, "No space left on device")
    assert not final(tmp_path).exists()


def test_a_folder_that_cannot_be_made_is_one_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "host.example").write_text("a file in the way")
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror=server.url)
    one_line(problem, URL, "host.example")


# -- two runs at once


def _fetch_in_process(folder: str, mirror: str) -> None:
    fetch(URL, folder, mirror=mirror)


def test_two_runs_at_once_transfer_once(server: Server, tmp_path: Path) -> None:
    def slowly(handler: Handler) -> None:
        handler.server.release.wait(0.2)
        handler.answer()

    server.faults = [slowly] * 3
    context = multiprocessing.get_context("fork")
    runs = [
        context.Process(target=_fetch_in_process, args=(str(tmp_path), server.url))
        for _ in range(3)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    assert len(server.requests) == 1
    assert final(tmp_path).read_bytes() == BODY


def test_a_run_that_waits_says_so(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held, finished = threading.Event(), threading.Event()

    def hold() -> None:
        with downloads.locked(final(tmp_path)):
            held.set()
            finished.wait(20)

    def let_go(record: logging.LogRecord) -> bool:
        finished.set()
        return True

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    downloads.log.addFilter(let_go)
    try:
        fetch(URL, tmp_path, mirror=server.url)
    finally:
        downloads.log.removeFilter(let_go)
        finished.set()
        thread.join()
    assert "waiting for another run" in caplog.text


def test_the_lock_of_another_user_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = final(tmp_path).with_name(".data.bin.lock")

    def refusing(path: Path, mode: str = "r") -> Any:
        if mode != "r":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open(path, mode)

    monkeypatch.setattr(downloads, "open", refusing, raising=False)
    with downloads.locked(final(tmp_path)):  # no lock, but nothing else can be written there
        assert not lock.exists()
    lock.touch(0o444)
    with downloads.locked(final(tmp_path)), open(lock) as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(lock) as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


# -- the table


def test_the_table_knows_the_data_of_the_sweeps() -> None:
    cifar = known("cifar10")
    assert cifar.url == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert cifar.bytes == 170_498_071
    assert cifar.digest("md5") == "c58f30108f718f92721af3b95e74349a"
    assert cifar.digest("sha256") is None
    corrupted = known("cifar10-c")
    assert corrupted.bytes == 2_918_471_680
    assert corrupted.digest("md5") == "56bf5dcef84df0e2308c6dcbcbbd8499"
    assert len(corrupted.digest("sha256") or "") == 64


def test_the_table_knows_the_data_of_the_small_networks() -> None:
    """The digests that are published beside them."""
    md5 = {
        "abalone": "a769fd0119787cac09158fe08971e480",
        "fashion-mnist-train-images": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "fashion-mnist-train-labels": "25c81989df183df01b3e8a0aad5dffbe",
        "fashion-mnist-test-images": "bef4ecab320f06d8554ea6380940ec79",
        "fashion-mnist-test-labels": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    assert {name: known(name).digest("md5") for name in md5} == md5
    for name in [*md5, "cora-x", "cora-test-index"]:
        assert len(known(name).digest("sha256") or "") == 64
        assert known(name).bytes


def test_an_unknown_download_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"downloads.csv: has no download named 'x'"):
        known("x")
    table = tmp_path / "mine.csv"
    table.write_text("name,url,bytes,checksum,licence,note\nx,https://h.example/x,3,,free,mine\n")
    mine = known("x", table)
    assert (mine.bytes, mine.digest("md5")) == (3, None)


def test_a_size_or_a_digest_may_be_unknown() -> None:
    hans, vocabulary = known("hans"), known("bert-vocabulary")
    assert (hans.bytes, vocabulary.bytes, vocabulary.checksum) == (None, None, "")
    assert hans.digest("git-blob") == "e042af242b19708d9c0256c713e873415c0b58a1"
    assert [known("imagenet-r").digest(kind) for kind in ("md5", "git-blob")] == [None, None]


def test_a_git_blob_is_what_git_calls_it(tmp_path: Path) -> None:
    """Git's name for an empty file is known to everybody."""
    (tmp_path / "empty").write_bytes(b"")
    empty = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    Claim(tmp_path / "empty", git_blob=empty).check(tmp_path / "empty")
    with pytest.raises(Problem, match="git-blob is e69de"):
        Claim(tmp_path / "empty", git_blob=GIT_BLOB).check(tmp_path / "empty")


def test_downloads_import_no_torch() -> None:
    code = "import sys, sharpness.downloads, sharpness.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
