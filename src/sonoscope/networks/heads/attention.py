"""Attention pooling: learned questions choose the frames that make up the clip's embedding.

Each of ``n_heads`` questions ``q`` weighs the frames by ``softmax_t(q . k_t / sqrt(d))`` over its own part of the
embedding; the weighted sums lie side by side and are classified (Vaswani et al. 2017, eq. 1, with learned queries;
the attention head in the place of a deep classifier). :meth:`AttentionPooling.listen` returns the weights.
"""

from __future__ import annotations

import torch
from torch import nn

from sonoscope.networks.heads.protocol import Head, as_frames
from sonoscope.signatures import Share, Size


class AttentionPooling(Head):
    """Embeddings of frames to logits of the clip.

    Parameters
    ----------
    dim, n_classes : int
        ``dim`` must be a multiple of ``n_heads``.
    n_heads : int
        Questions.
    dropout : float
        On the pooled embedding, in 0..1.

    Raises
    ------
    ValueError
        If ``dim`` is no multiple of ``n_heads``.
    """

    framewise = False

    def __init__(self, dim: int, n_classes: int, *, n_heads: Size = 4, dropout: Share = 0.2) -> None:
        super().__init__()
        if dim % n_heads:
            raise ValueError(f"n_heads={n_heads} must divide dim={dim}")
        self.n_heads = n_heads
        self.keys = nn.Linear(dim, dim)
        self.questions = nn.Parameter(torch.zeros(n_heads, dim // n_heads))
        nn.init.normal_(self.questions, std=0.02)
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(dim, n_classes)

    def listen(
        self, embedding: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The pooled embedding (batch, dim) and the weights (batch, frames, n_heads), which sum to 1 over frames."""
        frames = as_frames(embedding)
        if mask is not None:
            frames = frames.masked_fill(~mask[:, :, None], 0.0)
        keys = self.keys(frames).unflatten(2, (self.n_heads, -1))
        scores = (keys * self.questions).sum(dim=3) / keys.shape[3] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, :, None], torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=1)
        parts = frames.unflatten(2, (self.n_heads, -1))
        return (weights[..., None] * parts).sum(dim=1).flatten(1), weights

    def forward(
        self, embedding: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        clip, _ = self.listen(embedding, mask)
        logits = self.logits(self.dropout(self.norm(clip)))[:, None]
        return logits, torch.zeros_like(logits)
