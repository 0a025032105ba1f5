"""A server on the loopback that can do all that servers do to downloads, and makers of small archives."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dstoolkit import stamp
from dstoolkit.corpora import fetch


class Server(ThreadingHTTPServer):
    """Serves ``files`` (path -> bytes). Its attributes say what it does wrong; ``asked`` what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[dict[str, str]] = []  # headers of each request, with its 'path'
        self.sent = 0  # bytes of bodies
        self.ranges = True  # knows Range
        self.version = '"1"'  # ETag; empty: sends none
        self.drops: list[int] = []  # hang up after so many bytes of a body, in this order, then no more
        self.status = 200  # other: answer that
        self.delay = 0.0  # s before an answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that hang up are part of the tests


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.asked.append({"path": self.path, **dict(self.headers.items())})
        time.sleep(server.delay)
        content = server.files.get(self.path)
        if content is None or server.status != 200:
            return self.send_error(404 if content is None else server.status)
        start = self.first_byte()
        if start >= len(content) > 0 and start:
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if server.version:
            self.send_header("ETag", server.version)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        body = body[: server.drops.pop(0)] if server.drops else body
        server.sent += len(body)  # before: a client that has it all may ask for the sum at once
        self.wfile.write(body)

    def first_byte(self) -> int:
        asked = self.headers.get("Range", "")
        same = self.headers.get("If-Range", self.server.version) == self.server.version
        if not (asked and self.server.ranges and same):
            return 0
        return int(asked.removeprefix("bytes=").partition("-")[0])


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """That outputs outlive a power cut is not tested here, and costs milliseconds per file."""
    monkeypatch.setattr(stamp, "sync", lambda _: None)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def tar_bytes(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def deb_bytes(data: bytes, member: str = "data.tar.xz") -> bytes:
    """A Debian package around a tar archive; deb(5), ar(5)."""
    out = b"!<arch>\n"
    control = tar_bytes({"./control": b"x"})
    for name, content in (("debian-binary", b"2.0\n"), ("control.tar.gz", control), (member, data)):
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
        out += header.encode() + content + b"\n" * (len(content) % 2)
    return out


@pytest.fixture
def make_tar() -> Any:
    return tar_bytes


@pytest.fixture
def make_deb() -> Any:
    return deb_bytes


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, stamps aside."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "stamp.json"
    }


@pytest.fixture
def read_tree() -> Any:
    return tree
