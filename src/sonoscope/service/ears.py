"""The processes that listen to live streams, as the service sees them: one for each, kept a while for the next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sonoscope.service import ear
from sonoscope.service.crew import START_S, Process
from sonoscope.service.faults import Fault
from sonoscope.service.live import Hello
from sonoscope.service.settings import Settings

#: A stream that was left tells the rest, to nobody, within this time, or its process is stopped.
REST_S = 5.0
#: Processes without a stream that are kept.
IDLE_KEPT = 2


class Listening:
    """One stream: what it is fed, and what it tells."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.is_over = False

    async def feed(self, samples: bytes) -> None:
        """More sound. Raises ``Fault`` if the process has ended."""
        await self._send(ear.SAMPLES, samples)

    async def end(self) -> None:
        """No more sound. Raises ``Fault`` if the process has ended."""
        await self._send(ear.END)

    async def messages(self) -> AsyncIterator[str]:
        """What is told, a JSON object each, to the end of the stream.

        Raises
        ------
        Fault
            What the listening ended with, ``crashed`` if its process has ended.
        """
        while True:
            try:
                line = await self._process.line()
            except (ConnectionError, asyncio.IncompleteReadError, ValueError):
                raise _crashed() from None
            if line == b"\n":
                self.is_over = True
                return
            if line.startswith(b'{"error"'):
                raise Fault.from_json(json.loads(line)["error"])
            yield line.decode()

    async def rest(self) -> None:
        """Pass over what is left to tell, so that the process can take another stream."""
        while not self.is_over:
            try:
                async for _ in self.messages():
                    pass
            except Fault as fault:
                if fault.code == "crashed":
                    raise

    async def _send(self, kind: bytes, payload: bytes = b"") -> None:
        try:
            await self._process.send(ear.framed(kind, payload))
        except ConnectionError:
            raise _crashed() from None


class Ears:
    """Processes that listen, started when they are needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: list[Process] = []

    async def stop(self) -> None:
        """Stop those that listen to nobody; the others end with their streams."""
        while self._idle:
            await self._idle.pop().stop()

    @asynccontextmanager
    async def taken(self, hello: Hello) -> AsyncIterator[Listening]:
        """A process of its own for a stream that begins with ``hello``.

        Raises
        ------
        Fault
            ``crashed`` if no process can be started, or none answers.
        """
        said = hello.model_dump_json(by_alias=True, exclude={"token"}).encode()
        process = await self._one(ear.framed(ear.HELLO, said))
        stream = Listening(process)
        try:
            yield stream
        finally:
            await asyncio.shield(self._given_back(process, stream))

    async def _given_back(self, process: Process, stream: Listening) -> None:
        with suppress(Fault, TimeoutError):
            if not stream.is_over:
                await stream.end()
                async with asyncio.timeout(REST_S):
                    await stream.rest()
        if stream.is_over and len(self._idle) < IDLE_KEPT:
            self._idle.append(process)
        else:
            await process.stop()

    async def _one(self, hello: bytes) -> Process:
        """A process that has answered the hello: one that was kept may have died unnoticed, or be dying."""
        while self._idle:
            if await _greeted(process := self._idle.pop(), hello):
                return process
        if await _greeted(process := Process(self._settings, "sonoscope.service.ear"), hello):
            return process
        raise _crashed()


async def _greeted(process: Process, hello: bytes) -> bool:
    """Whether a process, started if it is not, answers; it is stopped if it does not."""
    try:
        await process.start()
        async with asyncio.timeout(START_S):
            await process.send(hello)
            await process.line()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        await process.stop()
        return False
    return True


def _crashed() -> Fault:
    return Fault("crashed", "the process that listened has ended", "Open another stream.")
