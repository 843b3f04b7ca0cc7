"""Fluffy: a binary head of its own for each class, on any backbone, all at once.

Each class has its own small MLP, so classes share the backbone and nothing else (Lumen's "Fluffy" against the
monolith). The heads are one grouped layer: weights (classes, in, out) in one product, one set of parameters, one
optimiser; it costs what one MLP of the same total size costs, not a loop over classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from sonoscope.errors import UsageError
from sonoscope.networks.heads.protocol import POOLS, Head, as_frames, pooled
from sonoscope.signatures import Share, Size


class GroupedLinear(nn.Module):
    """One linear layer for each group: (..., groups, in) to (..., groups, out)."""

    def __init__(self, groups: int, size: int, out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(size)
        self.weight = nn.Parameter(torch.empty(groups, size, out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(groups, out).uniform_(-bound, bound))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("...gi,gio->...go", x, self.weight) + self.bias


class Fluffy(Head):
    """A binary MLP for each class.

    Parameters
    ----------
    dim, n_classes : int
    layers : sequence of int
        Hidden sizes of each class's head; empty: one linear unit each.
    dropout : float
        After each hidden layer, in 0..1.
    over : {"frames", "mean", "max", "mean+max"}
        As in the head ``mlp``.

    Raises
    ------
    UsageError
        If ``over`` is none of these.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        layers: Sequence[Size] = (64,),
        dropout: Share = 0.2,
        over: str = "frames",
    ) -> None:
        super().__init__()
        if over != "frames" and over not in POOLS:
            raise UsageError(f"over={over!r} must be one of frames, {', '.join(POOLS)}")
        self.over, self.framewise, self.n_classes = over, over == "frames", n_classes
        self.dropout = dropout
        sizes = [dim * (2 if over == "mean+max" else 1), *layers, 1]
        self.layers = nn.ModuleList(GroupedLinear(n_classes, a, b) for a, b in pairwise(sizes))

    def forward(
        self, embedding: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        frames = as_frames(embedding)
        if not self.framewise:
            frames = pooled(frames, mask, self.over)[:, None]
        # Every class reads the same embedding.
        x = frames[:, :, None, :].expand(-1, -1, self.n_classes, -1)
        for layer in self.layers[:-1]:
            x = functional.dropout(functional.relu(layer(x)), self.dropout, self.training)
        logits = self.layers[-1](x)[..., 0]
        return logits, torch.zeros_like(logits)
