"""Losses: logits or embeddings, targets and what is known of them, to a number. One file and one line each.

``LOSSES`` are functions of logits, ``loss(logits, targets, judged, *, smoothing=0.0, weights=None, **parameters)``:

=============  ===================================================================================================
``logits``     (batch, classes), or (batch, frames, classes)
``targets``    of the same shape, 0..1 (soft targets come from mixing)
``judged``     of the same shape, 1 where somebody knows the target; what is unknown does not count: neither the
               loss nor its gradient changes with the logit or the target of such a cell
``smoothing``  label smoothing in 0..1
``weights``    of classes (classes,), rows (batch, 1) or cells; they weigh the mean
=============  ===================================================================================================

``EMBEDDING_LOSSES`` are modules made by ``make(dim, n_classes, **parameters)``, some with weights of their own, called
with pooled embeddings (batch, dim) in the place of logits. They are added to a loss on logits: see
:class:`~sonoscope.training.losses.objective.Objective`, which is what training calls.

Every loss is 0 where nothing is judged, and finite for any finite input.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from sonoscope.training.losses.arcface import ArcFace
from sonoscope.training.losses.asymmetric import asymmetric
from sonoscope.training.losses.bce import masked_bce
from sonoscope.training.losses.center import Center
from sonoscope.training.losses.centroid import Centroid
from sonoscope.training.losses.contrastive import Contrastive, SupervisedContrastive
from sonoscope.training.losses.cross_entropy import cross_entropy
from sonoscope.training.losses.family import family
from sonoscope.training.losses.focal import focal
from sonoscope.training.losses.metric_learning import MetricLearning
from sonoscope.training.losses.triplet import Triplet

LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "bce": masked_bce,
    "cross_entropy": cross_entropy,
    "focal": focal,
    "asymmetric": asymmetric,
    "family": family,
}

EMBEDDING_LOSSES: dict[str, Callable[..., nn.Module]] = {
    "arcface": ArcFace,
    "contrastive": Contrastive,
    "supervised_contrastive": SupervisedContrastive,
    "triplet": Triplet,
    "center": Center,
    "centroid": Centroid,
    "metric_learning": MetricLearning,
}

__all__ = ["EMBEDDING_LOSSES", "LOSSES"]
