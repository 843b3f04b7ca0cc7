"""Masked spectrogram modelling: most patches are hidden, and a light decoder draws them from the rest.

He et al. 2021, ViT-MAE (arXiv:2111.06377), on spectrograms as in Huang et al. 2022 (arXiv:2207.06405): the encoder sees
the visible patches only, a narrow decoder gets their embeddings and a learned token in the place of each hidden one,
and the loss is the mean square over hidden patches, each standardised (or not: ``standardise``). Predicting every
patch's own mean has a loss of 1 (less where patches are nearly constant, as silence is).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from sonoscope.errors import UsageError
from sonoscope.networks.backbones.vit import Block, ViT
from sonoscope.networks.build import Network
from sonoscope.networks.patches import cut, grid_of, hidden, positions
from sonoscope.signatures import Size
from sonoscope.training.pretrain.protocol import Pretext, Told, maps_of, rebuilt, share_of


class Masked(Pretext):
    """Draws hidden patches from visible ones.

    Parameters
    ----------
    network : Network
        Its backbone must be ``vit``.
    frames : int
        Rows of a window.
    share : float
        Of the patches that are hidden.
    dim, depth, heads : int
        Of the decoder.
    standardise : bool
        Draw patches without their level and spread, as ViT-MAE does; else as they are, spectral envelope and all.

    Raises
    ------
    UsageError
        If the backbone has no patches, or parameters are out of range.
    """

    def __init__(
        self,
        network: Network,
        frames: int,
        *,
        share: float = 0.75,
        dim: Size = 96,
        depth: Size = 2,
        heads: Size = 3,
        standardise: bool = True,
    ) -> None:
        super().__init__()
        backbone = network.backbone
        if not isinstance(backbone, ViT):
            raise UsageError(
                "the pretext 'masked' hides patches from the backbone 'vit', got "
                f"{network.config['backbone']['name']!r}: for convolutions there is pretext=masked_convolution"
            )
        if dim % 4 or dim % heads:
            raise UsageError(f"pretext masked: dim={dim} must be a multiple of 4 and of heads={heads}")
        channels, frames, bins = maps_of(network, frames, "masked")
        self.share, self.dim = share_of("masked", share), dim
        self.grid, self.standardise = grid_of(frames, bins, backbone.patch), standardise
        self.join = nn.Linear(backbone.dim, dim)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.blocks = nn.ModuleList(Block(dim, heads, 4 * dim) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.draw = nn.Linear(dim, channels * backbone.patch[0] * backbone.patch[1])

    def forward(self, network: Network, rows: torch.Tensor, chance: torch.Generator) -> Told:
        backbone = cast(ViT, network.backbone)
        maps = network.maps(rows)
        tokens = backbone.tokens(maps)
        batch, count, _ = tokens.shape
        unseen = hidden(batch, count, self.share, chance).to(rows.device)
        seen = backbone.encode(tokens[~unseen].unflatten(0, (batch, -1)))
        held = self.token.expand(batch, count, -1).masked_scatter(~unseen[:, :, None], self.join(seen))
        held = held + positions(*self.grid, self.dim, held)
        for block in self.blocks:
            held = block(held)
        drawn = self.draw(self.norm(held))
        return rebuilt(drawn, cut(maps, backbone.patch), unseen, maps.shape[1], standardise=self.standardise)
