"""Frame logits with per-class attention: weak labels in training, times in use.

For embeddings ``h_t`` the head gives logits ``l_tc = w_c . h_t + b_c`` and attention scores ``a_tc``; a
window's logit is ``sum_t softmax_t(a_tc) l_tc``: a decision-level attention (Kong et al. 2018, "Audio Set
classification with attention model", eq. 7, with logits in the place of probabilities). Since both are per
frame, the pool can be taken over any stretch of frames after the fact; ``pool`` here and ``models.pool``
(NumPy) are the same formula.

One of the classes may be the *background*, what is none of the others (open-set recognition: Dhamija, Günther, Boult
2018, "Reducing network agnostophobia"). Independent sigmoids let a sound that is surely background be a little of
something else too; with a weight ``g``, the others get ``l_tc - g softplus(l_tb)``: as they are where the background
is not heard, lower the surer it is. The weight is set after training, on sounds that were not learned from.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from sonoscope.networks.heads.protocol import Head, as_frames, pool
from sonoscope.signatures import Share

__all__ = ["ATTENTION_LIMIT", "FramewiseAttention", "pool"]

#: Attention scores are kept in this range, so that no frame can take all the weight of a long window.
ATTENTION_LIMIT = 6.0


class FramewiseAttention(Head):
    """(batch, time, dim) to logits and attention scores, each (batch, time, n_classes).

    Parameters
    ----------
    dim, n_classes : int
    dropout : float
        On the embedding, in 0..1.
    background : int, optional
        Number of the class that is none of the others.
    background_weight : float
        How much it lowers the others, from 0.

    Raises
    ------
    ValueError
        If there is no such class, or the weight is negative.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        dropout: Share = 0.2,
        *,
        background: int | None = None,
        background_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if background is not None and not 0 <= background < n_classes:
            raise ValueError(f"background={background} must be one of the classes 0 to {n_classes - 1}")
        if background_weight < 0.0:
            raise ValueError(f"background_weight={background_weight:g} must not be negative")
        self.background = background if background_weight else None
        weights = torch.full((n_classes,), float(background_weight))
        if background is not None:
            weights[background] = 0.0
        self.background_weights: torch.Tensor
        self.register_buffer("background_weights", weights, persistent=False)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(dim, n_classes)
        self.attention = nn.Linear(dim, n_classes)
        nn.init.zeros_(self.attention.weight)
        nn.init.zeros_(self.attention.bias)

    def forward(
        self, embedding: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        dropped = self.dropout(as_frames(embedding))
        logits = self.logits(dropped)
        if self.background is not None:
            heard = functional.softplus(logits[..., self.background : self.background + 1])
            logits = logits - self.background_weights * heard
        return logits, ATTENTION_LIMIT * torch.tanh(self.attention(dropped) / ATTENTION_LIMIT)
