"""Masked modelling for convolutional networks: SparK (Tian et al. 2023, arXiv:2301.03580).

The network works on the visible patches only (``sparse.py``); its maps of the coarsest sizes, hidden cells filled with
a learned vector, go through a decoder from coarse to fine that draws the hidden patches. As in SparK, what lies behind
the last convolution (pooling along frequency and a linear map) learns nothing: fed from half-empty maps, it came out no
better than its random weights (docs/pretraining.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from sonoscope.errors import UsageError
from sonoscope.networks.build import Network
from sonoscope.networks.patches import cut, grid_of, hidden
from sonoscope.signatures import Size
from sonoscope.training.pretrain.protocol import Pretext, Told, maps_of, rebuilt, share_of
from sonoscope.training.pretrain.sparse import visible


class MaskedConvolution(Pretext):
    """Draws hidden patches from the maps of a convolutional network.

    Parameters
    ----------
    network : Network
        Its backbone must be made of two-dimensional convolutions.
    frames : int
        Rows of a window.
    share : float
        Of the patches that are hidden.
    patch : (int, int)
        Frames and bins of a patch.
    width : int
        Channels of the decoder.
    levels : int
        Sizes of maps that the decoder gets, the coarsest ones.
    standardise : bool
        Draw patches without their level and spread, as SparK does; else as they are, spectral envelope and all.

    Raises
    ------
    UsageError
        If the backbone has no convolutions, or a parameter is out of range.
    """

    def __init__(
        self,
        network: Network,
        frames: int,
        *,
        share: float = 0.6,
        patch: Sequence[Size] = (16, 16),
        width: Size = 24,
        levels: Size = 3,
        standardise: bool = False,
    ) -> None:
        super().__init__()
        self.shape, self.standardise = maps_of(network, frames, "masked_convolution"), standardise
        self.share, self.patch = share_of("masked_convolution", share), (int(patch[0]), int(patch[1]))
        sizes = _sizes(network, self.shape)
        if not sizes:
            raise UsageError(
                f"the pretext 'masked_convolution' is for convolutions, {network.config['backbone']['name']!r} has "
                "none: for patches there is pretext=masked"
            )
        #: (time, bins) of the maps that are used, coarse to fine.
        self.sizes = sorted(sizes, key=lambda size: size[0] * size[1])[: max(levels, 1)]
        self.tokens = nn.ParameterList(0.02 * torch.randn(1, sizes[size], 1, 1) for size in self.sizes)
        self.bring = nn.ModuleList(nn.Conv2d(sizes[size], width, 1) for size in self.sizes)
        self.blocks = nn.ModuleList(_block(width) for _ in self.sizes)
        self.draw = nn.Conv2d(width, self.shape[0], 3, padding=1)

    def forward(self, network: Network, rows: torch.Tensor, chance: torch.Generator) -> Told:
        maps = network.maps(rows)
        columns, high = grid_of(maps.shape[2], maps.shape[3], self.patch)
        unseen = hidden(len(maps), columns * high, self.share, chance).to(rows.device)
        levels = self.seen(network, maps, unseen)
        held = maps.new_zeros(1, 1, *self.sizes[0])
        for size, token, bring, block in zip(self.sizes, self.tokens, self.bring, self.blocks, strict=True):
            found, exists = levels[size]
            held = functional.interpolate(held, size, mode="nearest")
            held = block(bring(torch.where(exists > 0, found, token)) + held)
        held = functional.interpolate(held, self.shape[1:], mode="bilinear", align_corners=False)
        drawn, wanted = (cut(each, self.patch) for each in (self.draw(held), maps))
        return rebuilt(drawn, wanted, unseen, maps.shape[1], standardise=self.standardise)

    def seen(
        self, network: Network, maps: torch.Tensor, unseen: torch.Tensor
    ) -> dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]]:
        """Maps of each size with the cells that exist, of the visible patches.

        Frames and bins that belong to no patch are hidden as well.
        """
        exists = spread(~unseen, self.patch, (maps.shape[2], maps.shape[3])).to(maps.dtype)
        with visible(network.backbone, exists) as scene:
            network.backbone.forward_features(maps)
        return scene.levels


def spread(cells: torch.Tensor, patch: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
    """Of which cells of maps of ``size`` (time, bins) a patch (batch, patches) is true, (batch, 1, time, bins)."""
    columns, high = grid_of(*size, patch)
    grid = cells.unflatten(1, (columns, high)).repeat_interleave(patch[0], 1).repeat_interleave(patch[1], 2)
    return functional.pad(grid[:, :, : size[1]], (0, 0, 0, size[0] - grid.shape[1]))[:, None]


def _block(width: int) -> nn.Module:
    """Half a step of a U-net: two convolutions of 3 by 3."""
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
    )


@torch.no_grad()
def _sizes(network: Network, shape: tuple[int, int, int]) -> dict[tuple[int, int], int]:
    """(time, bins) of all maps in the network, and their channels; statistics stay as they are."""
    learns = network.training
    network.eval()
    maps = torch.zeros(1, *shape)
    with visible(network.backbone, torch.ones(1, 1, *shape[1:])) as scene:
        network.backbone.forward_features(maps)
    network.train(learns)
    return {size: found.shape[1] for size, (found, _) in scene.levels.items()}
