"""Network to ONNX graph, compared with torch before anybody trusts it.

Two kinds of graph: **frames** (a network that is poolable: dynamic batch and time, three outputs per frame: logits,
attention scores, embeddings) and **clips** (any other: windows of one length, logits and embedding of the whole). After
export the graph is run in ONNX Runtime and compared with torch at several shapes.
"""

from __future__ import annotations

import io
import logging
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from sonoscope.errors import BadBundle
from sonoscope.networks.build import Network
from sonoscope.promises import BrokenContract

TOLERANCE = 1e-4
OPSET = 18
FRAME_OUTPUTS = ("frame_logits", "frame_attention", "frame_embedding")
CLIP_OUTPUTS = ("clip_logits", "clip_embedding")
#: Rows in a batch that clip graphs are compared at.
BATCHES = (1, 3, 8)
#: Input steps beyond the shortest that a network which answers for whole windows is checked at.
STEPS = 48


class _Clips(nn.Module):
    """A network that answers once for a window."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.network.answers(rows)


def write_graph(network: Network, path: Path, *, steps: int | None = None) -> float:
    """Write the ONNX file and return the largest absolute difference to torch over several shapes.

    The network is left on the CPU, in evaluation mode.

    Parameters
    ----------
    network : Network
    path : Path
    steps : int, optional
        Input steps (rows of features, or samples) of a window, for a clip graph; None: a frame graph.

    Raises
    ------
    BadBundle
        If the network cannot be written as such a graph, or the difference exceeds ``TOLERANCE``.
    """
    if not network.backbone.exportable:
        raise BadBundle(
            f"the backbone {network.config['backbone']['name']!r} cannot be written as an ONNX graph"
        )
    cast(Any, network.eval()).to("cpu", memory_format=torch.contiguous_format)
    module: nn.Module
    if steps is None:
        if not network.poolable:
            raise BadBundle("frame graphs are for networks that are valid in time; give the window's steps")
        field = network.backbone.receptive_field
        module, example = network, _rows(network, 2, field + 40)
        times = torch.export.Dim("time", min=field, max=1 << 20)
        dynamic: Any = {0: torch.export.Dim("batch", min=1, max=4096), 1: times}
    else:
        module, example = _Clips(network), _rows(network, 2, steps)
        dynamic = {0: torch.export.Dim("batch", min=1, max=4096)}
    with exporting(path):
        program = torch.onnx.export(
            module,
            (torch.from_numpy(example),),
            dynamo=True,
            dynamic_shapes=(dynamic,),
            input_names=["frames" if not network.takes_samples else "samples"],
            output_names=list(FRAME_OUTPUTS if steps is None else CLIP_OUTPUTS),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
        assert program is not None  # with dynamo=True
        save(program, path)
    worst = largest_difference(network, path, steps=steps)
    if not worst <= TOLERANCE:
        raise BadBundle(
            f"{path}: the exported graph differs from torch by {worst:.2e} (limit {TOLERANCE:.0e})"
        )
    return worst


def save(program: torch.onnx.ONNXProgram, path: Path) -> None:
    """Write a graph without the exporter's notes: they name files and lines of the machine that it ran on."""
    import onnx

    program.save(str(path), external_data=False)
    model = onnx.load(str(path))
    graph = model.graph
    for part in (
        model,
        graph,
        *graph.node,
        *graph.value_info,
        *graph.input,
        *graph.output,
        *graph.initializer,
    ):
        del part.metadata_props[:]
    onnx.save(model, str(path))


@contextmanager
def exporting(path: Path) -> Iterator[None]:
    """Quietly and without gradients; raises ``BadBundle`` for what torch's exporter cannot write into ``path``."""
    with quietly(), torch.no_grad():
        try:
            yield
        except Exception as error:  # torch raises many kinds, with pages of advice around the first of them
            raise BadBundle(
                f"{path.name} cannot be written: torch's exporter says {reason_of(error)}"
            ) from error


def reason_of(error: BaseException) -> str:
    """The first line of an exporter's innermost error, and the line of code that it is about."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip() or type(error).__name__
    places = re.findall(r'File "([^"]+)", line (\d+)', text)
    where = f" ({Path(places[-1][0]).name}:{places[-1][1]})" if places else ""
    return f"{text.splitlines()[0].strip()!r}{where}"


@contextmanager
def quietly() -> Iterator[None]:
    """Without torch's remarks on operators that no network here has (torchvision's), and its drafts of what fails."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "torch.fx.experimental.symbolic_shapes")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def largest_difference(network: Network, path: Path, *, steps: int | None = None) -> float:
    """Largest |ONNX Runtime - torch| over all outputs at several shapes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name, worst = session.get_inputs()[0].name, 0.0
    field = network.backbone.receptive_field
    shapes = ((1, field), (1, field + 252), (3, field + 7), (8, max(80, field)), (2, 2 * field))
    for batch, time in shapes if steps is None else [(batch, steps) for batch in BATCHES]:
        rows = _rows(network, batch, time)
        with torch.no_grad():
            given = torch.from_numpy(rows)
            expected = network(given) if steps is None else network.answers(given)
        got = session.run(list(FRAME_OUTPUTS if steps is None else CLIP_OUTPUTS), {name: rows})
        worst = max(worst, *(float(np.abs(g - e.numpy()).max()) for g, e in zip(got, expected, strict=True)))
    return worst


class GraphChecks:
    """The promise of a network that it can leave torch, for ``sonoscope check``.

    Parameters
    ----------
    make : callable
        Gives a network with the backbone or the head that is checked.
    """

    def __init__(self, make: Callable[[], Network]) -> None:
        self.make = make

    def its_graph_is_torch(self) -> None:
        """What a bundle would hold gives what the network gives, where it says that it can be written."""
        network = self.make()
        backbone = network.backbone
        if not backbone.exportable:
            return
        longest = backbone.wants.longest
        steps = max(backbone.shortest, 1) + STEPS + 3 * backbone.stride_frames
        steps = steps if longest is None else min(steps, longest)
        with tempfile.TemporaryDirectory() as folder:
            try:
                write_graph(network, Path(folder) / "graph.onnx", steps=None if network.poolable else steps)
            except BadBundle as problem:
                raise BrokenContract(str(problem).replace(f"{folder}/", "")) from None


def _rows(network: Network, batch: int, steps: int) -> np.ndarray:
    """Random input of the kind that the network was normalised for, float32."""
    rng = np.random.default_rng(batch * 100_003 + steps)
    if network.takes_samples:
        return (0.1 * rng.standard_normal((batch, steps))).astype(np.float32)
    mean, std = network.mean.numpy(), network.std.numpy()
    noise = rng.standard_normal((batch, steps, mean.size)).astype(np.float32) * 2.0
    return (noise * std + mean).astype(np.float32)
