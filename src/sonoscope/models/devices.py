"""Where a graph runs: on the CPU, or on a GPU that has proved itself.

``cuda`` is never taken on trust. What is there is tried in this order, ONNX Runtime with CUDA, then torch with CUDA
(``torchgraph.py``); a window goes through the CPU and through the GPU, and the answers must agree to
:data:`TOLERANCE`. If none does, that is an error which says what was looked for and what to install; nothing runs on
the CPU by accident.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sonoscope.errors import BadBundle, SonoscopeError, UsageError, one_of
from sonoscope.models.apart import apart
from sonoscope.models.bundle import NOTES, Bundle

CPU, CUDA = "cpu", "cuda"
DEVICES = (CPU, CUDA)
#: The environment variable that says which GPUs a process may use.
VISIBLE = "CUDA_VISIBLE_DEVICES"
#: Largest difference of an answer, as a share of the largest where that is above 1. GPUs add in another order.
TOLERANCE = 1e-3


class Session(Protocol):
    """What runs a graph; ONNX Runtime's own sessions are such."""

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, np.ndarray], /) -> list[np.ndarray]: ...
    def get_inputs(self) -> Sequence[Any]: ...
    def get_outputs(self) -> Sequence[Any]: ...


class Opener(Protocol):
    """What opens a bundle's graphs on a GPU."""

    def open(self, graph: Path, /) -> Session: ...


class Absent(SonoscopeError):
    """An engine that cannot be used here; the message says why, and what to install."""


@dataclass(frozen=True)
class Probe:
    """What came of looking for a GPU.

    Attributes
    ----------
    engine : str
        What runs the graph, in words; empty: nothing can.
    told : tuple of str
        A line for each engine that was tried before, why it cannot be used.
    difference : float
        Between GPU and CPU on a window of noise.
    opens : function
        What opens a graph there.
    """

    engine: str
    told: tuple[str, ...]
    difference: float = float("nan")
    opens: Callable[[Path], tuple[Session, str]] | None = field(default=None, compare=False)

    def open(self, graph: Path) -> Session:
        """A graph on the GPU that was found."""
        assert self.opens is not None
        return self.opens(graph)[0]

    def text(self) -> str:
        """What was found, in a line for each engine."""
        found = [f"{self.engine}: agrees with the CPU to {self.difference:.1e}"] if self.engine else []
        return "\n".join([*self.told, *found])


def checked(on: str) -> str:
    """``on``, known to be ``cpu`` or ``cuda``. Raises ``UnknownName``."""
    return one_of(DEVICES, on, "device")


def visible() -> tuple[str, ...]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them; none where there is no driver."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return tuple(name.strip() for name in named.split(",") if name.strip())
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
            return ()
    except (OSError, AttributeError):
        return ()
    return tuple(map(str, range(count.value)))


def gpu(bundle: Bundle) -> Probe:
    """A GPU that agrees with the CPU on the bundle's graph.

    Raises
    ------
    UsageError
        If there is none.
    """
    found = probe(bundle)
    if not found.engine:
        raise UsageError(
            f"--on cuda: no GPU can be used. {' '.join(found.told)} Leave out --on to run on the CPU."
        )
    return found


def cpu_session(graph: Path) -> Session:
    """A graph in ONNX Runtime on the CPU, one thread: whatever else runs, the answers are the same bits.

    Raises
    ------
    BadBundle
        If it cannot be loaded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises its own, undocumented kinds
        raise BadBundle(f"{graph} cannot be loaded ({error}): fetch or export the bundle again") from None


def probe(
    bundle: Bundle, engines: Mapping[str, Callable[[Path], tuple[Session, str]]] | None = None
) -> Probe:
    """Look for a GPU, and run a window of noise on it and on the CPU.

    Parameters
    ----------
    bundle : Bundle
    engines : mapping, optional
        What to try, in order: by name, a function that opens a graph and says what it runs on, or raises
        :class:`Absent`. Default: :data:`ENGINES`.
    """
    told: list[str] = []
    for name, open_graph in (ENGINES if engines is None else engines).items():
        try:
            graph, what = open_graph(bundle.graph)
            difference = largest_difference(bundle, graph)
        except SonoscopeError as problem:
            told.append(f"{name}: {problem}.")
            continue
        except Exception as problem:  # drivers and libraries fail in their own ways, at the first run too
            told.append(f"{name}: {_first_line(problem)}.")
            continue
        if not difference <= TOLERANCE:
            told.append(f"{name}: {what} differs from the CPU by {difference:.1e} (limit {TOLERANCE:.0e}).")
            continue
        return Probe(what, tuple(told), difference, open_graph)
    return Probe("", tuple(told))


def _first_line(problem: Exception) -> str:
    return next(iter(str(problem).strip().splitlines()), type(problem).__name__)


def largest_difference(bundle: Bundle, other: Session) -> float:
    """Largest difference between a graph elsewhere and on the CPU, on a window of noise: see :data:`TOLERANCE`."""
    here = cpu_session(bundle.graph)
    names = [entry["name"] for entry in bundle.spec["outputs"].values()]
    worst = 0.0
    for rows in example(bundle):
        feeds = {bundle.spec["input"]["name"]: rows}
        for expected, got in zip(here.run(names, feeds), other.run(names, feeds), strict=True):
            if got.shape != expected.shape:
                return float("inf")
            scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
            worst = max(worst, apart(got, expected) / scale)
    return worst


def example(bundle: Bundle) -> Iterator[np.ndarray]:
    """Inputs of the bundle's graph as the pipeline feeds it: a window of noise, and four at a time."""
    from sonoscope.models.layouts import Layout

    layout, feature = Layout(bundle), bundle.feature
    rng = np.random.default_rng(0)
    for count in (1, 4):
        if bundle.task == NOTES:
            assert feature is not None
            n = (bundle.receptive_field + 16 * count) * feature.hop_samples
        else:
            n = bundle.window_samples
        noise = (0.1 * rng.standard_normal((count, n))).astype(np.float32)
        rows = noise if feature is None else feature(noise)
        if feature is not None and bundle.task != NOTES:
            rows = rows[:, : bundle.window_frames]
        yield from layout.feeds(np.ascontiguousarray(rows, dtype=np.float32))


def onnxruntime_cuda(graph: Path) -> tuple[Session, str]:
    """A graph in ONNX Runtime on the first GPU, in full float32. Raises ``Absent``."""
    import onnxruntime

    wanted, there = "CUDAExecutionProvider", onnxruntime.get_available_providers()
    if wanted not in there:
        raise Absent(
            f"version {onnxruntime.__version__} has {', '.join(there)} and no {wanted}: pip uninstall onnxruntime, "
            "then pip install onnxruntime-gpu"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    made = onnxruntime.InferenceSession(str(graph), options, providers=[(wanted, {"use_tf32": "0"})])
    if wanted not in made.get_providers():
        raise Absent(
            f"version {onnxruntime.__version__} has {wanted} and could not start it: no GPU, no driver, or no CUDA and "
            "cuDNN of the versions that it was built for"
        )
    made.disable_fallback()
    return made, f"onnxruntime {onnxruntime.__version__} with {wanted}"


def torch_cuda(graph: Path) -> tuple[Session, str]:
    """A graph run by torch on the first GPU. Raises ``Absent``."""
    from sonoscope.models.torchgraph import TorchGraph

    for package in ("torch", "onnx"):
        if find_spec(package) is None:
            raise Absent(
                f"{package} is not installed: pip install 'sonoscope[train]', with a torch that has CUDA"
            )
    import torch

    if not torch.cuda.is_available():
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        raise Absent(
            f"version {torch.__version__}, {built}, finds no GPU: install its driver, and a torch with CUDA "
            "(pytorch.org says how)"
        )
    return TorchGraph(graph, CUDA), f"torch {torch.__version__} on {torch.cuda.get_device_name(0)}"


#: What can run a graph on a GPU, in the order in which it is tried.
ENGINES: dict[str, Callable[[Path], tuple[Session, str]]] = {
    "onnxruntime": onnxruntime_cuda,
    "torch": torch_cuda,
}
