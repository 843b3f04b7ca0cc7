"""A process for each GPU, which runs graphs, and workers that decode and feed it: ``--on cuda`` with several workers.

A GPU that several processes open holds every model as often, and takes turns between them. So the workers of a run
open nothing there: each has a :class:`Door` to the process of one GPU, which opens a graph once and runs it for
whoever asks, one call at a time. A call is of many windows (``models/blocks.py``: a minute of sound), so what goes
between processes costs little beside it, and while one is run the next ones arrive. Each process sees its own GPU
only (``CUDA_VISIBLE_DEVICES``), and tries it before any work begins.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.errors import SonoscopeError, Stopped, UsageError
from sonoscope.models import devices
from sonoscope.models.bundle import Bundle
from sonoscope.runs import workers
from sonoscope.runs.job import Gpu, Task

#: Workers that may knock at once.
BACKLOG = 64
#: Seconds that a process is given to end by itself.
ENDING_S = 5.0
#: Seconds before the next worker is listened to when one was lost at the door.
PAUSE_S = 0.05


@dataclass(frozen=True)
class Node:
    """An input or an output of a graph elsewhere."""

    name: str


class Door:
    """The way from a worker to the process of a GPU, for the graphs of one bundle (``devices.Opener``)."""

    def __init__(self, gpu: Gpu, bundle: Bundle) -> None:
        self._gpu, self._name = gpu, bundle.name
        self._pipe: Connection | None = None

    def open(self, graph: Path) -> Elsewhere:
        """A graph in that process."""
        return Elsewhere(self, graph)

    def ask(self, *words: Any, arrays: Sequence[np.ndarray] = ()) -> Any:
        """Send words and arrays; what is answered.

        Raises
        ------
        Stopped
            If the process of the GPU has ended.
        SonoscopeError, RuntimeError
            What went wrong there with this call.
        """
        try:
            if self._pipe is None:
                self._pipe = Client(self._gpu.address, authkey=multiprocessing.current_process().authkey)
                self._pipe.send(self._name)
            self._pipe.send((*words, _forms(arrays)))
            _put(self._pipe, arrays)
            answer, forms = self._pipe.recv()
            found = _taken(self._pipe, forms)
        except (EOFError, OSError, AuthenticationError) as error:
            said = str(error) or type(error).__name__
            raise Stopped(
                f"the process of GPU {self._gpu.name} has ended ({said}); the log may say why. The same command again "
                "goes on from here"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return found if answer is None else answer


class Elsewhere:
    """A graph in the process of a GPU (``devices.Session``)."""

    def __init__(self, door: Door, graph: Path) -> None:
        self._door, self._graph = door, str(graph)
        self._inputs, self._outputs = door.ask("open", self._graph)

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        wanted = None if names is None else list(names)
        found: list[np.ndarray] = self._door.ask(
            "run", self._graph, wanted, list(feeds), arrays=list(feeds.values())
        )
        return found

    def get_inputs(self) -> Sequence[Any]:
        return [Node(name) for name in self._inputs]

    def get_outputs(self) -> Sequence[Any]:
        return [Node(name) for name in self._outputs]


def _forms(arrays: Sequence[np.ndarray]) -> list[tuple[tuple[int, ...], str]]:
    return [(array.shape, array.dtype.str) for array in arrays]


def _put(pipe: Connection, arrays: Sequence[np.ndarray]) -> None:
    """Arrays as they lie in memory; empty ones are told by their form."""
    for array in arrays:
        if array.size:
            pipe.send_bytes(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _taken(pipe: Connection, forms: Sequence[tuple[tuple[int, ...], str]]) -> list[np.ndarray]:
    found = []
    for shape, kind in forms:
        array = np.empty(shape, dtype=kind)
        if array.size:
            pipe.recv_bytes_into(array.reshape(-1).view(np.uint8).data)
        found.append(array)
    return found


# ---- in the process of a GPU -------------------------------------------------------------------------------


class _Server:
    """Graphs on one GPU, and who asks for them."""

    def __init__(self, probes: Mapping[str, devices.Probe]) -> None:
        self._probes = probes
        self._graphs: dict[str, devices.Session] = {}
        self._alone = threading.Lock()
        self._calls, self._busy_s, self._began = 0, 0.0, 0.0

    def told(self) -> dict[str, Any]:
        """How often graphs were run, and which share of the time since the first call that took."""
        elapsed = time.monotonic() - self._began if self._calls else 0.0
        return {"calls": self._calls, "busy": round(self._busy_s / elapsed, 3) if elapsed else 0.0}

    def listen(self, listener: Listener) -> None:
        """Let workers in, each to a thread of its own."""
        while True:
            try:
                pipe = listener.accept()
            except (OSError, EOFError, AuthenticationError):
                time.sleep(PAUSE_S)
                continue
            threading.Thread(target=self._attend, args=(pipe,), daemon=True).start()

    def _attend(self, pipe: Connection) -> None:
        """Answer one worker until it is gone."""
        with pipe, contextlib.suppress(EOFError, OSError):
            probe = self._probes[pipe.recv()]
            while True:
                *words, forms = pipe.recv()
                arrays = _taken(pipe, forms)
                try:
                    answer, found = self._answer(probe, words, arrays)
                except SonoscopeError as error:
                    answer, found = error, []
                except Exception as error:  # drivers have kinds of their own, which are not known elsewhere
                    answer, found = RuntimeError(f"{type(error).__name__}: {error}"), []
                pipe.send((answer, _forms(found)))
                _put(pipe, found)

    def _answer(
        self, probe: devices.Probe, words: Sequence[Any], arrays: Sequence[np.ndarray]
    ) -> tuple[Any, list[np.ndarray]]:
        kind, graph, *rest = words
        with self._alone:
            if graph not in self._graphs:
                self._graphs[graph] = probe.open(Path(graph))
            session = self._graphs[graph]
            if kind == "open":
                nodes = (session.get_inputs(), session.get_outputs())
                return tuple([node.name for node in some] for some in nodes), []
            names, inputs = rest
            began = time.monotonic()
            self._began = self._began or began
            found = session.run(names, dict(zip(inputs, arrays, strict=True)))
            self._busy_s += time.monotonic() - began
            self._calls += 1
        return None, [np.asarray(table) for table in found]


def _serve(
    pipe: Connection, gpu: Gpu, engines: Mapping[str, Any], bundles: Sequence[Bundle], log: Path
) -> None:
    """What the process of a GPU does: prove it, then run graphs until the run ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=workers.end_with_the_run, daemon=True).start()
    workers.complain_to(log)
    probes = {}
    for bundle in bundles:
        found = probes[bundle.name] = devices.probe(bundle, engines)
        if not found.engine:
            pipe.send(UsageError(f"--on cuda: GPU {gpu.name} cannot be used. {' '.join(found.told)}"))
            return
    with Listener(
        gpu.address, backlog=BACKLOG, authkey=multiprocessing.current_process().authkey
    ) as listener:
        pipe.send(next(iter(probes.values())).engine)
        server = _Server(probes)
        threading.Thread(target=server.listen, args=(listener,), daemon=True).start()
        with contextlib.suppress(EOFError, OSError):
            pipe.recv()
            pipe.send(server.told())


# ---- in the process of the run -----------------------------------------------------------------------------


class Gpus:
    """The GPUs of a run, each with its process.

    Attributes
    ----------
    told : list of dict
        Of each, once all have ended: its name, what runs graphs there, how many calls, and how busy it was.
    """

    def __init__(self, task: Task, count: int) -> None:
        self.told: list[dict[str, Any]] = []
        self._task = task
        self._names = (devices.visible() or ("0",))[:count]
        self._feeders: list[_Feeder] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def places(self) -> list[Gpu]:
        """Where workers find them."""
        return [feeder.gpu for feeder in self._feeders]

    def __enter__(self) -> Gpus:
        """Start the processes; all prove their GPUs at the same time.

        Raises
        ------
        UsageError
            If one of the GPUs cannot be used.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="sonoscope-")
        try:
            for number, name in enumerate(self._names):
                address = f"{self._folder.name}/{number}"
                if sys.platform == "win32":
                    address = rf"\\.\pipe\{Path(self._folder.name).name}-{number}"
                self._feeders.append(_Feeder(Gpu(name, address), self._task))
            for feeder in self._feeders:
                feeder.wait()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        for feeder in self._feeders:
            told = feeder.close()
            self.told.append({"gpu": feeder.gpu.name, "engine": feeder.engine, **told})
        if self._folder is not None:
            self._folder.cleanup()


class _Feeder:
    """The process of one GPU, seen from the run."""

    def __init__(self, gpu: Gpu, task: Task) -> None:
        self.gpu, self.engine = gpu, ""
        # A fresh interpreter: what is forked after a driver was looked at cannot use it.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, gpu, devices.ENGINES, task.bundles, task.log), daemon=True
        )
        with workers.inherited(), _seeing(gpu.name):
            self._process.start()
        theirs.close()

    def wait(self) -> None:
        """Until the GPU has proved itself. Raises ``UsageError`` if it cannot be used."""
        try:
            said = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(ENDING_S)
            raise UsageError(
                f"--on cuda: the process of GPU {self.gpu.name} ended with exit code {self._process.exitcode}; the log "
                "may say why"
            ) from None
        if isinstance(said, Exception):
            others = "leave it out with CUDA_VISIBLE_DEVICES, or leave out --on to run on the CPU"
            raise UsageError(f"{said} Mend that, {others}.")
        self.engine = said

    def close(self) -> dict[str, Any]:
        """End the process; what it tells about its work."""
        told: dict[str, Any] = {}
        with contextlib.suppress(EOFError, OSError):
            if self.engine:
                self._pipe.send("end")
                if self._pipe.poll(ENDING_S):
                    told = self._pipe.recv()
            self._pipe.close()
        self._process.join(ENDING_S if told else 0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        return told


@contextlib.contextmanager
def _seeing(gpu: str) -> Iterator[None]:
    """What is started inside sees one GPU only."""
    before = os.environ.get(devices.VISIBLE)
    os.environ[devices.VISIBLE] = gpu
    try:
        yield
    finally:
        if before is None:
            del os.environ[devices.VISIBLE]
        else:
            os.environ[devices.VISIBLE] = before
