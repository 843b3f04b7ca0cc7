"""Contrastive losses: alike rows together, different ones apart.

``Contrastive`` (Hadsell, Chopra, LeCun 2006, eq. 4): ``d^2`` for alike pairs and ``max(0, margin - d)^2`` for
different ones, each averaged over its own pairs. The margin may grow with what tells two sounds apart beside their
labels: families of instruments, and genre.

``SupervisedContrastive`` (Khosla et al. 2020, arXiv:2004.11362, eq. 2): each row picks its alikes among all rows that
are certainly alike or different, by a softmax over cosines.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from sonoscope.training.losses.pairs import OfPairs, relations, weighed_mean


class Contrastive(OfPairs):
    """Embeddings and labels to a number; nothing to learn. Different rows beyond ``margin`` are left alone."""

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
        pull = weighed_mean(pairs.apart.square(), pairs.alike * pairs.weights)
        near = (pairs.margin - pairs.apart).clamp(min=0.0)
        push = weighed_mean(near.square(), pairs.different * pairs.weights)
        return pull + push


class SupervisedContrastive(nn.Module):
    """Embeddings and labels to a number; nothing to learn.

    Parameters
    ----------
    dim, n_classes : int
        Not used; every embedding loss is made so.
    temperature : float
        Positive; small ones look at the nearest rows only.

    Raises
    ------
    ValueError
        If ``temperature`` is not positive.
    """

    def __init__(self, dim: int, n_classes: int, *, temperature: float = 0.1) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature={temperature} must be positive")
        self.temperature = temperature

    def forward(
        self,
        embeddings: torch.Tensor,
        targets: torch.Tensor,
        judged: torch.Tensor,
        *,
        weights: torch.Tensor | None = None,
        genres: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(batch, dim), targets and judged (batch, classes), and weights of rows (batch,) to a number."""
        alike, different = relations(targets, judged)
        directions = functional.normalize(embeddings, dim=1)
        scores = directions @ directions.T / self.temperature
        reduced = scores.masked_fill(~(alike | different), torch.finfo(scores.dtype).min / 4)
        log_share = scores - torch.logsumexp(reduced, dim=1, keepdim=True)
        count = alike.sum(dim=1)
        per_row = -torch.where(alike, log_share, torch.zeros_like(log_share)).sum(dim=1) / count.clamp(min=1)
        shares = (count > 0).to(scores.dtype)
        if weights is not None:
            shares = shares * weights.reshape(-1)
        return weighed_mean(per_row, shares)
