"""Bottlenecks: narrow detours behind linear maps, ``y + U gelu(D y)`` for ``y = W x``, that begin as nothing.

They adapt a frozen backbone to few examples (Houlsby et al. 2019, arXiv:1902.00751; ``training/adapters.py``). Not
being linear they cannot be merged into the weights they stand behind, so they are a part of the network: its
configuration lists them under ``bottlenecks``, each a ``width`` and the ``targets`` that have one, and a network made
from it has them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Bottleneck(nn.Module):
    """A linear map, and behind it a narrow detour that begins as nothing.

    Parameters
    ----------
    base : nn.Linear
    width : int
        Of the detour.
    """

    def __init__(self, base: nn.Linear, width: int) -> None:
        super().__init__()
        self.base = base
        self.fitted_down = nn.Linear(base.out_features, width)
        self.fitted_up = nn.Linear(width, base.out_features)
        nn.init.zeros_(self.fitted_up.weight)
        nn.init.zeros_(self.fitted_up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.base(x)
        return y + self.fitted_up(functional.gelu(self.fitted_down(y)))


def put(backbone: nn.Module, targets: Iterable[str], width: int) -> None:
    """Put a detour of ``width`` behind each linear map that ``targets`` names.

    Raises
    ------
    ValueError
        If a name is none of a linear map.
    """
    for name in targets:
        above, _, last = name.rpartition(".")
        base = dict(backbone.named_modules()).get(name)
        if not isinstance(base, nn.Linear):
            raise ValueError(f"bottlenecks: {name!r} is no linear map of this backbone")
        setattr(backbone.get_submodule(above), last, Bottleneck(base, width))


def put_all(backbone: nn.Module, listed: Sequence[Mapping[str, Any]]) -> None:
    """Put what a network's configuration lists, in its order: a later one may stand behind what an earlier one left."""
    for entry in listed:
        put(backbone, entry["targets"], int(entry["width"]))
