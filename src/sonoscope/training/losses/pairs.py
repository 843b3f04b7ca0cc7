"""Which rows of a batch are alike, how far apart they lie, and by how much they should.

Rows are alike where they share a judged label, and different where they surely share none: a pair whose labels might
overlap for all that is known is neither, and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

#: Squared distances are not taken to a root below this: the root's gradient is infinite at 0.
SMALLEST = 1e-12


def relations(targets: torch.Tensor, judged: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Alike and different pairs, each (batch, batch) of bool; a row is neither to itself.

    Two rows without any label are not alike: nothing is not a sound.
    """
    positive = ((targets > 0) & (judged > 0)).to(targets.dtype)
    maybe = positive + (judged <= 0).to(targets.dtype)
    alike = positive @ positive.T > 0
    labelled = positive.sum(dim=1) > 0
    different = (maybe @ maybe.T == 0) & (labelled[:, None] | labelled[None, :])
    itself = torch.eye(len(targets), dtype=torch.bool, device=targets.device)
    return alike & ~itself, different & ~itself


def distances(embeddings: torch.Tensor) -> torch.Tensor:
    """Euclidean distances of all rows, (batch, batch)."""
    squared = (embeddings[:, None] - embeddings[None, :]).square().sum(dim=2)
    return squared.clamp(min=SMALLEST).sqrt()


def unit(embeddings: torch.Tensor, normalise: bool) -> torch.Tensor:
    """Embeddings on the unit sphere, or as they are."""
    return functional.normalize(embeddings, dim=1) if normalise else embeddings


def pair_weights(weights: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
    """Weight of each pair, (batch, batch), from the weights of rows (batch,) or (batch, 1)."""
    if weights is None:
        return torch.ones_like(like)
    rows = weights.reshape(-1).to(like.dtype)
    return rows[:, None] * rows[None, :]


def weighed_mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean under ``weights``; 0 where they are all 0."""
    total = weights.sum()
    return (values * weights).sum() / torch.where(total > 0, total, torch.ones_like(total))


def label_shares(
    targets: torch.Tensor, judged: torch.Tensor, weights: torch.Tensor | None, dtype: torch.dtype
) -> torch.Tensor:
    """How much each label of each row counts, (batch, classes): its judged target times the row's weight."""
    shares = torch.where(judged > 0, targets, torch.zeros_like(targets)).to(dtype)
    return shares if weights is None else shares * weights.reshape(-1, 1)


@dataclass(frozen=True)
class Margins:
    """How far apart two different rows should lie.

    Attributes
    ----------
    base : float
        Any two of them.
    families : sequence of sequences of int
        Members of each family by class number.
    family : float
        More, where no label of the one is of a family of the other's.
    genre : float
        More, where both genres are known (not negative) and differ.
    """

    base: float = 1.0
    families: Sequence[Sequence[int]] = ()
    family: float = 0.0
    genre: float = 0.0

    def matrix(
        self, targets: torch.Tensor, judged: torch.Tensor, genres: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Margin of each pair, (batch, batch); ``genres`` (batch,) holds genre numbers, negative where unknown."""
        batch = len(targets)
        margin = targets.new_full((batch, batch), self.base)
        positive = (targets > 0) & (judged > 0)
        if self.families and self.family:
            member = torch.stack(
                [
                    positive[:, torch.as_tensor(list(f), device=positive.device)].any(dim=1)
                    for f in self.families
                ],
                dim=1,
            ).to(targets.dtype)
            has = member.sum(dim=1) > 0
            apart = (member @ member.T == 0) & has[:, None] & has[None, :]
            margin = margin + self.family * apart
        if genres is not None and self.genre:
            known = genres >= 0
            differ = (genres[:, None] != genres[None, :]) & known[:, None] & known[None, :]
            margin = margin + self.genre * differ
        return margin


class Compared(NamedTuple):
    """All pairs of a batch, (batch, batch) each: relations, distances, margins, weights."""

    alike: torch.Tensor
    different: torch.Tensor
    apart: torch.Tensor
    margin: torch.Tensor
    weights: torch.Tensor


class OfPairs(nn.Module):
    """What losses on pairs of rows share: margins, and whether directions or lengths are compared.

    Parameters
    ----------
    dim, n_classes : int
        Not used; every embedding loss is made so.
    margin, families, family_margin, genre_margin
        See :class:`Margins`.
    normalise : bool
        Compare directions rather than lengths.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        margin: float = 1.0,
        families: Sequence[Sequence[int]] = (),
        family_margin: float = 0.0,
        genre_margin: float = 0.0,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.margins = Margins(margin, families, family_margin, genre_margin)
        self.normalise = normalise

    def compared(
        self,
        embeddings: torch.Tensor,
        targets: torch.Tensor,
        judged: torch.Tensor,
        weights: torch.Tensor | None,
        genres: torch.Tensor | None,
    ) -> Compared:
        """(batch, dim), targets and judged (batch, classes), weights and genres of rows (batch,) to all pairs."""
        alike, different = relations(targets, judged)
        apart = distances(unit(embeddings, self.normalise))
        margin = self.margins.matrix(targets, judged, genres).to(apart.dtype)
        return Compared(alike, different, apart, margin, pair_weights(weights, apart))
