"""Logits by angle: the head that the ArcFace loss is made for.

A class's logit is ``s (cos(angle to its direction) - cosine)``, where ``s`` and the threshold ``cosine`` are learned,
so that sigmoids have both a slope and a place where they are one half. The margin of ArcFace belongs to training and
is in the loss (``training.losses``: ``arcface``).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from sonoscope.networks.heads.protocol import Head, as_frames


class Cosine(Head):
    """(batch, frames, dim) to scaled cosines with ``n_classes`` directions.

    Parameters
    ----------
    dim, n_classes : int
    scale : float
        Where ``s`` begins; positive.

    Raises
    ------
    ValueError
        If ``scale`` is not positive.
    """

    def __init__(self, dim: int, n_classes: int, *, scale: float = 16.0) -> None:
        super().__init__()
        if scale <= 0:
            raise ValueError(f"scale={scale} must be positive")
        self.directions = nn.Parameter(torch.empty(n_classes, dim))
        nn.init.xavier_uniform_(self.directions)
        self.scale = nn.Parameter(torch.tensor(float(scale)))
        self.cosine = nn.Parameter(torch.zeros(n_classes))

    def forward(
        self, embedding: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        frames = functional.normalize(as_frames(embedding), dim=2)
        cosines = functional.linear(frames, functional.normalize(self.directions, dim=1))
        logits = self.scale * (cosines - self.cosine)
        return logits, torch.zeros_like(logits)
