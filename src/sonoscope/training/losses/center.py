"""Centre loss: each row near the centres of its labels (Wen et al. 2016, "A discriminative feature learning approach",
eq. 2).

``1/2 |x - c_y|^2``, averaged over rows and their labels. The centres are weights and learn with the rest; the paper
moves them by a rate of its own, which a parameter group's learning rate does here.
"""

from __future__ import annotations

import torch
from torch import nn

from sonoscope.training.losses.pairs import label_shares, weighed_mean


class Center(nn.Module):
    """Embeddings and labels to a number; has a centre for each class, at 0 in the beginning."""

    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.zeros(n_classes, dim))

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
        halves = 0.5 * (embeddings[:, None] - self.centres[None]).square().sum(dim=2)
        return weighed_mean(halves, label_shares(targets, judged, weights, halves.dtype))
