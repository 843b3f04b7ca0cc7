"""Weights averaged along a training, which generalise better than those of its last step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


def averaged_copy(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of a network that follows it by a moving average, its buffers too, one step a call."""
    return AveragedModel(network, avg_fn=partial(moving_average, decay), use_buffers=True)


def moving_average(
    decay: float, averaged: torch.Tensor, current: torch.Tensor, count: torch.Tensor | int
) -> torch.Tensor:
    """One step of a moving average; it forgets faster while young, so that the start leaves no trace."""
    if not averaged.is_floating_point():
        return current
    weight = min(decay, (1.0 + float(count)) / (10.0 + float(count)))
    return averaged + (1.0 - weight) * (current - averaged)


def mean_of_weights(weights: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of several networks of one kind; what is no weight (counts of batches) is the first's.

    Networks that went on from one another lie in one basin, and its middle generalises better than its edge (Izmailov
    et al., "Averaging weights leads to wider optima and better generalization", 2018).
    """
    return {
        name: torch.stack([each[name] for each in weights]).mean(dim=0)
        if value.is_floating_point()
        else value
        for name, value in weights[0].items()
    }
