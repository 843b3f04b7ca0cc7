"""A transformer over frames whose attention reaches a few frames to either side, valid in time.

A convolution over a few whole frames makes a token of each; then blocks of self-attention and a feed-forward part,
normalised before each (Xiong et al. 2020, arXiv:2002.04745). Each token attends to itself and ``reach`` tokens on both
sides, so a frame of output depends on its receptive field only, and recordings of any length, and live ones, give what
a window of them gives. Positions enter as a learned bias for each distance and head, as in Shaw et al. 2018
(arXiv:1803.02155); together the blocks see ``kernel + 2 reach depth`` frames.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.masking import by_length
from sonoscope.networks.backbones.protocol import Backbone, numbered, parameters_of
from sonoscope.signatures import Positive, Share, Size


class Block(nn.Module):
    """Attention to near tokens and a feed-forward part; ``reach`` tokens less on either side come out.

    Parameters
    ----------
    dim, heads, inner : int
        Size of a token, heads among which it is divided, and hidden size of the feed-forward part.
    reach : int
        Tokens on either side that are attended to.
    dropout : float
        Behind both parts, in 0..1.
    """

    def __init__(self, dim: int, heads: int, inner: int, reach: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.reach = heads, reach
        self.before_attention, self.before_inner = nn.LayerNorm(dim), nn.LayerNorm(dim)
        # No bias of keys: it moves all scores of a query alike, and the softmax does not see it.
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.value, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.distances = nn.Parameter(torch.zeros(2 * reach + 1, heads))
        self.widen, self.narrow = nn.Linear(dim, inner), nn.Linear(inner, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, n, dim) to (batch, n - 2 reach, dim)."""
        kept = tokens.shape[1] - 2 * self.reach
        middle = tokens[:, self.reach : self.reach + kept]
        middle = middle + self.dropout(self.out(self._attended(self.before_attention(tokens), kept)))
        inner = functional.gelu(self.widen(self.before_inner(middle)))
        return middle + self.dropout(self.narrow(inner))

    def _attended(self, tokens: torch.Tensor, kept: int) -> torch.Tensor:
        """What each of the ``kept`` middle tokens gathers, (batch, kept, dim)."""
        queries = self.query(tokens[:, self.reach : self.reach + kept]).unflatten(2, (self.heads, -1))
        keys, values = (
            self._near(part(tokens), kept).unflatten(3, (self.heads, -1)) for part in (self.key, self.value)
        )
        scores = (queries[:, :, None] * keys).sum(dim=4) / queries.shape[3] ** 0.5
        weights = torch.softmax(scores + self.distances, dim=2)
        return (weights[..., None] * values).sum(dim=2).flatten(2)

    def _near(self, tokens: torch.Tensor, kept: int) -> torch.Tensor:
        """The tokens around each of the middle ones, (batch, kept, 2 reach + 1, dim)."""
        return torch.stack([tokens[:, k : k + kept] for k in range(2 * self.reach + 1)], dim=2)


class LocalTransformer(Backbone):
    """Maps to as many frames of embedding as there are frames, less the field.

    Parameters
    ----------
    n_bins, channels : int
        Bins of an input frame, and maps of them.
    dim : int
        Size of a token and of the embedding; a multiple of ``heads``.
    depth, heads : int
        Blocks, and heads of attention in each.
    reach : int
        Frames on either side that a block attends to.
    kernel : int
        Frames that a token is made of.
    widening : float
        Hidden size of the feed-forward parts, in ``dim``.
    dropout : float
        In 0..1.

    Raises
    ------
    ValueError
        If ``dim`` cannot be divided so, or a number is out of range.
    """

    def __init__(
        self,
        n_bins: int,
        *,
        channels: int = 1,
        dim: Size = 192,
        depth: Size = 4,
        heads: Size = 4,
        reach: int = 5,
        kernel: Size = 3,
        widening: Positive = 3.0,
        dropout: Share = 0.1,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim={dim} must be a multiple of heads={heads}")
        if reach < 1 or kernel < 1 or depth < 1:
            raise ValueError(f"reach={reach}, kernel={kernel} and depth={depth} must be at least 1")
        self.n_bins, self.dim = n_bins, dim
        self.field = Field.of([Step(kernel), *[Step(2 * reach + 1)] * depth])
        self.project = nn.Conv2d(channels, dim, (kernel, n_bins))
        self.blocks = nn.ModuleList(
            Block(dim, heads, round(widening * dim), reach, dropout) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim)

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, channels, time, n_bins) to (batch, 1 + time - receptive_field, dim)."""
        self.check_lengths(x.shape[2], lengths)
        return by_length(self._frames, x, lengths, axis=2)

    def _frames(self, maps: torch.Tensor) -> torch.Tensor:
        tokens = self.project(maps).squeeze(3).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "tokens": parameters_of(self.project),
            **numbered("block", self.blocks),
            "norm": parameters_of(self.norm),
        }
