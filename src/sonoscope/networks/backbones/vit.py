"""A small vision transformer over patches of feature maps, of any length; its patches can be hidden.

Dosovitskiy et al. 2020 (arXiv:2010.11929), normalised before each part; positions are sines and cosines of both axes,
as in ViT-MAE (arXiv:2111.06377), so no table limits the length. There is no class token: a frame of output is the mean
of the patches of one column, which keeps the time axis for heads that need it.

Pre-training that hides patches calls :meth:`ViT.tokens` and :meth:`ViT.encode` with the visible ones only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.masking import by_length
from sonoscope.networks.backbones.protocol import Backbone, TokenGrid, numbered, parameters_of
from sonoscope.networks.patches import filled, grid_of, positions
from sonoscope.signatures import Positive, Share, Size


class Block(nn.Module):
    """Self-attention and a feed-forward part, each behind a normalisation and beside a residual.

    Parameters
    ----------
    dim, heads, inner : int
        Size of a token, heads among which it is divided, and hidden size of the feed-forward part.
    dropout : float
        Behind both parts, in 0..1.
    """

    def __init__(self, dim: int, heads: int, inner: int, dropout: Share = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_inner = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.queries_keys_values, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.widen, self.narrow = nn.Linear(dim, inner), nn.Linear(inner, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, n, dim) to the same."""
        attended = self._attend(self.before_attention(tokens))
        tokens = tokens + self.dropout(self.out(attended))
        inner = functional.gelu(self.widen(self.before_inner(tokens)))
        return tokens + self.dropout(self.narrow(inner))

    def _attend(self, tokens: torch.Tensor) -> torch.Tensor:
        parts = self.queries_keys_values(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        return mixed.transpose(1, 2).flatten(2)


class ViT(Backbone):
    """Maps to frames of embedding, one for each column of patches.

    Parameters
    ----------
    n_bins, channels : int
        Bins of an input frame and maps of them. Bins that do not fill the last patch are completed with zeros.
    patch : (int, int)
        Frames and bins of a patch.
    dim : int
        Size of a token and of the embedding; a multiple of 4 and of ``heads``.
    depth, heads : int
        Blocks, and heads of attention in each.
    widening : float
        Hidden size of the feed-forward parts, in ``dim``.
    dropout : float
        In 0..1.

    Raises
    ------
    ValueError
        If ``dim`` cannot be divided so.
    """

    local = False

    def __init__(
        self,
        n_bins: int,
        *,
        channels: int = 1,
        patch: Sequence[Size] = (16, 16),
        dim: Size = 192,
        depth: Size = 6,
        heads: Size = 3,
        widening: Positive = 4.0,
        dropout: Share = 0.0,
    ) -> None:
        super().__init__()
        if dim % 4 or dim % heads:
            raise ValueError(f"dim={dim} must be a multiple of 4 and of heads={heads}")
        self.dim, self.n_bins, self.channels = dim, n_bins, channels
        self.patch = (int(patch[0]), int(patch[1]))
        self.field = Field.of([Step(self.patch[0], self.patch[0])])
        self.project = nn.Conv2d(channels, dim, self.patch, self.patch)
        self.blocks = nn.ModuleList(Block(dim, heads, round(widening * dim), dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.token_grid = TokenGrid(self.high)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    @property
    def high(self) -> int:
        """Patches along frequency."""
        return grid_of(0, self.n_bins, self.patch)[1]

    def tokens(self, maps: torch.Tensor) -> torch.Tensor:
        """(batch, channels, time, bins) to a token for each patch with its position, (batch, patches, dim)."""
        cells = self.project(filled(maps, self.patch))
        tokens = cells.flatten(2).transpose(1, 2)
        return tokens + positions(maps.shape[2] // self.patch[0], self.high, self.dim, tokens)

    def encode(self, tokens: torch.Tensor) -> torch.Tensor:
        """Any of the tokens to as many embeddings, (batch, n, dim)."""
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, channels, time, bins) to (batch, time // frames of a patch, dim)."""
        self.check_lengths(x.shape[2], lengths)
        return by_length(self._columns, x, lengths, axis=2)

    def _columns(self, maps: torch.Tensor) -> torch.Tensor:
        return self.encode(self.tokens(maps)).unflatten(1, (-1, self.high)).mean(dim=2)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "patches": parameters_of(self.project),
            **numbered("block", self.blocks),
            "norm": parameters_of(self.norm),
        }
