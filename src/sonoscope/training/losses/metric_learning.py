"""Any loss of pytorch-metric-learning on embeddings with many labels.

The library knows one label for each row. Losses over pairs and triplets are given the pairs that
:func:`~sonoscope.training.losses.pairs.relations` finds, in the place of labels; losses with a direction for each class
are given each row once for each of its labels. Its miners can choose among the pairs of rows with one label.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from sonoscope.errors import UnknownName, nearest, optional
from sonoscope.training.losses.pairs import relations


class MetricLearning(nn.Module):
    """A loss of the library as an embedding loss.

    Parameters
    ----------
    dim, n_classes : int
    loss : str
        Its class in ``pytorch_metric_learning.losses``.
    **parameters
        Of that class; ``num_classes`` and ``embedding_size`` are filled in where it takes them.

    Raises
    ------
    UsageError
        If the library is not installed.
    UnknownName
        If it has no such loss.
    """

    def __init__(self, dim: int, n_classes: int, *, loss: str = "ContrastiveLoss", **parameters: Any) -> None:
        super().__init__()
        library = optional("pytorch_metric_learning.losses", "metric", "the loss 'metric_learning'")
        known = [name for name in dir(library) if name.endswith("Loss")]
        if loss not in known:
            raise UnknownName(
                f"unknown loss {loss!r} of pytorch-metric-learning.{nearest(loss, known)} "
                f"Known: {', '.join(known)}."
            )
        kind = getattr(library, loss)
        # Losses with a direction for each class inherit the regulariser of those weights.
        mixin = getattr(library, "WeightRegularizerMixin", None)
        self.of_classes = mixin is not None and issubclass(kind, mixin)
        if self.of_classes:
            parameters = {"num_classes": n_classes, "embedding_size": dim, **parameters}
        self.loss = kind(**parameters)

    def forward(
        self,
        embeddings: torch.Tensor,
        targets: torch.Tensor,
        judged: torch.Tensor,
        *,
        weights: torch.Tensor | None = None,
        genres: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(batch, dim), targets and judged (batch, classes) to a number; the library has no place for weights."""
        rows, labels = torch.nonzero((targets > 0) & (judged > 0), as_tuple=True)
        if self.of_classes:
            if len(rows) == 0:
                return embeddings.sum() * 0.0
            return self.loss(embeddings[rows], labels)
        alike, different = relations(targets, judged)
        pairs = (*torch.nonzero(alike, as_tuple=True), *torch.nonzero(different, as_tuple=True))
        own = torch.arange(len(embeddings), device=embeddings.device)
        return self.loss(embeddings, own, indices_tuple=pairs)
