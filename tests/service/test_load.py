"""Many at once: fifty uploads to two workers, and four listeners; every answer right, memory bounded."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile
from tests.service.conftest import Served, start

from sonoscope import models

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
UPLOADS, LISTENERS = 50, 4
#: Listeners are played to so many times slower than sound is: how many a machine keeps up with, ``benchmarks`` tells.
SLOWER = 4
#: The service itself and each worker, in KiB.
MOST_KIB = 900 << 10


def peaks_kib(served: Served) -> list[int]:
    """The most memory that the service and its workers have had."""
    status = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children")
    if not status.exists():
        pytest.skip("needs /proc")
    found = [served.process.pid, *map(int, status.read_text().split())]
    lines = [Path(f"/proc/{pid}/status").read_text() for pid in found]
    return [int(text.partition("VmHWM:")[2].split()[0]) for text in lines]


def test_fifty_uploads_at_once_are_all_answered_right(song: Path, tmp_path: Path) -> None:
    served = start(tmp_path, "--workers", "2")
    try:

        def ask(number: int) -> httpx.Response:
            files = {"file": (f"{number}.wav", song.read_bytes())}
            return httpx.post(f"{served.url}/analyze?threshold=0.01", files=files, timeout=300)

        one = ask(0).json()["files"][0]["events"]
        with ThreadPoolExecutor(UPLOADS) as pool:
            answers = list(pool.map(ask, range(UPLOADS)))
        assert [answer.status_code for answer in answers] == [200] * UPLOADS
        for number, answer in enumerate(answers):
            (file,) = answer.json()["files"]
            assert file["file"] == f"{number}.wav"
            assert [{**event, "file": "0.wav"} for event in file["events"]] == one
        peaks = peaks_kib(served)
        print(f"peaks of the service and its workers: {[peak >> 10 for peak in peaks]} MiB")
        assert len(peaks) == 3 and max(peaks) < MOST_KIB
        # A job goes once its answer is sent, which may be a moment after the client has it.
        until = time.monotonic() + 20
        while left := list((served.state / "jobs").iterdir()):
            assert time.monotonic() < until, left
            time.sleep(0.05)
    finally:
        served.kill()


def test_four_listeners_are_followed(song: Path, tmp_path: Path) -> None:
    websockets = pytest.importorskip("websockets")
    if "notes" not in models.names():
        pytest.skip("needs the model notes")
    served = start(tmp_path)
    samples, rate = soundfile.read(song, dtype="int16")
    step = rate // 50  # a hop of the model, 20 ms

    async def listener() -> list[dict[str, Any]]:
        async with websockets.connect(f"ws{served.url[4:]}/live") as socket:
            await socket.send(json.dumps({"rate": rate, "model": "notes"}))
            found = [json.loads(await socket.recv())]

            async def play() -> None:
                began = asyncio.get_running_loop().time()
                for count, first in enumerate(range(0, len(samples), step), start=1):
                    await socket.send(samples[first : first + step].tobytes())
                    wait = began + SLOWER * count * step / rate - asyncio.get_running_loop().time()
                    await asyncio.sleep(max(wait, 0))
                await socket.send('{"kind": "end"}')

            playing = asyncio.create_task(play())
            found += [json.loads(message) async for message in socket]
            await playing
            return found

    async def all_of_them() -> list[list[dict[str, Any]]]:
        return await asyncio.gather(*(listener() for _ in range(LISTENERS)))

    try:
        heard = asyncio.run(all_of_them())
    finally:
        served.kill()
    paces = [m for messages in heard for m in messages if m["kind"] == "pace"]
    print("computing for a second of sound:", sorted(m["compute"] for m in paces))
    print("p95 of the computing for 20 ms:", sorted(m["p95"] for m in paces))
    ends = [messages[-1] for messages in heard]
    assert all(end["kind"] == "end" and end["lost"] == 0 for end in ends)
    assert len({json.dumps([m for m in messages if m["kind"] in ("on", "off")]) for messages in heard}) == 1
