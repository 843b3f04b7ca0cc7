"""Network to ONNX graph, compared with torch before anybody trusts it.

Two kinds of graph: **frames** (a network that is poolable: dynamic batch and time, three outputs per frame: logits,
attention scores, embeddings) and **clips** (any other: windows of one length, logits and embedding of the whole). A
head on a finished model's graph is set behind it (``joined.py``). After export the graph is run in ONNX Runtime and
compared with torch at several shapes.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from sonoscope.errors import BadBundle
from sonoscope.models.apart import apart
from sonoscope.networks.backbones.frozen import Graph, open_session
from sonoscope.networks.build import Network
from sonoscope.networks.joined import write_joined
from sonoscope.networks.torchexport import exporting, save
from sonoscope.networks.writer import OPSET, Writer, opset_in
from sonoscope.promises import BrokenContract

TOLERANCE = 1e-4
FRAME_OUTPUTS = ("frame_logits", "frame_attention", "frame_embedding")
CLIP_OUTPUTS = ("clip_logits", "clip_embedding")
#: Standard deviations of the noise that graphs are compared on, for the statistics that a network was normalised by.
#: A smaller one is tried only where single precision itself is not exact to the tolerance (:func:`own_rounding`).
SPREADS = (2.0, 1.0, 0.5, 0.25, 0.1)
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


def write_graph(network: Network, path: Path, *, steps: int | None = None, labels: bool = True) -> float:
    """Write the ONNX file and return the largest absolute difference to torch over several shapes.

    The network is left on the CPU, in evaluation mode.

    Parameters
    ----------
    network : Network
    path : Path
    steps : int, optional
        Input steps (rows of features, or samples) of a window, for a clip graph; None: a frame graph.
    labels : bool
        False: logits and attention have no columns, whatever the head is.

    Raises
    ------
    BadBundle
        If the network cannot be written as such a graph, or the difference exceeds ``TOLERANCE``.
    """
    cast(Any, network.eval()).to("cpu", memory_format=torch.contiguous_format)
    if steps is None and not network.poolable:
        raise BadBundle("frame graphs are for networks that are valid in time; give the window's steps")
    outputs = FRAME_OUTPUTS if steps is None else CLIP_OUTPUTS
    if isinstance(network.backbone, Graph):
        write_joined(network, path, steps=steps, outputs=outputs)
    else:
        backbone = network.backbone
        try:
            network.backbone = backbone.for_graph()
            _export(network, path, steps)
        finally:
            network.backbone = backbone
    if not labels:
        _leave_out_logits(path, outputs)
    return _compared(network, path, steps)


def _compared(network: Network, path: Path, steps: int | None) -> float:
    """The largest difference to torch on the widest noise on which torch itself is exact."""
    for spread in SPREADS:
        worst = largest_difference(network, path, steps=steps, spread=spread)
        if worst <= TOLERANCE:
            return worst
        own = own_rounding(network, steps=steps, spread=spread)
        if np.isinf(own):
            raise BadBundle(f"{path}: the network answers noise by what is no number (NaN or infinity)")
        if own <= TOLERANCE / 4:
            raise BadBundle(
                f"{path}: the exported graph differs from torch by {worst:.2e} (limit {TOLERANCE:.0e})"
            )
    raise BadBundle(
        f"{path}: the exported graph cannot be compared with torch: on noise this network's own answers in single and "
        f"in double precision differ by {own:.2e} (limit {TOLERANCE:.0e}). Train it longer, or from published weights: "
        "networks that learned little from few clips answer like that"
    )


def _export(network: Network, path: Path, steps: int | None) -> None:
    """Write what torch's exporter makes of the whole network."""
    module: nn.Module
    if steps is None:
        field = network.backbone.receptive_field
        module, example = network, _rows(network, 2, field + 40)
        times = torch.export.Dim("time", min=field, max=1 << 20)
        dynamic: Any = {0: torch.export.Dim("batch", min=1, max=4096), 1: times}
    else:
        alone = takes_one(network)
        module, example = _Clips(network), _rows(network, 1 if alone else 2, steps)
        dynamic = {} if alone else {0: torch.export.Dim("batch", min=1, max=4096)}
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


def _leave_out_logits(path: Path, outputs: tuple[str, ...]) -> None:
    """Write the graph again with embeddings only; its other outputs, which are asked for by name, are empty."""
    import onnx

    (given,) = onnx.load(str(path)).graph.input
    axes = given.type.tensor_type.shape.dim
    writer = Writer(opset_in(path))
    embedding = writer.include(path, {given.name: given.name}, outputs[-1])
    empty = writer.columns(embedding, 0, 0)
    shape: list[int | str] = ["batch"] if outputs == CLIP_OUTPUTS else ["batch", "frame"]
    gives = {name: (empty, [*shape, 0]) for name in outputs[:-1]} | {
        outputs[-1]: (embedding, [*shape, "dimension"])
    }
    model = writer.model({given.name: [axis.dim_param or axis.dim_value for axis in axes]}, gives)
    path.write_bytes(model.SerializeToString(deterministic=True))


def takes_one(network: Network) -> bool:
    """Whether the network's graph takes one window at a time: code of others may count its batch in Python."""
    return not network.backbone.exportable


def largest_difference(
    network: Network, path: Path, *, steps: int | None = None, spread: float = SPREADS[0]
) -> float:
    """Largest |ONNX Runtime - torch| over all outputs at several shapes, on noise of ``spread`` standard deviations.

    Raises
    ------
    BadBundle
        If the graph cannot be run, or does not take one of them.
    """
    session = open_session(path)
    name, worst = session.get_inputs()[0].name, 0.0
    for batch, time in _shapes(network, steps):
        rows = _rows(network, batch, time, spread)
        expected = _answers(network, torch.from_numpy(rows), steps)
        try:
            got = session.run(list(FRAME_OUTPUTS if steps is None else CLIP_OUTPUTS), {name: rows})
        except Exception as problem:  # ONNX Runtime raises its own, undocumented kinds
            reason = " ".join(str(problem).split())
            raise BadBundle(
                f"{path.name}: the exported graph does not take {rows.shape} ({reason})"
            ) from None
        for table, answer in zip(got, expected, strict=True):
            worst = max(worst, apart(table, answer.numpy()))
    return worst


def own_rounding(network: Network, *, steps: int | None = None, spread: float = SPREADS[0]) -> float:
    """Largest |single - double precision| of the network's own answers in torch, at the shapes graphs are compared at.

    0 where it cannot be had: for a backbone that is a graph itself, or that cannot be copied.
    """
    if isinstance(network.backbone, Graph):
        return 0.0
    try:
        exact = copy.deepcopy(network).double()
    except (TypeError, RuntimeError, ValueError):  # a user's own network may hold what has no copies
        return 0.0
    worst = 0.0
    for batch, time in _shapes(network, steps):
        rows = torch.from_numpy(_rows(network, batch, time, spread))
        for single, double in zip(
            _answers(network, rows, steps), _answers(exact, rows.double(), steps), strict=True
        ):
            worst = max(worst, apart(single.numpy(), double.numpy()))
    return worst


def _shapes(network: Network, steps: int | None) -> list[tuple[int, int]]:
    """Batches and times that a graph is compared at."""
    if steps is not None:
        return [(batch, steps) for batch in ((1,) if takes_one(network) else BATCHES)]
    field = network.backbone.receptive_field
    return [(1, field), (1, field + 252), (3, field + 7), (8, max(80, field)), (2, 2 * field)]


def _answers(network: Network, rows: torch.Tensor, steps: int | None) -> tuple[torch.Tensor, ...]:
    """What a graph of it would give."""
    with torch.no_grad():
        return network(rows) if steps is None else network.answers(rows)


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


def _rows(network: Network, batch: int, steps: int, spread: float = SPREADS[0]) -> np.ndarray:
    """Random input of the kind that the network was normalised for, float32."""
    rng = np.random.default_rng(batch * 100_003 + steps)
    if network.takes_samples:
        return (0.05 * spread * rng.standard_normal((batch, steps))).astype(np.float32)
    mean, std = network.mean.numpy(), network.std.numpy()
    noise = rng.standard_normal((batch, steps, mean.size)).astype(np.float32) * spread
    return (noise * std + mean).astype(np.float32)
