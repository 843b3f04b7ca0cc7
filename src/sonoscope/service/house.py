"""What a running service consists of, and how a route gets at it."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from sonoscope.service.ears import Ears
from sonoscope.service.faults import busy
from sonoscope.service.office import Office
from sonoscope.service.recordings import Recordings
from sonoscope.service.settings import Settings
from sonoscope.service.tiles import Kept

LOG = logging.getLogger(__name__)

#: How often what is old is removed.
SWEEP_S = 60.0
#: Streams have so long to end when the service does.
HUSH_S = 2.0


@dataclass
class House:
    """Everything that lasts as long as the service.

    Attributes
    ----------
    disk_used : int
        Bytes under ``settings.state``, counted at each sweep; uploads since then are added.
    listening : int
        Live streams that are open; each has a process of ``ears``.
    stopping : asyncio.Event
        Set when the service is about to end: open streams are ended, new ones refused.
    """

    settings: Settings
    office: Office
    recordings: Recordings
    pictures: Kept = field(default_factory=Kept)
    disk_used: int = 0
    listening: int = 0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    ears: Ears = field(init=False)
    _sweeper: asyncio.Task[None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.ears = Ears(self.settings)

    @classmethod
    def opened(cls, settings: Settings) -> House:
        """A house whose office knows the jobs of its last life."""
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        office = Office(settings)
        recordings = Recordings(settings.state / "recordings", settings.store_age_s)
        recordings.recall(office.recall())
        office.on_end.append(recordings.prepared)
        return cls(settings, office, recordings)

    async def start(self) -> None:
        """Let everything work."""
        await self.office.start()
        self._sweeper = asyncio.create_task(self._sweep_on())

    async def hush(self) -> None:
        """Let open streams tell what is left, and why they end, as long as that takes no longer than ``HUSH_S``."""
        self.stopping.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(HUSH_S):
                while self.listening:
                    await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End everything that runs."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self.office.stop()
        await self.ears.stop()

    def check_disk(self, request: Request) -> None:
        """Refuse an upload for which there is no room. Raises ``Fault``."""
        if self.disk_used + stated_bytes(request) > self.settings.store_bytes:
            raise busy("the disk of this service is full of other recordings", int(SWEEP_S))

    async def sweep(self) -> None:
        """Remove what is old, and what has been unused longest while there is too much."""
        self.office.forget_before(time.time() - self.settings.store_age_s)
        self.recordings.forget_old()
        self.disk_used = await asyncio.to_thread(_size, self.settings.state)
        while self.disk_used > self.settings.store_bytes and (sound := self.recordings.oldest()) is not None:
            self.recordings.drop(sound)
            self.disk_used = await asyncio.to_thread(_size, self.settings.state)

    async def _sweep_on(self) -> None:
        while True:
            try:
                await self.sweep()
            except (OSError, sqlite3.Error):  # A full disk, say: the next one may make room.
                LOG.exception("what is old could not be removed")
            await asyncio.sleep(SWEEP_S)


def stated_bytes(request: Request) -> int:
    """How large a request says that it is; 0 if it does not say."""
    stated = request.headers.get("content-length", "")
    return int(stated) if stated.isdecimal() else 0


def _size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(path, name).stat().st_size
            except OSError:
                continue
    return total


def house_of(connection: HTTPConnection) -> House:
    """The house that a request came to."""
    return connection.app.state.house


OfHouse = Annotated[House, Depends(house_of)]
