"""ArcFace as an added loss, for one label or many (Deng et al. 2019, arXiv:1801.07698, eq. 3).

For each label of a row its embedding is classified among the directions of all classes by ``s cos(angle)``, where the
angle to the label's own direction is first widened by ``margin``. A row with several labels counts once for each, and
then its other labels are not among the wrong answers; neither are classes that nobody judged. (That is the embedding
repeated once per label, without copying it.) ``margin=0`` is the softmax over scaled cosines.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from sonoscope.training.losses.pairs import label_shares, weighed_mean


class ArcFace(nn.Module):
    """Embeddings and labels to a number; has a direction for each class.

    Parameters
    ----------
    dim, n_classes : int
    margin : float
        Radians, in 0..pi/2.
    scale : float
        ``s``, positive.

    Raises
    ------
    ValueError
        If ``margin`` or ``scale`` is out of range.
    """

    def __init__(self, dim: int, n_classes: int, *, margin: float = 0.5, scale: float = 30.0) -> None:
        super().__init__()
        if not 0.0 <= margin < math.pi / 2 or scale <= 0:
            raise ValueError(f"margin={margin} must lie in 0..pi/2 and scale={scale} must be positive")
        self.margin, self.scale = margin, scale
        self.directions = nn.Parameter(torch.empty(n_classes, dim))
        nn.init.xavier_uniform_(self.directions)

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
        cosines = functional.linear(
            functional.normalize(embeddings, dim=1), functional.normalize(self.directions, dim=1)
        )
        # The root's gradient is infinite where the angle is 0.
        sines = (1.0 - cosines.square()).clamp(min=1e-9).sqrt()
        widened = cosines * math.cos(self.margin) - sines * math.sin(self.margin)
        # Beyond pi the cosine would rise again: go on falling there.
        beyond = cosines < -math.cos(self.margin)
        widened = torch.where(beyond, cosines - self.margin * math.sin(self.margin), widened)
        wrong = (judged > 0) & (targets <= 0)
        others = (self.scale * cosines).masked_fill(~wrong, torch.finfo(cosines.dtype).min / 4)
        rest = torch.logsumexp(others, dim=1, keepdim=True)
        losses = functional.softplus(rest - self.scale * widened)
        return weighed_mean(losses, label_shares(targets, judged, weights, cosines.dtype))
