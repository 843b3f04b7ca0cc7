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

#: Attention scores are kept in this range, so that no frame can take all the weight of a long window.
ATTENTION_LIMIT = 6.0


class FramewiseAttention(nn.Module):
    """(batch, time, dim) to logits and attention scores, each (batch, time, n_classes)."""

    def __init__(self, dim: int, n_classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(dim, n_classes)
        self.attention = nn.Linear(dim, n_classes)
        nn.init.zeros_(self.attention.weight)
        nn.init.zeros_(self.attention.bias)

    def forward(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        dropped = self.dropout(embedding)
        return self.logits(dropped), ATTENTION_LIMIT * torch.tanh(self.attention(dropped) / ATTENTION_LIMIT)


def pool(logits: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    """Attention-weighted mean over time: (batch, time, c) twice to (batch, c)."""
    return (torch.softmax(attention, dim=1) * logits).sum(dim=1)
