"""Frame logits with per-class attention: weak labels in training, times in use.

For embeddings ``h_t`` the head gives logits ``l_tc = w_c . h_t + b_c`` and attention scores ``a_tc``; a
window's logit is ``sum_t softmax_t(a_tc) l_tc``: a decision-level attention (Kong et al. 2018, "Audio Set
classification with attention model", eq. 7, with logits in the place of probabilities). Since both are per
frame, the pool can be taken over any stretch of frames after the fact; ``pool`` here and ``models.pool``
(NumPy) are the same formula.
"""

from __future__ import annotations

import torch
from torch import nn

from sonoscope.networks.heads.protocol import Head, as_frames, pool

__all__ = ["ATTENTION_LIMIT", "FramewiseAttention", "pool"]

#: Attention scores are kept in this range, so that no frame can take all the weight of a long window.
ATTENTION_LIMIT = 6.0


class FramewiseAttention(Head):
    """(batch, time, dim) to logits and attention scores, each (batch, time, n_classes)."""

    def __init__(self, dim: int, n_classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(dim, n_classes)
        self.attention = nn.Linear(dim, n_classes)
        nn.init.zeros_(self.attention.weight)
        nn.init.zeros_(self.attention.bias)

    def forward(
        self, embedding: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        dropped = self.dropout(as_frames(embedding))
        return self.logits(dropped), ATTENTION_LIMIT * torch.tanh(self.attention(dropped) / ATTENTION_LIMIT)
