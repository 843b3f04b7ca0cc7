"""Jobs: accepted into a queue, done by the crew in order, answered from files, forgotten in time.

Everything that takes time is a job, also what is answered at once: the request then waits for it. A job that was told
to the client (``is_kept``) is in the ledger and survives a restart; the others end with their request. Long jobs leave
one worker free for short ones, where there are several.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sonoscope.service.crew import Crewman
from sonoscope.service.faults import Fault, busy, fault_of
from sonoscope.service.ledger import Entry, Ledger, now
from sonoscope.service.settings import Settings

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
ENDED = (DONE, FAILED, CANCELLED)
#: The file in a job's folder that holds its answer.
ANSWER = "answer"


@dataclass(eq=False)
class Job:
    """One piece of work.

    Attributes
    ----------
    kind : str
        A key of ``tasks.TASKS``.
    request : dict
        What the task is given, JSON values.
    folder : Path
        Its own; holds what was uploaded, and the answer.
    is_kept : bool
        Whether the client knows of it.
    is_long : bool
        Whether there is more sound than is answered at once.
    """

    id: str
    kind: str
    request: dict[str, Any]
    folder: Path
    is_kept: bool = False
    is_long: bool = False
    state: str = QUEUED
    created: float = field(default_factory=now)
    started: float | None = None
    ended: float | None = None
    progress: dict[str, Any] | None = None
    error: Fault | None = None
    result: dict[str, Any] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def answer(self) -> Path:
        """The file of its answer."""
        return self.folder / ANSWER

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    def notify(self) -> None:
        """Wake everybody who waits for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def change(self, timeout_s: float) -> None:
        """Wait until something changes, or so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()

    def entry(self) -> Entry:
        """The row of the ledger."""
        error = self.error.to_json()["error"] if self.error else None
        return Entry(
            self.id, self.kind, self.request, self.is_long, self.state, self.created, self.started,
            self.ended, error, self.result,
        )  # fmt: skip


class Office:
    """Takes jobs and gets them done.

    Parameters
    ----------
    settings : Settings
        Its ``state`` holds ``jobs.sqlite`` and ``jobs/ID/``.

    Attributes
    ----------
    on_end : list of callable
        Each is called with every job that is over.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.state / "jobs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._ledger = Ledger(settings.state / "jobs.sqlite")
        self._jobs: dict[str, Job] = {}
        self._queue: list[Job] = []
        self._work = asyncio.Condition()
        self._crew = [Crewman(settings) for _ in range(settings.workers)]
        self._doing: dict[str, Crewman] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._drops: set[asyncio.Task[None]] = set()
        self.on_end: list[Callable[[Job], None]] = []

    # ---- from start to end ---------------------------------------------------------------------------------

    def recall(self) -> list[Job]:
        """Take up what the ledger knows, remove what it does not; the jobs that it knows."""
        for entry in self._ledger.entries():
            job = Job(
                entry.id, entry.kind, entry.request, self._folder / entry.id, True, entry.long, entry.state,
                entry.created, entry.started, entry.ended, None,
                Fault.from_json(entry.error) if entry.error else None, entry.result,
            )  # fmt: skip
            self._jobs[job.id] = job
            if not job.is_over:
                job.state, job.started = QUEUED, None
                self._queue.append(job)
        for path in self._folder.iterdir():
            if path.name not in self._jobs:
                shutil.rmtree(path, ignore_errors=True)
        return list(self._jobs.values())

    async def start(self) -> None:
        """Let the crew work."""
        self._tasks = [
            asyncio.create_task(self._serve(crewman, takes_long=number > 0 or len(self._crew) == 1))
            for number, crewman in enumerate(self._crew)
        ]

    async def stop(self) -> None:
        """Stop the crew; what is under way is done again after the next start."""
        # A cancellation comes to nothing where a message comes at the same moment (asyncio.wait_for before 3.12).
        while running := [task for task in self._tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=1.0)
        for crewman in self._crew:
            await crewman.stop()
        for job in [job for job in self._jobs.values() if not job.is_kept]:
            self._drop(job)
        self._ledger.close()

    # ---- what routes do ------------------------------------------------------------------------------------

    @property
    def n_queued(self) -> int:
        """Jobs that wait."""
        return len(self._queue)

    @property
    def n_running(self) -> int:
        """Jobs under way."""
        return len(self._doing)

    def check_room(self) -> None:
        """Refuse if the queue is full. Raises ``Fault``."""
        if len(self._queue) >= self._settings.queue:
            wait_s = 2 + len(self._queue) // (2 * len(self._crew))
            raise busy(f"{len(self._queue)} jobs are waiting already", min(wait_s, 120))

    def new(self, kind: str) -> Job:
        """A job with a folder of its own, to be filled in; it is not in the queue yet."""
        job = Job(uuid.uuid4().hex, kind, {}, Path())
        job.folder = self._folder / job.id
        job.folder.mkdir()
        return job

    async def submit(self, job: Job, *, keep: bool) -> None:
        """Put a job into the queue; ``keep``: it is told to the client.

        Raises
        ------
        Fault
            ``busy`` if the queue is full; the job is then gone.
        """
        try:
            self.check_room()
        except Fault:
            self._drop(job)
            raise
        self._jobs[job.id] = job
        if keep:
            self.keep(job)
        async with self._work:
            self._queue.append(job)
            self._work.notify_all()

    def keep(self, job: Job) -> None:
        """The client is about to know of the job: from here on it outlives the request and the service."""
        job.is_kept = True
        self._ledger.put(job.entry())

    def find(self, name: str) -> Job:
        """The job that a client knows by that name. Raises ``Fault``."""
        job = self._jobs.get(name)
        if job is None or not job.is_kept:
            raise Fault(
                "not_found", f"there is no job {name[:64]}", "Jobs are forgotten after a while: ask again."
            )
        return job

    def position(self, job: Job) -> int:
        """How many jobs go before it."""
        return self._queue.index(job) if job in self._queue else 0

    async def drop(self, job: Job) -> None:
        """Cancel a job if it is not over, and forget it with all its files."""
        # What is over needs no worker to be stopped, though it may be in that worker's hands for a moment longer.
        was_running = None if job.is_over else self._doing.get(job.id)
        if not job.is_over:
            self._end(job, CANCELLED, Fault("cancelled", "the job was cancelled", "Ask again."))
        if was_running is not None:
            await was_running.stop()
        self._drop(job)

    def drop_soon(self, job: Job) -> None:
        """The same, from where nobody can wait."""
        task = asyncio.get_running_loop().create_task(self.drop(job))
        self._drops.add(task)
        task.add_done_callback(self._drops.discard)

    def forget_before(self, moment: float) -> None:
        """Forget the jobs that were over before ``moment``."""
        for job in [one for one in self._jobs.values() if one.ended is not None and one.ended < moment]:
            self._drop(job)

    def _drop(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        if job in self._queue:
            self._queue.remove(job)
        if job.is_kept:
            self._ledger.remove(job.id)
        shutil.rmtree(job.folder, ignore_errors=True)

    # ---- work ----------------------------------------------------------------------------------------------

    async def _serve(self, crewman: Crewman, *, takes_long: bool) -> None:
        """Do one job after another."""
        with suppress(Fault, OSError, asyncio.IncompleteReadError, TimeoutError):
            await crewman.start()  # before anybody waits for it
        while True:
            async with self._work:
                await self._work.wait_for(lambda: self._next(takes_long) is not None)
                job = self._next(takes_long)
                assert job is not None
                self._queue.remove(job)
            await self._do(job, crewman)

    def _next(self, takes_long: bool) -> Job | None:
        return next((job for job in self._queue if takes_long or not job.is_long), None)

    async def _do(self, job: Job, crewman: Crewman) -> None:
        job.state, job.started = RUNNING, now()
        self._doing[job.id] = crewman
        job.notify()
        try:
            request = {**job.request, "answer": str(job.answer), "is_long": job.is_long}
            async for message in crewman.do(job.kind, request):
                if "progress" in message:
                    job.progress = message["progress"]
                    job.notify()
                elif "long" in message:
                    await self._again_as_long(job)
                elif "failed" in message:
                    self._end(job, FAILED, Fault.from_json(message["failed"]))
                else:
                    job.result = message["done"]
                    self._end(job, DONE, None)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._end(job, FAILED, fault_of(error))
        finally:
            self._doing.pop(job.id, None)

    async def _again_as_long(self, job: Job) -> None:
        """It has more sound than is answered at once: it waits for a worker that takes such jobs."""
        job.state, job.started, job.is_long = QUEUED, None, True
        self._queue.append(job)
        if job.is_kept:
            self._ledger.put(job.entry())
        job.notify()
        async with self._work:
            self._work.notify_all()

    def _end(self, job: Job, state: str, error: Fault | None) -> None:
        if job.is_over:
            return
        job.state, job.error, job.ended = state, error, now()
        for call in self.on_end:
            call(job)
        job.notify()
        # Last: whoever waits is told even if the disk is full; after a restart the job is then done again.
        if job.is_kept:
            self._ledger.put(job.entry())
