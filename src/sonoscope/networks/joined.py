"""A head on a finished model's graph, as one graph.

A network whose backbone is a graph already (``backbones/frozen.py``) cannot be exported by torch, which sees nothing
of it. Its head can; so the nodes of the finished graph are set before those of the head, and what comes out takes the
place of any other exported graph: frames or clips in, the same outputs, and nothing beside it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from sonoscope.errors import BadBundle, UsageError
from sonoscope.networks.backbones.frozen import Graph
from sonoscope.networks.build import NORMALISATIONS, Network
from sonoscope.networks.heads import pool
from sonoscope.networks.torchexport import exporting, save
from sonoscope.networks.writer import OPSET, Writer, opset_in

#: Frames of embedding that the head is exported with, where their number may vary.
FRAMES = 7


class _Top(nn.Module):
    """What comes after the backbone: frames of logits and attention, or logits and embedding of whole windows."""

    def __init__(self, network: Network, *, clips: bool) -> None:
        super().__init__()
        self.head, self.clips = network.head, clips

    def forward(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits, attention = self.head(embedding, None)
        return (pool(logits, attention), embedding.mean(dim=1)) if self.clips else (logits, attention)


def write_joined(network: Network, path: Path, *, steps: int | None, outputs: tuple[str, ...]) -> None:
    """Write a network on a finished graph into one ONNX file.

    Parameters
    ----------
    network : Network
        In evaluation mode, on the CPU; its backbone is a :class:`~sonoscope.networks.backbones.frozen.Graph`.
    path : Path
    steps : int or None
        Input steps of a window, for a graph of clips; None: a graph of frames.
    outputs : tuple of str
        Names of logits and embedding of a clip; or of logits, attention and embedding of frames.

    Raises
    ------
    BadBundle
        If the graphs cannot be one; says why.
    """
    backbone = cast(Graph, network.backbone)
    writer = Writer(max(OPSET, opset_in(backbone.path)))
    name = "samples" if network.takes_samples else "frames"
    try:
        embedding = backbone.write(writer, _normalised(writer, network, name))
        with tempfile.TemporaryDirectory(prefix="sonoscope-") as scratch:
            file = Path(scratch) / "head.onnx"
            _write_top(network, file, writer.opset, frames=_frames(network, steps))
            found = writer.included(file, {"embedding": embedding}, ["first", "second"])
        axes = ["batch"] if steps is not None else ["batch", "frame"]
        widths = [network.config["n_classes"]] * (len(outputs) - 1) + [backbone.dim]
        names = found if steps is not None else [*found, embedding]
        gives = {out: (made, [*axes, w]) for out, made, w in zip(outputs, names, widths, strict=True)}
        shape: list[Any] = ["batch", steps or "time"]
        model = writer.model({name: shape if network.takes_samples else [*shape, len(network.mean)]}, gives)
    except UsageError as problem:
        raise BadBundle(str(problem)) from None
    path.write_bytes(model.SerializeToString(deterministic=True))


def _normalised(writer: Writer, network: Network, rows: str) -> str:
    """What the backbone is shown of the rows."""
    if network.takes_samples or network.normalise == "none":
        return rows
    assert network.normalise == NORMALISATIONS[1], "a finished graph takes one map"
    mean, std = (writer.constant(values.numpy()) for values in (network.mean, network.std))
    return writer.node("Div", writer.node("Sub", rows, mean), std)


def _frames(network: Network, steps: int | None) -> int | None:
    """Frames of embedding that a window has; None: any number."""
    return None if steps is None else int(network.backbone.output_lengths(steps))


def _write_top(network: Network, path: Path, opset: int, *, frames: int | None) -> None:
    """The head as a graph of its own, ``embedding`` to ``first`` and ``second``."""
    batch = torch.export.Dim("batch", min=1, max=4096)
    dynamic = {0: batch} | ({} if frames is not None else {1: torch.export.Dim("frame", min=1, max=1 << 20)})
    example = torch.randn(
        2, frames or FRAMES, network.backbone.dim, generator=torch.Generator().manual_seed(0)
    )
    with exporting(path):
        program = torch.onnx.export(
            _Top(network, clips=frames is not None).eval(), (example,), dynamo=True, dynamic_shapes=(dynamic,),
            input_names=["embedding"], output_names=["first", "second"], opset_version=opset, external_data=False,
            verbose=False,
        )  # fmt: skip
        assert program is not None  # with dynamo=True
        save(program, path)
