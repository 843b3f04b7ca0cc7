"""What a head is: embeddings in, frame logits and attention scores out.

A head is made by ``make(dim, n_classes, **parameters)`` and called with embeddings (batch, frames, dim), or pooled
ones (batch, dim), and optionally the mask of real frames (batch, frames). It answers with logits and attention
scores, both (batch, frames', n_classes), and :func:`pool` makes clip logits of them, for any stretch of frames:

- a head that is ``framewise`` has ``frames' == frames``: times as well as clips, and windows that share frames;
- any other pools the embeddings itself and has ``frames' == 1``: ``pool`` then changes nothing.

So training, bundles and the runtime see one kind of head. Frames that the mask leaves out have no weight in ``pool``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

from sonoscope.networks.backbones.masking import masked_max, masked_mean

#: Ways to make one embedding of many frames.
POOLS = ("mean", "max", "mean+max")


class Head(nn.Module, ABC):
    """The contract; a head that pools embeddings itself sets ``framewise`` to ``False``."""

    #: One row of logits for each frame of embedding.
    framewise: bool = True

    @abstractmethod
    def forward(
        self, embedding: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings and the mask of real frames to logits and attention scores (batch, frames', n_classes)."""

    def clip_logits(self, embedding: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of whole inputs, (batch, n_classes)."""
        logits, attention = self(embedding, mask)
        return pool(logits, attention, mask if self.framewise else None)


def as_frames(embedding: torch.Tensor) -> torch.Tensor:
    """Pooled embeddings (batch, dim) as one frame each; frames as they are."""
    return embedding[:, None] if embedding.ndim == 2 else embedding


def pool(logits: torch.Tensor, attention: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Attention-weighted mean over time: (batch, time, c) twice, and the real frames (batch, time), to (batch, c)."""
    if mask is not None:
        attention = attention.masked_fill(~mask[:, :, None], torch.finfo(attention.dtype).min)
        # What stands behind a row's end has no weight, but zero times NaN would still be NaN.
        logits = logits.masked_fill(~mask[:, :, None], 0.0)
    return (torch.softmax(attention, dim=1) * logits).sum(dim=1)


def pooled(embedding: torch.Tensor, mask: torch.Tensor | None, how: str) -> torch.Tensor:
    """One embedding of all real frames: (batch, frames, dim) to (batch, dim), or (batch, 2 dim) for ``mean+max``."""
    lengths = None if mask is None else mask.sum(dim=1)
    mean = masked_mean(embedding, lengths) if how != "max" else None
    top = masked_max(embedding, lengths) if how != "mean" else None
    return torch.cat([part for part in (mean, top) if part is not None], dim=1)
