"""Listeners: does each of several live streams to one service get its computing done within a hop, and when is it told?

A real ``sonoscope serve``; streams of plucked notes are sent to it in real time, a hop (20 ms) a message, all at once.
The service says how long its listeners computed on each message (the 95th percentile of each second); this client
measures, by its own clock, from sending the last sample that a frame of notes needs to receiving that frame.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from live import RATE, plucked
from measure import ENVIRONMENT, Figure, Settings

HOP_S = 0.02
HOP = round(HOP_S * RATE)
LISTENERS = (1, 2, 4)


def run(settings: Settings) -> list[Figure]:
    """p95 of the computing for a hop, and of the way there and back, for one, two and four listeners."""
    sound, _ = plucked(3.0 if settings.quick else 30.0)
    due = frames_due(sound)
    figures = []
    with served(settings.folder / "state") as address:
        for model in ("notes", "notes,instruments"):
            for count in LISTENERS:
                figures += together(address, model, count, sound, due)
    return figures


def frames_due(sound: np.ndarray) -> list[int]:
    """For each message about frames of notes, which message of sound it answers: what is told depends on sound only."""
    from sonoscope import models
    from sonoscope.models.runtime import Runtime
    from sonoscope.service.live import Telling

    told: list[dict] = []
    bundle = models.load("notes")
    stream = Telling(bundle, Runtime(bundle), tell=told.append).begin(RATE)
    due: list[int] = []
    for number, first in enumerate(range(0, len(sound) - HOP + 1, HOP)):
        stream.push(sound[first : first + HOP])
        due += [number] * (len(told) - len(due))
    return due


@contextmanager
def served(state: Path) -> Iterator[str]:
    """The address of a service."""
    command = [
        sys.executable,
        "-m",
        "sonoscope",
        "serve",
        "--port",
        "0",
        "--workers",
        "1",
        "--state",
        str(state),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert process.stdout is not None
        yield "ws" + process.stdout.readline().strip().removeprefix("http") + "live"
    finally:
        process.terminate()
        process.wait()


def together(address: str, model: str, count: int, sound: np.ndarray, due: list[int]) -> list[Figure]:
    """The figures of so many listeners at a time."""
    streams = asyncio.run(_all(address, model, count, sound))
    seconds = [pace for _, messages in streams for _, pace in messages if pace["kind"] == "pace"]
    ends = [messages[-1][1] for _, messages in streams]
    late = []
    for sent, messages in streams:
        frames = [at for at, message in messages if message["kind"] == "frames"]
        late += [at - sent[number] for at, number in zip(frames, due, strict=False)]
    per_hop, way = [1000 * one["p95"] for one in seconds], np.percentile(late, [50, 95, 99]) * 1000
    who = f"{count} listener{'s' * (count > 1)}, {model}"
    details = {
        "seconds": len(seconds), "median_ms": round(statistics.median(per_hop), 2), "worst_second_ms": max(per_hop),
        "seconds_above_a_hop": sum(one > 1000 * HOP_S for one in per_hop),
        "lost_s": sum(end["lost"] for end in ends), "load_average": os.getloadavg()[0],
    }  # fmt: skip
    return [
        Figure(f"computing for a hop, p95, {who}", float(np.percentile(per_hop, 95)), "ms", "< 20", details),
        Figure(
            f"sound sent to frame told, p95, {who}", float(way[1]), "ms", "",
            {"median_ms": round(float(way[0]), 2), "p99_ms": round(float(way[2]), 2)},
        ),
    ]  # fmt: skip


async def _all(address: str, model: str, count: int, sound: np.ndarray) -> list[tuple[list[float], list]]:
    return await asyncio.gather(*(_one(address, model, sound) for _ in range(count)))


async def _one(address: str, model: str, sound: np.ndarray) -> tuple[list[float], list]:
    """When each message was sent, and what came when."""
    import websockets

    sent: list[float] = []
    async with websockets.connect(address, max_queue=None) as socket:
        await socket.send(
            json.dumps({"rate": RATE, "model": model, "sample_format": "f32le", "scores": True})
        )
        await socket.recv()

        async def play() -> None:
            began = time.perf_counter()
            for number, first in enumerate(range(0, len(sound) - HOP + 1, HOP), start=1):
                sent.append(time.perf_counter())
                await socket.send(sound[first : first + HOP].tobytes())
                await asyncio.sleep(max(began + number * HOP_S - time.perf_counter(), 0))
            await socket.send('{"kind": "end"}')

        playing = asyncio.create_task(play())
        heard = [(time.perf_counter(), json.loads(message)) async for message in socket]
        await playing
    return sent, heard
