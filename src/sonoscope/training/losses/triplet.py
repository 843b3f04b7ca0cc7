"""Triplet loss: a row nearer to its like than to what is different, by a margin (Schroff et al. 2015, eq. 3).

``max(0, d(anchor, alike) - d(anchor, different) + margin)`` over triplets that a miner chooses:

- ``all``: every one there is;
- ``hard``: for each anchor its farthest alike and its nearest different (Hermans et al. 2017, "batch hard");
- ``semihard``: for each pair of alikes the nearest different row that lies beyond the alike one, or the farthest of all
  where none does.

Averaged over the triplets that the miner chose, also those already right. Margins may grow with families and genres,
as in the contrastive loss.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sonoscope.errors import UsageError
from sonoscope.training.losses.pairs import OfPairs, weighed_mean

MINERS = ("all", "hard", "semihard")


class Triplet(OfPairs):
    """Embeddings and labels to a number; nothing to learn.

    Parameters
    ----------
    miner : {"semihard", "hard", "all"}
    dim, n_classes, margin, families, family_margin, genre_margin, normalise
        See :class:`~sonoscope.training.losses.pairs.OfPairs`.

    Raises
    ------
    UsageError
        If ``miner`` is none of these.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        miner: str = "semihard",
        margin: float = 0.2,
        families: Sequence[Sequence[int]] = (),
        family_margin: float = 0.0,
        genre_margin: float = 0.0,
        normalise: bool = True,
    ) -> None:
        super().__init__(
            dim, n_classes, margin=margin, families=families, family_margin=family_margin,
            genre_margin=genre_margin, normalise=normalise,
        )  # fmt: skip
        if miner not in MINERS:
            raise UsageError(f"miner={miner!r} must be one of {', '.join(MINERS)}")
        self.miner = miner

    def forward(
        self,
        embeddings: torch.Tensor,
        targets: torch.Tensor,
        judged: torch.Tensor,
        *,
        weights: torch.Tensor | None = None,
        genres: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(batch, dim), targets and judged (batch, classes), weights and genres of rows (batch,) to a number."""
        pairs = self.compared(embeddings, targets, judged, weights, genres)
        anchor, near, far = mine(pairs.apart.detach(), pairs.alike, pairs.different, self.miner)
        losses = pairs.apart[anchor, near] - pairs.apart[anchor, far] + pairs.margin[anchor, far]
        return weighed_mean(losses.clamp(min=0.0), pairs.weights[anchor, far])


def mine(
    apart: torch.Tensor, alike: torch.Tensor, different: torch.Tensor, miner: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Indices (triplets,) of anchors, alikes and different rows that ``miner`` chooses."""
    if miner == "all":
        triplets = alike[:, :, None] & different[:, None, :]
        anchor, near, far = torch.nonzero(triplets, as_tuple=True)
        return anchor, near, far
    infinite = torch.full_like(apart, torch.inf)
    if miner == "hard":
        anchor = torch.nonzero(alike.any(dim=1) & different.any(dim=1)).flatten()
        near = torch.where(alike, apart, -infinite).argmax(dim=1)[anchor]
        far = torch.where(different, apart, infinite).argmin(dim=1)[anchor]
        return anchor, near, far
    anchor, near = torch.nonzero(alike & different.any(dim=1, keepdim=True), as_tuple=True)
    rows = apart[anchor]
    allowed = different[anchor]
    beyond = allowed & (rows > apart[anchor, near][:, None])
    nearest_beyond = torch.where(beyond, rows, infinite[anchor]).argmin(dim=1)
    farthest = torch.where(allowed, rows, -infinite[anchor]).argmax(dim=1)
    return anchor, near, torch.where(beyond.any(dim=1), nearest_beyond, farthest)
