"""A web server of a folder, with and without ranges, that can be slow and can fail; and a folder of recordings."""

from __future__ import annotations

import html
import itertools
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import pytest
import soundfile

#: Low enough that generated sounds give events whatever the model has learnt.
THRESHOLD = "0.05"
#: What differs between two runs with the same results.
OWN = ("run.json", "settings.json", "guard", "journal-", "log-", "part-", "run.lock-")


class Web:
    """A folder at ``url``.

    ``ranges``: whether parts can be asked for; ``dated``: whether it says when a file was changed, else what its ETag
    is; ``latency_s``: before each answer; ``fails``: every how many requests one is refused for a moment (0: none);
    ``log``: method, path and range of what was asked; ``needs``: what the header Authorization must be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.ranges, self.latency_s, self.fails, self.needs = folder, True, 0.0, 0, ""
        self.dated = True
        self.log: list[tuple[str, str, str]] = []
        self._count = itertools.count(1)
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                web.answer(self, body=False)

            def do_GET(self) -> None:
                web.answer(self, body=True)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        asked = request.headers.get("Range", "")
        path = unquote(urlsplit(request.path).path)
        self.log.append((request.command, path, asked))
        time.sleep(self.latency_s)
        place = self.folder / path.strip("/")
        if self.fails and next(self._count) % self.fails == 0:
            self._send(request, 503, b"", {})
        elif self.needs and request.headers.get("Authorization") != self.needs:
            self._send(request, 401, b"", {})
        elif place.is_dir():
            names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in place.iterdir())
            links = "".join(f'<a href="{quote(name)}">{html.escape(name)}</a>\n' for name in names)
            page = f'<html><a href="?C=N">Name</a><a href="/">up</a>{links}</html>'.encode()
            self._send(request, 200, page if body else b"", {"Content-Type": "text/html"})
        elif not place.is_file():
            self._send(request, 404, b"", {})
        else:
            self._send_file(request, place, asked, body)

    def _send_file(self, request: BaseHTTPRequestHandler, file: Path, asked: str, body: bool) -> None:
        size = file.stat().st_size
        changed = formatdate(file.stat().st_mtime, usegmt=True)
        headers = {"Content-Type": "application/octet-stream"}
        if self.dated:
            headers["Last-Modified"] = changed
        else:
            headers["ETag"] = f'W/"{sha256(file.read_bytes()).hexdigest()}"'
        start, end, status = 0, size - 1, 200
        if self.ranges and asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(int(last or size - 1), size - 1), 206
            headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        with open(file, "rb") as source:
            source.seek(start)
            data = source.read(end - start + 1)
        headers["Content-Length"] = str(len(data))
        self._send(request, status, data if body else b"", headers)

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, data: bytes, headers: dict[str, str]
    ) -> None:
        request.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)


@pytest.fixture
def web(recordings: Path) -> Iterator[Web]:
    """The recordings on the web, with a page for each folder."""
    pytest.importorskip("aiohttp")
    server = Web(recordings)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails for a moment is asked again at once."""
    monkeypatch.setattr("sonoscope.audio.stores.FIRST_S", 0.01)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Five recordings of several kinds in two folders, one that is none, and what is no recording."""
    root = tmp_path / "recordings"
    for number, name in enumerate(("a b.wav", "s1/b.flac", "s1/c.wav", "s1/d.ogg", "s2/deep/e#1.flac")):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        time_s = np.arange(22_050 * (2 + number)) / 22_050
        noise = np.random.default_rng(number).standard_normal(time_s.size)
        soundfile.write(file, 0.3 * np.sin(2 * np.pi * (300 + 90 * number) * time_s) + 0.05 * noise, 22_050)
    (root / "z.wav").write_text("no sound")
    (root / "notes.txt").write_text("nothing to hear")
    return root


def contents(out: Path) -> dict[str, bytes]:
    """Every file of results and kept scores below a folder, by its path, without what says when and where."""
    return {
        file.relative_to(out).as_posix(): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and not file.name.startswith(OWN)
    }


@pytest.fixture(name="contents")
def _contents():
    return contents
