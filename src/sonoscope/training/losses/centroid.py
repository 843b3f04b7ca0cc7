"""Distance to fixed centroids of the classes in an embedding space.

``1 - cos(x, centroid_y)`` (or half the squared distance), averaged over rows and their labels: a perceptual distance
beside the classification. The centroids are measured once and do not learn: where each class lay in the epoch before
``from_epoch``, or what :meth:`Centroid.measure` was given. If they followed the network, the shortest way to a small
distance would be to map everything to one point; and a row with several labels is drawn to between their centroids,
where none of them is. Keep its weight small.

Classes without a centroid do not count, so the loss is 0 before ``from_epoch``.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from sonoscope.errors import UsageError
from sonoscope.training.losses.pairs import label_shares, weighed_mean

DISTANCES = ("cosine", "euclidean")


class Centroid(nn.Module):
    """Embeddings and labels to a number; the centroids are buffers and travel with the weights.

    Parameters
    ----------
    dim, n_classes : int
    distance : {"cosine", "euclidean"}
    from_epoch : int
        Counted from 0; what is learned from in the epoch before it, from a network of which much is known
        (``network.init_from``) or after it has begun to tell classes, makes the centroids.

    Raises
    ------
    UsageError
        If ``distance`` is neither, or there is no epoch before ``from_epoch``.
    """

    def __init__(self, dim: int, n_classes: int, *, distance: str = "cosine", from_epoch: int = 1) -> None:
        super().__init__()
        if distance not in DISTANCES:
            raise UsageError(f"distance={distance!r} must be one of {', '.join(DISTANCES)}")
        if from_epoch < 1:
            raise UsageError(
                f"from_epoch={from_epoch} must be at least 1: centroids are measured in the epoch before"
            )
        self.distance, self.from_epoch, self.epoch = distance, from_epoch, 0
        self.centroids: torch.Tensor
        self.measured: torch.Tensor
        self.sums: torch.Tensor
        self.counts: torch.Tensor
        self.register_buffer("centroids", torch.zeros(n_classes, dim))
        self.register_buffer("measured", torch.zeros(n_classes, dtype=torch.bool))
        # Kept with a checkpoint, so that a training that goes on has the centroids that it would have had.
        self.register_buffer("sums", torch.zeros(n_classes, dim))
        self.register_buffer("counts", torch.zeros(n_classes))

    @torch.no_grad()
    def begin_epoch(self, epoch: int) -> None:
        """Fix the centroids where it is time to."""
        self.epoch = epoch
        if epoch >= self.from_epoch and not bool(self.measured.any()):
            self._fix()

    @torch.no_grad()
    def measure(self, embeddings: torch.Tensor, targets: torch.Tensor, judged: torch.Tensor) -> None:
        """Set each class's centroid to the mean embedding of the rows with its label.

        ``embeddings`` is (n, dim), ``targets`` and ``judged`` (n, classes).
        """
        self.sums.zero_()
        self.counts.zero_()
        self._add(embeddings, targets, judged)
        self._fix()

    def _add(self, embeddings: torch.Tensor, targets: torch.Tensor, judged: torch.Tensor) -> None:
        share = label_shares(targets, judged, None, self.sums.dtype)
        self.counts += share.sum(dim=0)
        self.sums += share.T @ embeddings.to(self.sums.dtype)

    def _fix(self) -> None:
        means = self.sums / self.counts.clamp(min=1e-12)[:, None]
        self.measured.copy_(self.counts > 0)
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
        if self.training and self.epoch == self.from_epoch - 1 and not bool(self.measured.any()):
            with torch.no_grad():
                self._add(embeddings.detach(), targets, judged)
        centroids = self.centroids.to(embeddings.dtype)
        if self.distance == "cosine":
            cosines = functional.normalize(embeddings, dim=1) @ functional.normalize(centroids, dim=1).T
            far = 1.0 - cosines
        else:
            far = 0.5 * (embeddings[:, None] - centroids[None]).square().sum(dim=2)
        return weighed_mean(far, label_shares(targets, judged, weights, far.dtype) * self.measured)
