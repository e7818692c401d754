"""The token goes to its host alone, and shows nowhere; nothing else of the user's goes anywhere."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from publisher import Handler, Publisher, publishing
from urllib3.util import Retry

from sharpness.downloads import access, transfer
from sharpness.downloads.fetch import fetch
from sharpness.problem import Problem

TOKEN = "hf_0123456789secret"
BODY = b"what was asked for" * 100
PLACE = "huggingface.co/someone/model.bin"
URL = f"https://{PLACE}"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with all that libraries like to read, few retries, and no proxy."""
    folder = tmp_path / "home"
    (folder / ".cache" / "huggingface").mkdir(parents=True)
    (folder / ".cache" / "huggingface" / "token").write_text(TOKEN)
    (folder / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    (folder / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(folder))
    for name in ("HF_TOKEN", "HF_HOME", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(transfer, "RETRY", Retry(total=0, backoff_factor=0.01))
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Publisher]:
    (tmp_path / "served" / PLACE).parent.mkdir(parents=True)
    (tmp_path / "served" / PLACE).write_bytes(BODY)
    with publishing(tmp_path / "served") as server:
        yield server


def trust(monkeypatch: pytest.MonkeyPatch, server: Publisher) -> None:
    """Take a server of this machine for the token's host."""
    monkeypatch.setattr(access, "trusted", lambda url: str(url).startswith(f"{server.url}/"))


def said(server: Publisher) -> list[str | None]:
    """The Authorization header of each request."""
    return [headers.get("Authorization") for _, headers in server.requests]


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://huggingface.co/a/resolve/main/b.bin", True),
        ("http://huggingface.co/a", False),
        ("https://huggingface.co:8443/a", False),
        ("https://cdn-lfs.huggingface.co/a", False),
        ("https://huggingface.co.example/a", False),
        ("https://huggingface.co@host.example/a", False),
        ("https://host.example/huggingface.co/a", False),
        ("https://me:mine@huggingface.co/a", False),
        (None, False),
    ],
)
def test_one_host_may_see_the_token(url: str | None, allowed: bool) -> None:
    assert access.trusted(url) is allowed


def test_the_token_of_the_environment_goes_to_its_host(
    server: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, server)
    monkeypatch.setenv("HF_TOKEN", f" {TOKEN}\n")
    url = f"{server.url}/{PLACE}"
    fetch(url, tmp_path / "cache", sha256=hashlib.sha256(BODY).hexdigest())
    assert said(server) == [f"Bearer {TOKEN}"]


def test_no_file_in_the_home_is_read(
    server: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what huggingface_hub keeps nor ~/.netrc, which requests would send."""
    trust(monkeypatch, server)
    server.faults["once"] = lambda handler: handler.answer(302, Location=f"/{PLACE}")
    transfer.download(f"{server.url}/once", tmp_path / "x.part", None, verified=False)
    assert said(server) == [None, None]


def test_a_mirror_never_sees_the_token(
    server: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch(URL, tmp_path / "cache", mirror=server.url, offline=True)
    assert server.paths == [PLACE]
    assert said(server) == [None]


def test_no_redirection_takes_the_token_elsewhere(
    server: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, server)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with publishing(tmp_path / "served") as other:
        server.faults["away"] = lambda h: h.answer(307, Location=f"{other.url}/back")
        other.faults["back"] = lambda h: h.answer(307, Location=f"{server.url}/{PLACE}")
        with access.Session() as session:
            assert session.get(f"{server.url}/away").content == BODY
        assert said(other) == [None]
    assert said(server) == [f"Bearer {TOKEN}"] * 2


@pytest.mark.parametrize("token", ["hf_0123\nX-Header: secret", "hf_sécret", "hf_ secret"])
def test_what_is_no_token_is_not_shown(
    server: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    trust(monkeypatch, server)
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(Problem) as problem:
        transfer.download(f"{server.url}/{PLACE}", tmp_path / "x.part", None, verified=False)
    message = str(problem.value)
    assert message.startswith("HF_TOKEN: ")
    assert "hf_" not in message
    assert "\n" not in message
    assert not server.requests


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_closed_door_names_the_variable(
    server: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, token: str
) -> None:
    trust(monkeypatch, server)
    monkeypatch.setenv("HF_TOKEN", token)

    def closed(handler: Handler) -> None:
        handler.answer(status)

    server.faults[PLACE] = closed
    with pytest.raises(Problem) as problem:
        transfer.download(f"{server.url}/{PLACE}", tmp_path / "x.part", None, verified=False)
    message = str(problem.value)
    assert f"HTTP {status}" in message
    assert "HF_TOKEN" in message
    assert ("refuses the token" in message) == bool(token)
    assert TOKEN not in message
    assert "\n" not in message
    monkeypatch.setattr(access, "trusted", lambda url: False)
    with pytest.raises(Problem) as problem:
        transfer.download(f"{server.url}/{PLACE}", tmp_path / "x.part", None, verified=False)
    assert "HF_TOKEN" not in str(problem.value)


def test_a_proxy_of_the_environment_is_used(
    server: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    server.faults["data.bin"] = lambda handler: handler.answer(200, BODY)
    digest = hashlib.sha256(BODY).hexdigest()
    path = fetch("http://host.example/data.bin", tmp_path / "cache", sha256=digest)
    assert path.read_bytes() == BODY
    assert [asked for asked, _ in server.requests] == ["http://host.example/data.bin"]
    assert said(server) == [None]


def test_a_password_in_the_mirrors_address_is_refused_unseen(tmp_path: Path) -> None:
    with pytest.raises(Problem) as problem:
        fetch(URL, tmp_path, mirror="https://me:mine@host.example/files")
    assert str(problem.value).startswith("mirror: ")
    assert "mine" not in str(problem.value)
