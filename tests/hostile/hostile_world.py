"""What a hostile case is, and the watch that is kept while its file is read.

A case has a folder of its own, with ``given`` (the hostile file, and whatever it aims at) and
``work`` (where the workflow may write). Whatever acts touches ``given/canary``.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

CANARY = "canary"
ROOM = 1 << 30
"""Bytes of address space that a reader may add."""
MOST = 400 << 20
"""Bytes of memory that a reader may use."""
PATIENCE = 120
"""Seconds, on the slowest of machines; a reader that hangs is stopped then."""

ACTS = {
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.remove",
    "pty.spawn",
    "subprocess.Popen",
    "pickle.find_class",
    "ctypes.dlopen",
    "socket.connect",
    "socket.getaddrinfo",
}
"""Events that no reader of data has a reason for; removing is one only outside of ``work``."""

Maker = Callable[[Path], Path]
Reader = Callable[[Path, Path], Any]


@dataclass(frozen=True)
class Case:
    """A hostile file.

    Attributes:
        name: what is hostile about it.
        make: writes it, and what it needs, into the folder ``given``; returns its path.
        read: reads it as the workflow does; takes its path and the folder ``work``.
        says: words that the message must have, beside the file's name.
        names: what the message names in the file's place.
    """

    name: str
    make: Maker
    read: Reader
    says: tuple[str, ...] = ()
    names: str = ""


@dataclass
class Watch:
    """What happened while a file was read.

    Attributes:
        work: the only folder that may be written to.
        seen: events that must not be.
    """

    work: Path
    seen: list[str] = field(default_factory=list)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or set(mode or "") & set("wax+")
            if writes and isinstance(path, str | bytes) and not self._allowed(os.fsdecode(path)):
                self.seen.append(f"open {path!r} for writing")
        elif event == "os.remove":
            where = os.path.dirname(os.fsdecode(arguments[0]))  # a link itself goes
            if not self._allowed(where) and arguments[1] == -1:
                self.seen.append(f"{event} {arguments[0]!r}")
        elif event in ACTS or (event == "exec" and CANARY in _text(arguments[0])):
            self.seen.append(f"{event} {arguments!r}"[:500])

    def _allowed(self, path: str) -> bool:
        return path == os.devnull or Path(path).resolve().is_relative_to(self.work.resolve())


def _text(code: Any) -> str:
    return repr((code.co_consts, code.co_names)) if isinstance(code, CodeType) else repr(code)


_watch: Watch | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    global _watch
    if _watch is not None:
        watch, _watch = _watch, None  # what is done here is not watched
        try:
            watch.note(event, arguments)
        finally:
            _watch = watch


class TooLong(BaseException):
    """The reader hangs; no except clause of it takes this for a damaged file."""


def _stop(*_: Any) -> None:
    raise TooLong


@contextmanager
def watched(work: Path) -> Iterator[Watch]:
    """Notice what code in the block does, limit its memory, and stop it if it hangs."""
    global _watch
    if not _hook.__dict__.get("installed"):
        sys.addaudithook(_hook)  # stays for the life of the process
        _hook.__dict__["installed"] = True
    watch = Watch(work)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, _stop)
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + ROOM, hard))
    signal.alarm(PATIENCE)
    _watch = watch
    try:
        yield watch
    finally:
        _watch = None
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def small() -> Iterator[None]:
    """Assert that the block's largest use of memory is small."""
    Path("/proc/self/clear_refs").write_text("5")  # start anew from what is used now
    before = _status("VmRSS")
    yield
    assert _status("VmHWM") - before < MOST


def _status(name: str) -> int:
    """A number of this process in bytes, as Linux knows it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise KeyError(name)


def tree(root: Path) -> dict[str, Any]:
    """Everything under a folder: kind, and a file's bytes or a link's target."""
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content: Any = os.readlink(path) if path.is_symlink() else None
        if path.is_file() and not path.is_symlink():
            content = hash(path.read_bytes()) if status.st_size < 1 << 26 else status.st_size
        found[str(path.relative_to(root))] = (status.st_mode, content)
    return found
