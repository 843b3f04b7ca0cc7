"""A linear layer on each frame, averaged: the probe by which embeddings are compared.

The mean of the frames' logits is the logits of the mean embedding, so this is both.
"""

from __future__ import annotations

import torch
from torch import nn

from sonoscope.networks.heads.protocol import Head, as_frames
from sonoscope.signatures import Share


class Linear(Head):
    """``w . h + b`` for each frame; every frame has the same weight in a clip."""

    def __init__(self, dim: int, n_classes: int, dropout: Share = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(dim, n_classes)

    def forward(
        self, embedding: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.logits(self.dropout(as_frames(embedding)))
        return logits, torch.zeros_like(logits)
