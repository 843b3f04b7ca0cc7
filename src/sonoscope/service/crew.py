"""Worker processes as the service sees them: started, given tasks, stopped when they take too long, started again."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from sonoscope.service.faults import Fault
from sonoscope.service.settings import Settings

#: A message is a line; none is near as long as this.
LONGEST_LINE = 1 << 20
#: Starting Python and its libraries takes no longer than this on a busy machine.
START_S = 120.0


class Process:
    """A process of the service's own: ``python -m MODULE``, told its limits; lines come from it."""

    def __init__(self, settings: Settings, module: str) -> None:
        self._settings, self._module = settings, module
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it, unless it runs, and wait until it is ready."""
        if self.is_running:
            return
        told = {
            "memory_bytes": self._settings.memory_bytes,
            "models": str(self._settings.models.absolute()) if self._settings.models else "",
            "models_kept": self._settings.models_kept,
            "max_duration": self._settings.max_duration,
        }
        # A folder without files: no option can be taken for the name of one.
        empty = self._settings.state / "empty"
        empty.mkdir(parents=True, exist_ok=True)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module, json.dumps(told),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LONGEST_LINE,
            cwd=empty, env={**os.environ, **threads}, start_new_session=True,
        )  # fmt: skip
        async with asyncio.timeout(START_S):
            await self.line()

    async def send(self, data: bytes) -> None:
        """Write to it. Raises ``ConnectionError`` if it has ended."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def line(self) -> bytes:
        """Its next line. Raises ``IncompleteReadError`` if it has ended."""
        assert self._process is not None and self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise asyncio.IncompleteReadError(line, None)
        return line

    async def stop(self) -> None:
        """End it, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Crewman(Process):
    """One worker process, started when it is needed."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "sonoscope.service.worker")

    async def do(self, kind: str, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Let it do a task; its messages, the last of which has ``done``, ``long`` or ``failed``.

        Raises
        ------
        Fault
            ``crashed`` if the process ended, ``too_slow`` if it took or was silent for too long.
        """
        try:
            await self.start()
            ends = time.monotonic() + self._settings.time_s
            await self.send(json.dumps({"kind": kind, "request": request}).encode() + b"\n")
            while True:
                wait_s = min(self._settings.silence_s, ends - time.monotonic())
                async with asyncio.timeout(max(wait_s, 0.0)):
                    message = json.loads(await self.line())
                yield message
                if "progress" not in message:
                    return
        except TimeoutError:
            await self.stop()
            raise Fault(
                "too_slow",
                "this took more time than one request may take, and was stopped",
                "Send a shorter part, or check that the file is whole.",
            ) from None
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            await self.stop()
            raise Fault(
                "crashed",
                "the sound could not be processed: it needs too much memory, or is damaged in a way that no "
                "decoder survives",
                "Check that the file is whole, convert it to WAV or FLAC, or send a shorter part.",
            ) from None
