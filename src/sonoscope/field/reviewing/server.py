"""A page on this machine: the standard library's server, reachable from this machine only.

It serves the page, a sound and a picture for each clip, and takes verdicts. Requests that another web page could send
(a foreign ``Host`` or ``Origin``) are refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sonoscope.data import spectrogram
from sonoscope.errors import SonoscopeError, UsageError
from sonoscope.field.clipfolder import Clip, ClipFolder
from sonoscope.field.reviewing import page
from sonoscope.field.verdicts import Notebook

ADDRESS = "127.0.0.1"
#: Ports that are tried if nobody names one.
PORTS = range(8765, 8785)
#: The largest request that is read.
LARGEST = 10_000


class Desk(ThreadingHTTPServer):
    """Serves the clips of a folder to one reviewer.

    Parameters
    ----------
    folder : ClipFolder
    clips : sequence of Clip
        Those to judge, in order.
    notebook : Notebook
        Where verdicts go.
    port : int, optional
        None: the first of :data:`PORTS` that is free; 0: any.

    Raises
    ------
    UsageError
        If the port is in use.
    """

    daemon_threads = True

    def __init__(
        self, folder: ClipFolder, clips: Sequence[Clip], notebook: Notebook, port: int | None = None
    ) -> None:
        self.folder, self.clips, self.notebook = folder, list(clips), notebook
        self.by_number = {clip.clip: clip for clip in clips}
        for number in PORTS if port is None else [port]:
            try:
                super().__init__((ADDRESS, number), _Handler)
                return
            except OSError:
                continue
        wanted = f"port {port} is" if port is not None else f"ports {PORTS[0]} to {PORTS[-1]} are"
        raise UsageError(f"{wanted} in use: name another with --port, or --port 0 for any")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was closed or left while something was sent to it is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def image(self, number: str) -> tuple[bytes, dict[str, float]]:
        """The picture of a clip, and its facts."""
        file = self.folder.path / self.by_number[number].audio
        return _drawn(str(file), file.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _drawn(file: str, _changed: int) -> tuple[bytes, dict[str, float]]:
    samples, rate = spectrogram.read(file)
    return spectrogram.png(spectrogram.picture(samples, rate)), spectrogram.facts(file)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Desk
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        kind, _, number = self.path.strip("/").partition("/")
        if self.path in ("/", "/index.html"):
            desk = self.server
            html = page.served(desk.folder, desk.clips, desk.notebook.reviewer, desk.notebook.current)
            self._send(html.encode(), "text/html; charset=utf-8")
        elif kind in ("audio", "image", "facts") and number in self.server.by_number:
            self._clip(kind, number)
        else:
            self._fail(HTTPStatus.NOT_FOUND, f"there is no {self.path}")

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        size = int(self.headers.get("Content-Length") or 0)
        if self.path != "/verdict" or not 0 < size <= LARGEST:
            self._fail(HTTPStatus.NOT_FOUND, "only verdicts are taken")
            return
        if self.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            self._fail(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a verdict is JSON")
            return
        try:
            values = json.loads(self.rfile.read(size))
            self.server.notebook.judge(str(values["clip"]), str(values["verdict"]))
        except (ValueError, KeyError, TypeError, SonoscopeError) as error:
            self._fail(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            self._fail(HTTPStatus.INSUFFICIENT_STORAGE, f"{self.server.notebook.file}: {error.strerror}")
        else:
            self._send(b'{"saved":true}', "application/json")

    def _clip(self, kind: str, number: str) -> None:
        clip = self.server.by_number[number]
        try:
            if kind == "audio":
                self._send(
                    (self.server.folder.path / clip.audio).read_bytes(),
                    page.audio_kind(clip.audio),
                    keep=True,
                )
            elif kind == "image":
                self._send(self.server.image(number)[0], "image/png", keep=True)
            else:
                self._send(json.dumps(self.server.image(number)[1]).encode(), "application/json", keep=True)
        except (OSError, RuntimeError) as error:
            self._fail(HTTPStatus.NOT_FOUND, f"the sound of clip {number} cannot be read: {error}")

    def _is_ours(self) -> bool:
        """Whether the request comes from this page and not from another one that found the port."""
        own = {f"{name}:{self.server.server_port}" for name in (ADDRESS, "localhost")}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") in own and (origin is None or origin.partition("://")[2] in own):
            return True
        self._fail(HTTPStatus.FORBIDDEN, "this page is for this machine only")
        return False

    def _send(self, body: bytes, kind: str, *, keep: bool = False) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=3600" if keep else "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def _fail(self, status: HTTPStatus, reason: str) -> None:
        body = json.dumps({"error": reason}).encode()
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal belongs to the reviewer."""
