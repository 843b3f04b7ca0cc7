"""Contrastive pre-training: two stretches of one window are to be told from those of all other windows of a batch.

``compare="cosine"`` is NT-Xent of SimCLR (Chen et al. 2020, arXiv:2002.05709, eq. 1): cosines of projections over a
temperature, each of the ``2 n`` views picking its partner among ``2 n - 1``; chance is ``log(2 n - 1)``.
``compare="bilinear"`` is COLA (Saeed, Grangier, Zeghidour 2020, arXiv:2010.10915, eq. 2): ``a^T W b`` of normalised and
squashed projections, each first view picking its second among ``n``; chance is ``log n``.

Views are stretches of the rows at random places, in each of which the level is changed and a stripe of bins is
silenced (set to the data set's mean), so that neither loudness nor one band gives the partner away.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.networks.backbones.masking import masked_mean
from sonoscope.networks.build import Network
from sonoscope.signatures import Size
from sonoscope.training.pretrain.protocol import Pretext, Told, maps_of, share_of

COMPARISONS = ("cosine", "bilinear")


class Contrasted(Pretext):
    """Finds the other view of the same window.

    Parameters
    ----------
    network : Network
    frames : int
        Rows of a window.
    compare : {"cosine", "bilinear"}
    temperature : float
        Of the cosines; positive.
    share : float
        Length of a view, in windows.
    level : float
        Standard deviation of the change of level, in standard deviations of the rows.
    stripe : float
        Most of the bins that are silenced, 0..1.
    dim : int
        Of the projections.

    Raises
    ------
    UsageError
        If a view is too short for the backbone, or a parameter is out of range.
    """

    def __init__(
        self,
        network: Network,
        frames: int,
        *,
        compare: str = COMPARISONS[0],
        temperature: float = 0.1,
        share: float = 0.5,
        level: float = 0.3,
        stripe: float = 0.25,
        dim: Size = 64,
    ) -> None:
        super().__init__()
        _, frames, _ = maps_of(network, frames, "contrastive")
        if compare not in COMPARISONS:
            raise UnknownName(
                f"pretext contrastive: compare={compare!r} is unknown.{nearest(compare, COMPARISONS)} "
                f"Known: {', '.join(COMPARISONS)}."
            )
        if temperature <= 0:
            raise UsageError(f"pretext contrastive: temperature={temperature} must be positive")
        if not 0 <= stripe < 1:
            raise UsageError(f"pretext contrastive: stripe={stripe} must lie in 0..1 (excluded)")
        self.length = round(share_of("contrastive", share) * frames)
        if self.length < network.backbone.shortest:
            raise UsageError(
                f"pretext contrastive: views of {self.length} frames are too short for the backbone, which needs "
                f"{network.backbone.shortest}: take longer windows, or a larger share than {share}"
            )
        self.compare, self.temperature, self.level, self.stripe = compare, temperature, level, stripe
        inner = network.backbone.dim
        if compare == "cosine":
            self.project: nn.Module = nn.Sequential(nn.Linear(inner, inner), nn.ReLU(), nn.Linear(inner, dim))
        else:
            self.project = nn.Sequential(nn.Linear(inner, dim), nn.LayerNorm(dim), nn.Tanh())
            self.form = nn.Parameter(torch.eye(dim))

    def forward(self, network: Network, rows: torch.Tensor, chance: torch.Generator) -> Told:
        views = torch.cat([self.view(network, rows, chance) for _ in range(2)])
        frames = network.backbone.forward_features(network.maps(views))
        one, other = self.project(masked_mean(frames, None)).chunk(2)
        if self.compare == "cosine":
            scores, wanted = cosines(one, other, self.temperature)
        else:
            scores, wanted = forms(one, other, self.form)
        loss = functional.cross_entropy(scores, wanted)
        right = (scores.argmax(dim=1) == wanted).float().mean()
        choices = len(scores) - (self.compare == "cosine")
        return Told(loss, loss.new_tensor(math.log(choices)), {"accuracy": right.detach()})

    def view(self, network: Network, rows: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        """A stretch of each row, (batch, length, n_bins), its level changed and a stripe of bins at the mean."""
        batch, frames, bins = rows.shape
        starts = torch.randint(frames - self.length + 1, (batch,), generator=chance)
        index = (starts[:, None] + torch.arange(self.length)).to(rows.device)
        taken = rows.gather(1, index[:, :, None].expand(-1, -1, bins))
        shift = self.level * torch.randn(batch, 1, 1, generator=chance).to(rows.device)
        widths = (torch.rand(batch, 1, generator=chance) * self.stripe * bins).long()
        lows = (torch.rand(batch, 1, generator=chance) * (bins - widths + 1)).long()
        place = torch.arange(bins)[None]
        silent = ((place >= lows) & (place < lows + widths)).to(rows.device)
        changed = taken + shift * network.std.mean()
        return torch.where(silent[:, None], network.mean.to(changed.dtype), changed)


def cosines(one: torch.Tensor, other: torch.Tensor, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores (2 n, 2 n) of NT-Xent and the place of each row's partner; a row is no choice for itself."""
    directions = functional.normalize(torch.cat([one, other]), dim=1)
    scores = directions @ directions.T / temperature
    itself = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    partners = torch.arange(len(scores), device=scores.device).roll(len(one))
    return scores.masked_fill(itself, float("-inf")), partners


def forms(one: torch.Tensor, other: torch.Tensor, form: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores (n, n) of COLA, ``one form other^T``, and the place of each row's partner."""
    return one @ form @ other.T, torch.arange(len(one), device=one.device)
