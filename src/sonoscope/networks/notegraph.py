"""The note network as an ONNX graph of probabilities, compared with torch before anybody trusts it.

One input, ``frames`` (batch, time, bin): rows of its feature, at least the network's receptive field of them. Three
outputs, ``onset``, ``sustain`` and ``velocity`` (batch, time - field + 1, 88), from 0 to 1. Nothing is padded, so
blocks that overlap by ``field - 1`` rows give what the whole gives.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from sonoscope.errors import BadBundle
from sonoscope.models.apart import apart
from sonoscope.networks.framenotes import Heard
from sonoscope.networks.graphs import TOLERANCE
from sonoscope.networks.notes import OUTPUTS
from sonoscope.networks.torchexport import exporting, save
from sonoscope.networks.writer import OPSET

INPUT = "frames"


class Probabilities(nn.Module):
    """A note network, folded where it can be, that answers in probabilities."""

    def __init__(self, network: Heard) -> None:
        super().__init__()
        self.network = network.inference()

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(batch, time, bins) to onset, sustain, velocity, (batch, time - field + 1, 88) each."""
        return tuple(logits.sigmoid() for logits in self.network(frames))


def write_note_graph(network: Heard, path: str | Path) -> float:
    """Write the ONNX file and return the largest difference to the torch network over several shapes.

    Raises
    ------
    BadBundle
        If torch cannot write it, or the difference exceeds ``graphs.TOLERANCE``.
    """
    path, module, field = Path(path), Probabilities(network).eval(), network.receptive_field
    with exporting(path):
        program = torch.onnx.export(
            module,
            (torch.from_numpy(_rows(network, 2, field + 40)),),
            dynamo=True,
            dynamic_shapes=(
                {
                    0: torch.export.Dim("batch", min=1, max=4096),
                    1: torch.export.Dim("time", min=field, max=1 << 20),
                },
            ),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
        assert program is not None  # with dynamo=True
        save(program, path)
    worst = largest_note_difference(network, path)
    if not worst <= TOLERANCE:
        raise BadBundle(
            f"{path}: the exported graph differs from torch by {worst:.2e} (limit {TOLERANCE:.0e})"
        )
    return worst


def largest_note_difference(network: Heard, path: Path) -> float:
    """Largest |ONNX Runtime - torch| of probabilities at several shapes; torch's are not folded."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    field, worst = network.receptive_field, 0.0
    network.cpu().eval()
    for batch, time in ((1, field), (1, field + 99), (3, field + 7)):
        rows = _rows(network, batch, time)
        with torch.no_grad():
            expected = [logits.sigmoid().numpy() for logits in network(torch.from_numpy(rows))]
        got = session.run(list(OUTPUTS), {INPUT: rows})
        worst = max(worst, *map(apart, got, expected))
    return worst


def _rows(network: Heard, batch: int, steps: int) -> np.ndarray:
    """Random rows of the kind that the network was normalised for, float32."""
    rng = np.random.default_rng(batch * 100_003 + steps)
    mean, std = network.mean.cpu().numpy(), network.std.cpu().numpy()
    noise = rng.standard_normal((batch, steps, mean.size)).astype(np.float32)
    return (2.0 * noise * std + mean).astype(np.float32)
