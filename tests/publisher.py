"""A server on this machine that stands for publishers or for a mirror, and remembers who asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Publisher(ThreadingHTTPServer):
    """Serves the files of a folder.

    Attributes:
        folder: laid out as the paths of the addresses.
        requests: address as it was asked for, and all headers.
        faults: called with the handler instead of the ordinary answer, by path.
        delay: seconds before an answer.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.faults: dict[str, Callable[[Handler], None]] = {}
        self.delay = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, HOST/PATH, in order."""
        return [unquote(path).lstrip("/") for path, _ in self.requests]


class Handler(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers.items())))
        time.sleep(self.server.delay)
        path = unquote(urlsplit(self.path).path).lstrip("/")
        if path in self.server.faults:
            return self.server.faults[path](self)
        file = self.server.folder / path
        if not file.is_file():
            return self.answer(404)
        self.answer(200, file.read_bytes())

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def publishing(folder: Path) -> Iterator[Publisher]:
    """A server of a folder, as long as the block lasts."""
    with Publisher(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
