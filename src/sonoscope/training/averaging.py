"""Weights averaged along a training, which generalise better than those of its last step."""

from __future__ import annotations

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
