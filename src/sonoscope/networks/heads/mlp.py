"""A deep head from a list of sizes.

``layers: [1000, 500]`` and four classes are the head that others write as ``[1000, 500, 4]``: the last layer has as
many units as there are classes and is added here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from sonoscope.errors import UsageError
from sonoscope.networks.heads.protocol import POOLS, Head, as_frames, pooled
from sonoscope.signatures import Share, Size


class MLP(Head):
    """Hidden layers with ReLU and dropout, then the classes.

    Parameters
    ----------
    dim, n_classes : int
    layers : sequence of int
        Sizes of the hidden layers; empty: a linear head.
    dropout : float
        After each hidden layer, in 0..1.
    over : {"frames", "mean", "max", "mean+max"}
        ``frames``: on each frame, logits averaged; else on one embedding pooled from all of them.
    normalise : bool
        Batch normalisation before each ReLU; needs a pooled embedding and more than one row in training.

    Raises
    ------
    UsageError
        If ``over`` is none of these, or ``normalise`` is asked for on frames.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        layers: Sequence[Size] = (512,),
        dropout: Share = 0.2,
        over: str = "frames",
        normalise: bool = False,
    ) -> None:
        super().__init__()
        if over != "frames" and over not in POOLS:
            raise UsageError(f"over={over!r} must be one of frames, {', '.join(POOLS)}")
        if normalise and over == "frames":
            # Rows of different lengths would be normalised by what they were padded with.
            raise UsageError(f"normalise=True needs a pooled embedding: over one of {', '.join(POOLS)}")
        self.over, self.framewise = over, over == "frames"
        size = dim * (2 if over == "mean+max" else 1)
        parts: list[nn.Module] = []
        for units in layers:
            parts.append(nn.Linear(size, units))
            if normalise:
                parts.append(nn.BatchNorm1d(units))
            parts += [nn.ReLU(), nn.Dropout(dropout)]
            size = units
        self.layers = nn.Sequential(*parts, nn.Linear(size, n_classes))

    def forward(
        self, embedding: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        frames = as_frames(embedding)
        logits = (
            self.layers(frames) if self.framewise else self.layers(pooled(frames, mask, self.over))[:, None]
        )
        return logits, torch.zeros_like(logits)
