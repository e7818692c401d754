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
        faults: called with the handler, first to last, instead of the ordinary answer.
        delay: seconds before an answer.
        etag: identifies the version of the files.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.faults: list[Callable[[Handler], None]] = []
        self.delay = 0.0
        self.etag = '"one"'

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, HOST/PATH, in order."""
        return [unquote(path).lstrip("/") for path, _ in self.requests]

    def said(self, header: str) -> list[str | None]:
        """A header of each request."""
        return [headers.get(header) for _, headers in self.requests]


class Handler(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers.items())))
        time.sleep(self.server.delay)
        if self.server.faults:
            self.server.faults.pop(0)(self)
        else:
            self.serve()

    def serve(self, send: int | None = None) -> None:
        """The file from where it is asked for, or only the next ``send`` bytes of it."""
        file = self.server.folder / unquote(urlsplit(self.path).path).lstrip("/")
        if not file.is_file():
            return self.answer(404)
        body, asked = file.read_bytes(), self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, self.server.etag)
        start = int(asked[6:-1]) if asked and same else 0
        told = {"ETag": self.server.etag}
        if start >= len(body):
            return self.answer(416)
        if start:
            told["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self.answer(206 if start else 200, body[start:], send, **told)

    def answer(
        self, status: int, body: bytes = b"", send: int | None = None, **headers: str
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:send])

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
