"""Doing jobs on the workers of a dask cluster: the same unit of work as in processes of this machine, the same bytes.

Every worker writes into the run's folder, which all of them must see; what it has written is moved into place here, as
with workers of this machine. Jobs are handed out a few at a time, so that work begins while inputs are still being
listed and the scheduler never holds more than it needs. A worker that is lost has its job done by another; a job that
has lost two workers has failed.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sonoscope.errors import SonoscopeError, UsageError
from sonoscope.runs.job import Desk, Job, Outcome, Task, failed

#: Jobs that are handed out beyond one for each thread of a worker, for each of them.
AHEAD = 1
#: Seconds between two looks at what is ready, and between two questions how many workers there are.
PATIENCE_S = 0.05
COUNT_S = 2.0
#: Where a scheduler tells about itself: the usual port is taken on a machine that several use.
ANY_PORT = "127.0.0.1:0"
#: Seconds in which a scheduler must answer.
ANSWER_S = 20
#: What processes of a cluster do by the clock, less often than dask would: two workers that wait take 1 % of a core for
#: it, and not 8 %. Sampling what workers do comes on top of that.
CALM: dict[str, Any] = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
}

#: What a result that was told becomes if its worker is lost before it was fetched; the scheduler has it made again.
UNDONE = ("lost", "pending")

#: Shares calls out: takes a function and items, gives results in their order.
Share = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
#: None in the iterator of jobs: none is known yet, more may come.
Jobs = Iterator[Job | None]


def clustered(jobs: Jobs, task: Task) -> Generator[Outcome, None, None]:
    """Do the jobs on the cluster that ``task.spec.dask`` names; outcomes come as they are ready.

    Raises
    ------
    UsageError
        If dask is not installed, or the cluster cannot be had.
    SonoscopeError
        If a model cannot be loaded on a worker.
    """
    with contextlib.closing(_client(str(task.spec.dask), task.spec.workers)) as client:
        yield from _Hands(client, task).run(jobs)


class _Room:
    """How many calls may be under way.

    Workers come and go, so they are counted now and then: asking the scheduler costs more than a look at what is ready.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._most = 0
        self._asked = float("-inf")

    def most(self) -> int:
        if time.monotonic() - self._asked >= COUNT_S:
            self._most = (sum(self._client.nthreads().values()) or 1) * (1 + AHEAD)
            self._asked = time.monotonic()
        return self._most


class _Hands:
    """Jobs on their way."""

    def __init__(self, client: Any, task: Task) -> None:
        from dask.distributed import as_completed

        self._client = client
        self._room = _Room(client)
        # With every job anew: what is handed out once is lost with the worker that holds it.
        self._task = task
        self._ready = as_completed(raise_errors=False)
        self._under_way: dict[Any, Job] = {}
        self._left = True

    def run(self, jobs: Jobs) -> Iterator[Outcome]:
        while self._left or self._under_way:
            self._hand_out(jobs)
            for future in self._arrived():
                if future.status in UNDONE:
                    self._ready.add(future)
                    continue
                outcome = self._outcome(future, self._under_way.pop(future))
                future.release()
                yield outcome

    def _hand_out(self, jobs: Jobs) -> None:
        while self._left and len(self._under_way) < self._room.most():
            try:
                job = next(jobs)
            except StopIteration:
                self._left = False
                return
            if job is None:
                return
            future = self._client.submit(_do, self._task, job, pure=False, retries=0)
            self._under_way[future] = job
            self._ready.add(future)

    def _arrived(self) -> list[Any]:
        """What is ready; waits a moment if nothing is."""
        if not self._under_way:
            return []
        if not self._ready.has_ready():
            time.sleep(PATIENCE_S)
        return [self._ready.next() for _ in range(self._ready.queue.qsize())]

    def _outcome(self, future: Any, job: Job) -> Outcome:
        if future.status == "finished":
            found: Outcome = future.result()
            return found
        error = future.exception() if future.status == "error" else None
        if isinstance(error, SonoscopeError):
            raise error
        why = f"{type(error).__name__}: {error}" if error is not None else future.status
        return failed(
            job.recording,
            f"the dask workers that analysed it were lost ({' '.join(why.split())[:200]})",
            "It may need more memory than a worker has: give workers more, then run again.",
        )


_desks: dict[tuple[str, str], Desk] = {}


def _do(task: Task, job: Job) -> Outcome:
    """On a worker: graphs stay loaded from job to job."""
    key = (task.decision, str(task.tmp))
    if key not in _desks:
        _desks.clear()
        _desks[key] = Desk(task)
    return _desks[key].do(job)


@contextlib.contextmanager
def shared(asked: str, workers: int | None = None) -> Iterator[Share]:
    """A function that shares calls out to the workers of a cluster: ``share(function, items)``.

    Results come in the order of the items, so that what is written of them is what one process writes; a few calls are
    under way at a time. Function, items and results are sent between processes.

    Raises
    ------
    UsageError
        If dask is not installed, or the cluster cannot be had.
    SonoscopeError
        From ``share``: if a call has lost several workers, or what the function raised.
    """
    with contextlib.closing(_client(asked, workers)) as client:
        yield lambda function, items: _in_order(client, function, items)


def _in_order(client: Any, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    left, under_way, room = iter(items), deque[Any](), _Room(client)
    try:
        while True:
            for item in islice(left, max(room.most() - len(under_way), 0)):
                under_way.append(client.submit(function, item, pure=False, retries=0))
            if not under_way:
                return
            future = under_way.popleft()
            try:
                found = future.result()
            except SonoscopeError:
                raise
            except Exception as error:
                why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                raise SonoscopeError(
                    f"the dask workers could not do it ({why}): give workers more memory"
                ) from None
            future.release()
            yield found
    finally:
        for future in under_way:
            future.cancel()


def _client(asked: str, workers: int | None) -> Any:
    """A client of the cluster; closing it ends a cluster that was made for this run."""
    try:
        import dask
        from dask.distributed import Client
    except ModuleNotFoundError:
        raise UsageError('--dask needs dask: pip install "sonoscope[dask]"') from None
    try:
        dask.config.set(CALM)
        if asked == "local":
            return _Made(_local(workers))
        if asked == "slurm" or asked.endswith((".yaml", ".yml")):
            return _Made(_queued(asked, workers))
        if "://" not in asked and ":" not in asked and not Path(asked).is_file():
            raise UsageError(
                f"--dask {asked!r} must be the address of a scheduler (tcp://host:8786), local, slurm or a YAML file"
            )
        client = (
            Client(asked, timeout=ANSWER_S)
            if "://" in asked or ":" in asked
            else Client(scheduler_file=asked)
        )
    except OSError as error:
        raise UsageError(f"--dask {asked}: no scheduler answers there ({error})") from None
    return client


class _Made:
    """A client with the cluster that was made for it."""

    def __init__(self, cluster: Any) -> None:
        from dask.distributed import Client

        self._cluster = cluster
        self._client = Client(cluster)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def close(self) -> None:
        self._client.close()
        self._cluster.close()


def _local(workers: int | None) -> Any:
    from dask.distributed import LocalCluster

    from sonoscope.runs.cores import default_workers

    return LocalCluster(
        n_workers=workers or default_workers(),
        threads_per_worker=1,
        processes=True,
        dashboard_address=ANY_PORT,
        # A busy machine ends processes late, which is no news; lost workers are told of with their recordings.
        silence_logs=logging.ERROR,
    )


def _queued(asked: str, workers: int | None) -> Any:
    """A cluster whose workers are jobs in a queue, as many as there is work for, up to ``workers``."""
    try:
        import dask_jobqueue
    except ModuleNotFoundError:
        raise UsageError('--dask slurm needs dask-jobqueue: pip install "sonoscope[dask]"') from None
    kind: str = "slurm"
    settings: dict[str, Any] = {}
    if asked != "slurm":
        kind, settings = queue_settings(Path(asked))
    made = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster"}[kind]
    given = {
        "cores": 1, "processes": 1, "memory": "2GiB", "scheduler_options": {"dashboard_address": ANY_PORT}, **settings
    }  # fmt: skip
    # Workers of a queue are told by their environment; those of this machine inherit.
    calm = [f"export DASK_{key.upper().replace('.', '__').replace('-', '_')}={CALM[key]}" for key in CALM]
    given["job_script_prologue"] = [*calm, *(given.get("job_script_prologue") or ())]
    most = workers or int(given.pop("maximum_jobs", 8))
    given.pop("maximum_jobs", None)
    try:
        cluster = getattr(dask_jobqueue, made)(**given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--dask {asked}: {error}") from None
    cluster.adapt(minimum=1, maximum=most)
    return cluster


def queue_settings(file: Path) -> tuple[str, dict[str, Any]]:
    """The queue that a YAML file describes: ``slurm: {queue: ..., account: ..., cores: ..., memory: ...}``.

    Raises
    ------
    UsageError
        If the file cannot be read or names no queue that is known.
    """
    import yaml

    known = ("slurm", "pbs", "sge", "lsf")
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--dask {file} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"--dask {file} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict) or len(values) != 1 or next(iter(values)) not in known:
        raise UsageError(
            f"--dask {file} must hold one key, one of {', '.join(known)}, with the settings of the queue"
        )
    kind, settings = next(iter(values.items()))
    return kind, dict(settings or {})
