"""Several backbones of one make on the same maps, their embeddings side by side.

What an ensemble hears is surer than what any of its members hears, most of all on recordings that are unlike those
it learned from (Lakshminarayanan, Pritzel, Blundell 2017, "Simple and scalable predictive uncertainty estimation
using deep ensembles"). Members that were trained apart, each with a head, become one network by
:func:`sonoscope.networks.ensemble.joined`; fresh ones learn together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from sonoscope.networks.backbones.protocol import Backbone


class Ensemble(Backbone):
    """Maps to the members' embeddings, one after the other.

    Parameters
    ----------
    members : sequence of Backbone
        Of one class, with the same layers along time; at least one.

    Raises
    ------
    ValueError
        If there are none, if they differ, or if they take bands.
    """

    def __init__(self, members: Sequence[Backbone]) -> None:
        super().__init__()
        if not members:
            raise ValueError("members=0 must be at least 1")
        first = members[0]
        if first.takes_bands:
            raise ValueError(f"of={type(first).__name__} takes bands, the members of an ensemble take maps")
        if any(type(each) is not type(first) or each.field != first.field for each in members):
            raise ValueError("the members of an ensemble must be of one class, with the same layers")
        self.members = nn.ModuleList(members)
        self.dim = sum(each.dim for each in members)
        self.field, self.local, self.clip = first.field, first.local, first.clip
        self.fixed, self.exportable, self.wants = first.fixed, first.exportable, first.wants

    def _members(self) -> list[Backbone]:
        return [each for each in self.members if isinstance(each, Backbone)]

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """What the members take to (batch, frames', dim)."""
        return torch.cat([each.forward_features(x, lengths) for each in self._members()], dim=2)

    def for_graph(self) -> Ensemble:
        return Ensemble([each.for_graph() for each in self._members()])

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """The members' groups, those of one depth together."""
        named = [each.groups() for each in self._members()]
        return {name: [p for groups in named for p in groups[name]] for name in named[0]}
