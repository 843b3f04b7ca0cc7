"""Doing jobs here, or in processes of their own: one input at a time in each, one thread in each.

Workers are started as there is work for them, never more than there are jobs. Each has a pipe; the run waits
on all pipes at once. A worker that dies (killed for its memory, a crash in a codec) is noticed at once: its
job is done once more in a new process, then given up. A worker whose run dies ends itself.

On Linux workers are forked from a server that has the heavy imports behind it: two workers are ready after
0.3 s and later ones after 0.02 s, against 0.45 s each time with ``spawn`` (measured on two cores).
"""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from sonoscope.errors import SonoscopeError
from sonoscope.runs.job import Desk, Gpu, Job, Outcome, Task, failed
from sonoscope.runs.memory import Budget

#: How long to wait for the listing, or for a worker, before looking around again, in seconds.
PATIENCE_S = 0.2
#: Seconds of wall clock between two words about one long input.
TELL_S = 0.5
#: Deaths in a row before any job was begun that mean: workers cannot start here.
START_ATTEMPTS = 3

#: Libraries take their number of threads from these when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_PRELOADED = ["sonoscope.runs.job", "sonoscope.pipeline", "onnxruntime", "soundfile"]

#: Called with the name of an input and the seconds of it that are done.
Working = Callable[[str, float], None]
#: None in the iterator of jobs: none is known yet, more may come.
Jobs = Iterator[Job | None]


def here(jobs: Jobs, task: Task, *, overlap: bool, working: Working) -> Generator[Outcome, None, None]:
    """Do the jobs in this process. ``overlap`` decodes in a second thread while the model runs."""
    desk = Desk(task)
    for job in jobs:
        if job is not None:
            name = job.recording.name
            tell = _Seldom(lambda seconds, name=name: working(name, seconds))  # type: ignore[misc]
            yield desk.do(replace(job, overlap=overlap), tell)


def pooled(
    jobs: Jobs, task: Task, count: int, budget: Budget, *, working: Working, gpus: Sequence[Gpu] = ()
) -> Generator[Outcome, None, None]:
    """Do the jobs in at most ``count`` processes, as many as ``budget`` has room for; outcomes come as they are ready.

    ``gpus`` are shared evenly by the processes, which then run no graphs themselves.

    Raises
    ------
    SonoscopeError
        If workers cannot start, or a model cannot be loaded in them.
    """
    pool = _Pool(task, count, budget, gpus)
    try:
        yield from pool.run(jobs, working)
    finally:
        pool.close()


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    gpu: Gpu | None = None
    job: Job | None = None
    begun: bool = False


class _Pool:
    def __init__(self, task: Task, count: int, budget: Budget, gpus: Sequence[Gpu]) -> None:
        self._task, self._count, self._budget, self._gpus = task, count, budget, gpus
        self._context = _context()
        self._workers: list[_Worker] = []
        self._again: deque[Job] = deque()
        self._tried: set[str] = set()
        self._failed_starts = 0
        self._jobs_left = True

    def run(self, jobs: Jobs, working: Working) -> Iterator[Outcome]:
        while True:
            self._hand_out(jobs)
            busy = [worker for worker in self._workers if worker.job is not None]
            if not busy and not self._jobs_left:
                return
            if not busy:
                time.sleep(PATIENCE_S / 10)
                continue
            handles = [h for worker in busy for h in (worker.pipe, worker.process.sentinel)]
            ready = set(wait(handles, PATIENCE_S))
            for worker in busy:
                if worker.pipe in ready or worker.process.sentinel in ready:
                    yield from self._hear(worker, working)
            if self._budget.exceeded():
                yield from self._give_way()

    def _hand_out(self, jobs: Jobs) -> None:
        """Give every idle worker a job, and start workers while there are more jobs.

        Where there are fewer jobs left than processors, each decodes in a second thread.
        """
        free = self._count - sum(worker.job is not None for worker in self._workers)
        if free and self._budget.limit is not None:
            resting = sum(worker.job is None for worker in self._workers)
            free = min(free, resting + self._budget.room_for(len(self._workers)))
        taken = [self._again.popleft() for _ in range(min(free, len(self._again)))]
        while self._jobs_left and len(taken) < free:
            try:
                job = next(jobs)
            except StopIteration:
                self._jobs_left = False
                break
            if job is None:
                break
            taken.append(job)
        overlap = not self._jobs_left and len(taken) < free
        for job in taken:
            idle = self._idle() or self._start()
            idle.job, idle.begun = replace(job, overlap=overlap), False
            # A worker that dies before it has begun is found out when its pipe is read.
            with contextlib.suppress(OSError):
                idle.pipe.send(idle.job)

    def _idle(self) -> _Worker | None:
        """A living worker without a job; dead ones are taken off the list."""
        for worker in [worker for worker in self._workers if worker.job is None]:
            if worker.process.is_alive():
                return worker
            worker.pipe.close()
            self._workers.remove(worker)
        return None

    def _hear(self, worker: _Worker, working: Working) -> Iterator[Outcome]:
        """Take what a worker says, or notice that it has died."""
        assert worker.job is not None
        try:
            if not worker.pipe.poll():
                raise EOFError
            kind, value = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._bury(worker)
            return
        worker.begun, self._failed_starts = True, 0
        if kind == "working":
            working(worker.job.recording.name, value)
        elif kind == "done":
            worker.job = None
            self._budget.learn(value.peak_rss_bytes)
            yield value
        elif kind == "error":
            raise value

    def _bury(self, worker: _Worker) -> Iterator[Outcome]:
        """A dead worker's job is done once more by another; the second time it has failed.

        A death before the job was begun is not the job's.
        """
        job = worker.job
        assert job is not None
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        if not worker.begun:
            self._failed_starts += 1
            if self._failed_starts >= START_ATTEMPTS:
                raise self._cannot_start(_ending(worker.process))
            self._again.append(job)
        elif job.recording.name in self._tried:
            reason = f"the process that analysed it died twice ({_ending(worker.process)})"
            yield failed(
                job.recording,
                reason,
                "It may need more memory than there is: try with fewer --workers.",
            )
        else:
            self._tried.add(job.recording.name)
            self._again.append(job)

    def _give_way(self) -> Iterator[Outcome]:
        """End a worker, for its memory: one without a job, or the youngest; the only one that is busy has failed."""
        busy = [worker for worker in self._workers if worker.job is not None]
        idle = [worker for worker in self._workers if worker.job is None]
        if not (busy or idle):
            return
        worker = (idle or busy)[-1]
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        if worker.job is None:
            return
        if len(busy) > 1:
            self._again.append(worker.job)
            self._count = len(busy) - 1
            return
        assert self._budget.limit is not None
        yield failed(
            worker.job.recording,
            f"needs more memory than --max-memory allows ({self._budget.limit >> 20} MiB for all processes)",
            "Allow more with --max-memory, or leave it out; then run again.",
        )

    def _start(self) -> _Worker:
        mine, theirs = self._context.Pipe()
        gpu = self._least_asked()
        task = replace(self._task, gpu=gpu)
        process = self._context.Process(target=_serve, args=(theirs, task), daemon=True)
        try:
            with inherited():
                process.start()
        except (OSError, EOFError) as error:
            raise self._cannot_start(str(error)) from None
        theirs.close()
        worker = _Worker(process, mine, gpu)
        self._workers.append(worker)
        return worker

    def _least_asked(self) -> Gpu | None:
        """The GPU that the fewest workers have."""
        shared = Counter(worker.gpu for worker in self._workers)
        return min(self._gpus, key=lambda gpu: shared[gpu], default=None)

    def _cannot_start(self, why: str) -> SonoscopeError:
        return SonoscopeError(
            f"worker processes cannot start ({why}; {self._task.log} may say more). Use --workers 1; a "
            "script that calls sonoscope with several workers must do so under if __name__ == '__main__'"
        )

    def close(self) -> None:
        """End all workers: at once those that are busy, whose work is void then."""
        for worker in self._workers:
            if worker.job is not None:
                worker.process.kill()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()
        self._workers.clear()


def _serve(pipe: Connection, task: Task) -> None:
    """What a worker does: jobs, until its pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=end_with_the_run, daemon=True).start()
    complain_to(task.log)
    desk = Desk(task)
    while True:
        try:
            job = pipe.recv()
            pipe.send(("begun", None))
        except (EOFError, OSError):
            return
        try:
            message: tuple[str, Any] = (
                "done",
                desk.do(job, _Seldom(lambda seconds: pipe.send(("working", seconds)))),
            )
        except SonoscopeError as error:
            message = ("error", error)
        try:
            pipe.send(message)
        except OSError:
            return


def end_with_the_run() -> None:
    """End this process when the one that started it is gone, whatever the job is doing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def complain_to(log: os.PathLike[str]) -> None:
    """Send what libraries print on stderr, and the last words of a crash, to the log: the terminal is the
    run's.
    """
    with contextlib.suppress(OSError):
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.dup2(handle, 2)
        os.close(handle)
        faulthandler.enable(2)


class _Seldom:
    """Passes a call on if the last one is long enough ago."""

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell, self._next = tell, time.monotonic() + TELL_S

    def __call__(self, seconds: float) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + TELL_S
            self._tell(seconds)


def _context() -> Any:
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


@contextlib.contextmanager
def inherited() -> Iterator[None]:
    """What processes started inside inherit: one thread per library, and deafness to Ctrl-C until they say
    so.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    mask = (
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        if hasattr(signal, "pthread_sigmask")
        else None
    )
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _ending(process: BaseProcess) -> str:
    """How a process ended, in words."""
    code = process.exitcode
    if code is None or code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {-code}, {signal.Signals(-code).name}"
    return f"signal {-code}"
