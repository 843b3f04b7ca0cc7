"""What a pretext is: a task that needs no labels, whose solution needs an understanding of sound.

A pretext is an ``nn.Module`` made by ``make(network, frames, **parameters)``, where ``frames`` are the rows of a
window. Called with a network, rows (batch, frames, n_bins) and a random generator, it gives a :class:`Told`. It holds
what is thrown away afterwards (decoders, projections); the network is no part of it.

What is drawn comes from the generator alone, so the same generator gives the same task: validation is the same in
every epoch, and a training that goes on draws what it would have drawn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import nn

from sonoscope.errors import UsageError
from sonoscope.networks.build import Network
from sonoscope.networks.patches import standardised


@dataclass(frozen=True)
class Told:
    """What a pretext says of a batch.

    Attributes
    ----------
    loss : Tensor
        To be minimised.
    trivial : Tensor
        The loss of an answer that looks at nothing: the mean, or chance.
    figures : dict of str to Tensor
        Others, such as an accuracy.
    """

    loss: torch.Tensor
    trivial: torch.Tensor
    figures: dict[str, torch.Tensor] = field(default_factory=dict)


class Pretext(nn.Module, ABC):
    """The contract; a subclass defines :meth:`forward`."""

    @abstractmethod
    def forward(self, network: Network, rows: torch.Tensor, chance: torch.Generator) -> Told:
        """Rows (batch, frames, n_bins) and random numbers (of the CPU) to what is told of them."""


def maps_of(network: Network, frames: int, name: str) -> tuple[int, int, int]:
    """Channels, frames and bins of what the backbone takes.

    Raises
    ------
    UsageError
        If it takes samples, or several bands, which have no patches.
    """
    if network.backbone.wants.kind != "features":
        raise UsageError(
            f"the pretext {name!r} is for backbones that take maps of a feature; "
            f"{network.config['backbone']['name']!r} takes {network.backbone.wants.kind}"
        )
    channels = network.maps(torch.zeros(1, 1, len(network.mean))).shape[1]
    return channels, frames, max(network.parts)


def share_of(name: str, share: float) -> float:
    """``share`` itself, if it lies between 0 and 1 (both excluded); else a ``UsageError``."""
    if not 0.0 < share < 1.0:
        raise UsageError(f"pretext {name}: share={share} must lie between 0 and 1, both excluded")
    return share


def rebuilt(
    predicted: torch.Tensor, patches: torch.Tensor, hidden: torch.Tensor, channels: int, *, standardise: bool
) -> Told:
    """The mean square over hidden patches, against that of predicting the mean.

    With ``standardise`` patches are wanted without the level and spread of each channel, and the trivial answer is each
    one's own mean; else as they are, and the trivial answer is the mean of the batch in every cell. All are (batch,
    patches, values), ``hidden`` is (batch, patches).
    """
    wanted = standardised(patches, channels) if standardise else patches
    mean = torch.zeros_like(wanted[:1]) if standardise else wanted.mean(dim=0, keepdim=True)
    missed, trivial = ((answer - wanted).square().mean(dim=2)[hidden].mean() for answer in (predicted, mean))
    return Told(missed, trivial)
