"""Distance to fixed centroids of the classes in an embedding space.

``1 - cos(x, centroid_y)`` (or half the squared distance), averaged over rows and their labels: a perceptual distance
beside the classification. The centroids are measured once (:meth:`Centroid.measure`), on the embeddings of a network
that stays as it is, and do not learn. Measured on the network that is being trained they would follow it, and the
shortest way to a small distance is to map everything to one point; and a row with several labels is drawn to between
their centroids, where none of them is. Keep its weight small.

Classes without a centroid do not count.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from sonoscope.errors import UsageError
from sonoscope.training.losses.pairs import weighed_mean

DISTANCES = ("cosine", "euclidean")


class Centroid(nn.Module):
    """Embeddings and labels to a number; the centroids are buffers and travel with the weights.

    Parameters
    ----------
    dim, n_classes : int
    distance : {"cosine", "euclidean"}

    Raises
    ------
    UsageError
        If ``distance`` is neither.
    """

    def __init__(self, dim: int, n_classes: int, *, distance: str = "cosine") -> None:
        super().__init__()
        if distance not in DISTANCES:
            raise UsageError(f"distance={distance!r} must be one of {', '.join(DISTANCES)}")
        self.distance = distance
        self.centroids: torch.Tensor
        self.measured: torch.Tensor
        self.register_buffer("centroids", torch.zeros(n_classes, dim))
        self.register_buffer("measured", torch.zeros(n_classes, dtype=torch.bool))

    @torch.no_grad()
    def measure(self, embeddings: torch.Tensor, targets: torch.Tensor, judged: torch.Tensor) -> None:
        """Set each class's centroid to the mean embedding of the rows with its label.

        ``embeddings`` is (n, dim), ``targets`` and ``judged`` (n, classes).
        """
        share = torch.where(judged > 0, targets, torch.zeros_like(targets)).to(embeddings.dtype)
        total = share.sum(dim=0)
        means = (share.T @ embeddings) / total.clamp(min=1e-12)[:, None]
        self.measured.copy_(total > 0)
        self.centroids.copy_(torch.where(self.measured[:, None], means, torch.zeros_like(means)))

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
        centroids = self.centroids.to(embeddings.dtype)
        if self.distance == "cosine":
            cosines = functional.normalize(embeddings, dim=1) @ functional.normalize(centroids, dim=1).T
            far = 1.0 - cosines
        else:
            far = 0.5 * (embeddings[:, None] - centroids[None]).square().sum(dim=2)
        share = torch.where(judged > 0, targets, torch.zeros_like(targets)).to(far.dtype) * self.measured
        if weights is not None:
            share = share * weights.reshape(-1, 1)
        return weighed_mean(far, share)
