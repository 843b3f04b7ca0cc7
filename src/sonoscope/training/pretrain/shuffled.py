"""Patch-shuffle detection: some cells of a grid change places, and each cell is asked whether it is where it was.

As ELECTRA asks of every word whether it was replaced (Clark et al. 2020, arXiv:2003.10555), so every cell gives a
signal, not only those that were moved. Of ``vit`` the patches are asked, each of the cells in its place; a grid of the
patches themselves (``grid`` as many columns and rows of them) leaves no seams inside a patch to tell by. Any other
backbone of maps will do as well: its frames are brought to the grid's columns, and each says of all cells of its
column.

Cells that move change places among themselves, and none of them stays. A cell may look like the one that came in its
place (silence does); it counts as moved, so the loss has a floor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from sonoscope.errors import UsageError
from sonoscope.networks.backbones.vit import ViT
from sonoscope.networks.build import Network
from sonoscope.networks.patches import cut, joined
from sonoscope.signatures import Size
from sonoscope.training.pretrain.protocol import Pretext, Told, maps_of, share_of


class Shuffled(Pretext):
    """Says of each cell whether it was moved.

    Parameters
    ----------
    network : Network
    frames : int
        Rows of a window, at least as many as the grid's columns.
    grid : (int, int)
        Cells along time and along frequency. Frames and bins at the end that do not fill a cell stay where they are.
    share : float
        Of the cells that move.

    Raises
    ------
    UsageError
        If the window has fewer frames or bins than the grid, or fewer than two cells would move.
    """

    def __init__(
        self, network: Network, frames: int, *, grid: Sequence[Size] = (16, 16), share: float = 0.15
    ) -> None:
        super().__init__()
        _, frames, bins = maps_of(network, frames, "shuffled")
        self.grid = (int(grid[0]), int(grid[1]))
        self.cell = (frames // self.grid[0], bins // self.grid[1])
        if not all(self.cell):
            raise UsageError(
                f"pretext shuffled: a window of {frames} frames and {bins} bins has no grid of {self.grid[0]} by "
                f"{self.grid[1]}: take a longer window, more bins, or grid=[{min(self.grid[0], frames)}, "
                f"{min(self.grid[1], bins)}]"
            )
        cells = self.grid[0] * self.grid[1]
        self.count = round(share_of("shuffled", share) * cells)
        if not 2 <= self.count < cells:
            raise UsageError(
                f"pretext shuffled: share={share} of {cells} cells moves {self.count}, at least 2 must"
            )
        rate = self.count / cells
        #: Log odds of having been moved, and the entropy of knowing nothing else.
        self.odds, self.entropy = (
            math.log(rate / (1 - rate)),
            -rate * math.log(rate) - (1 - rate) * math.log(1 - rate),
        )
        self.ask = nn.Linear(network.backbone.dim, 1 if isinstance(network.backbone, ViT) else self.grid[1])
        nn.init.constant_(self.ask.bias, self.odds)

    def forward(self, network: Network, rows: torch.Tensor, chance: torch.Generator) -> Told:
        maps, moved = self.shuffled(network.maps(rows), chance)
        said = self.said(network, maps)
        loss = functional.binary_cross_entropy_with_logits(said, moved.to(said.dtype))
        suspected = said > self.odds
        found, cleared = (suspected & moved).sum() / moved.sum(), (~suspected & ~moved).sum() / (~moved).sum()
        return Told(loss, loss.new_tensor(self.entropy), {"balanced_accuracy": (found + cleared) / 2})

    def said(self, network: Network, maps: torch.Tensor) -> torch.Tensor:
        """Log odds of each cell of having been moved, (batch, cells)."""
        backbone = network.backbone
        if isinstance(backbone, ViT):
            patches = self.ask(backbone.encode(backbone.tokens(maps))).unflatten(1, (-1, backbone.high))
            placed = patches.permute(0, 3, 1, 2)
            return functional.interpolate(placed, self.grid, mode="bilinear", align_corners=False).flatten(1)
        frames = backbone.forward_features(maps).transpose(1, 2)
        columns = functional.interpolate(frames, self.grid[0], mode="linear", align_corners=False)
        return self.ask(columns.transpose(1, 2)).flatten(1)

    def shuffled(self, maps: torch.Tensor, chance: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps with cells moved, and which are not where they were: (batch, cells) of bool, along frequency first."""
        columns, high = self.grid
        span, height = columns * self.cell[0], high * self.cell[1]
        cells = cut(maps[:, :, :span, :height], self.cell)
        places, moved = exchanges(len(maps), columns * high, self.count, chance)
        places, moved = places.to(maps.device), moved.to(maps.device)
        taken = cells.gather(1, places[:, :, None].expand_as(cells))
        changed = maps.clone()
        changed[:, :, :span, :height] = joined(taken, self.cell, maps.shape[1], high)
        return changed, moved


def exchanges(
    batch: int, cells: int, count: int, chance: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """From where each cell's content comes, and which cells that changes; both (batch, cells).

    ``count`` cells in random order pass their contents on in a ring, so that none of them keeps its own.
    """
    order = torch.rand(batch, cells, generator=chance).argsort(dim=1)[:, :count]
    places = torch.arange(cells).expand(batch, -1).clone().scatter_(1, order, order.roll(1, dims=1))
    moved = torch.zeros(batch, cells, dtype=torch.bool).scatter_(1, order, True)
    return places, moved
