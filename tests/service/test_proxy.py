"""Behind a proxy that adds a prefix, as nginx does with ``location /sound/ { proxy_pass http://127.0.0.1:8000/; }``."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.service.conftest import start

PREFIX = "/sound"
CHROMIUM = os.environ.get("SONOSCOPE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


class Proxy:
    """A server at ``url`` that takes ``PREFIX`` off, names the service as the host, and passes bytes both ways.

    What does not begin with the prefix it answers with 404. A connection carries one request, or one WebSocket.
    """

    def __init__(self) -> None:
        self.port_behind = 0
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._pass_on, "127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.url = self.origin + PREFIX
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
            method, path, version = first.decode().split(" ")
            if not path.startswith(PREFIX + "/"):
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                writer.close()
                return
            upgrades = any(line.lower().startswith(b"upgrade:") for line in lines)
            dropped = (b"host:",) if upgrades else (b"host:", b"connection:")
            lines = [line for line in lines if not line.lower().startswith(dropped)]
            lines += [f"Host: 127.0.0.1:{self.port_behind}".encode()]
            lines += [] if upgrades else [b"Connection: close"]
            behind, ahead = await asyncio.open_connection("127.0.0.1", self.port_behind)
            head = f"{method} {path.removeprefix(PREFIX)} {version}".encode()
            ahead.write(b"\r\n".join([head, *lines]) + b"\r\n\r\n")
            await asyncio.gather(_copy(reader, ahead), _copy(behind, writer))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await source.read(1 << 16):
            target.write(block)
            await target.drain()
    # Who asks may have no more to say and still listen; who answers has no more to hear.
    target.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    made = Proxy()
    served = start(
        tmp_path_factory.mktemp("behind"), "--allow-origin", made.origin, "--auth-token", "a-long-secret"
    )
    made.port_behind = int(served.url.rpartition(":")[2])
    yield made
    served.kill()
    made.close()


@pytest.fixture
def http(proxy: Proxy) -> Iterator[httpx.Client]:
    """A client that has the cookie, as a browser would."""
    with httpx.Client(base_url=proxy.url, timeout=120) as client:
        assert client.post("/session", json={"token": "a-long-secret"}).status_code == 204
        yield client


def test_addresses_in_answers_lead_back_through_the_proxy(
    http: httpx.Client, proxy: Proxy, song: Path
) -> None:
    def at(answer: httpx.Response, address: str) -> httpx.Response:
        """What lies there, found as a browser finds it."""
        return http.get(answer.url.join(address))

    files, later = {"file": ("a.wav", song.read_bytes())}, {"Prefer": "respond-async"}
    made = http.post("/recordings", files=files)
    recording = at(made, made.headers["location"])
    assert recording.json()["recording"]["name"] == "a.wav"
    asked = http.post(f"{made.headers['location']}/analyze")
    for job in (asked, http.post("/analyze?format=csv", files=files, headers=later)):
        assert job.status_code == 202
        while (now := at(job, job.headers["location"])).json()["job"]["ended"] is None:
            pass
        assert at(now, now.json()["job"]["result"]["href"]).status_code == 200


def test_the_cookie_is_for_the_service_alone(http: httpx.Client) -> None:
    (cookie,) = http.cookies.jar
    assert cookie.path == PREFIX, "what else the host serves does not get the token"
    assert http.get("/models").status_code == 200
    assert http.delete("/session").status_code == 204
    assert not list(http.cookies.jar) and http.get("/models").status_code == 401


def test_live_sound_goes_through(proxy: Proxy) -> None:
    websockets = pytest.importorskip("websockets")

    async def heard() -> list[dict[str, Any]]:
        url = f"ws{proxy.url.removeprefix('http')}/live"
        async with websockets.connect(url, origin=proxy.origin) as socket:
            await socket.send(json.dumps({"rate": 16_000, "model": "instruments", "token": "a-long-secret"}))
            await socket.send(bytes(32_000))
            await socket.send('{"kind": "end"}')
            return [json.loads(message) async for message in socket]

    messages = asyncio.run(heard())
    assert messages[0]["kind"] == "stream" and messages[-1]["kind"] == "end"


def test_a_proxy_that_passes_no_websockets_is_told(http: httpx.Client) -> None:
    answer = http.get("/live")
    assert answer.status_code == 426 and answer.headers["upgrade"] == "websocket"
    assert "Upgrade" in answer.json()["error"]["remedy"]


@pytest.mark.slow
def test_the_page_hears_a_song_behind_the_proxy(proxy: Proxy, song: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no Chromium")
    wrong: list[str] = []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--mute-audio"])
        tab = browser.new_page()
        tab.on("response", lambda answer: answer.status >= 400 and wrong.append(answer.url))
        tab.goto(f"{proxy.url}/")
        tab.fill("#token", "a-long-secret")
        tab.press("#token", "Enter")
        tab.wait_for_selector("html[data-ready]")
        tab.set_input_files("#files", str(song))
        tab.wait_for_selector("#downloads button", timeout=120_000)
        browser.close()
    assert not wrong
