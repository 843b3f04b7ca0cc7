"""Feature maps as patches and back, positions of patches, and which of them are hidden.

Maps are (batch, channels, time, bins). A patch is ``(frames, bins)``; patches count along frequency first: number
``t * high + f`` is the ``t``-th along time and the ``f``-th from the lowest bins, of ``high``. Frames that do not fill
a patch are left out; missing bins at the top are zeros.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

#: A patch is divided by the root of its variance and this. ViT-MAE adds a millionth, so that constant ones stay finite;
#: in recordings many patches are silence, whose faint pattern would then count as much as sound.
LEAST_VARIANCE = 1e-2
#: The longest wave of the positions, in patches (Vaswani et al. 2017).
LONGEST_WAVE = 10_000.0


def grid_of(frames: int, bins: int, patch: tuple[int, int]) -> tuple[int, int]:
    """How many patches lie along time and along frequency."""
    return frames // patch[0], math.ceil(bins / patch[1])


def filled(maps: torch.Tensor, patch: tuple[int, int]) -> torch.Tensor:
    """Maps without the frames that fill no patch, and with zeros in missing bins."""
    columns, high = grid_of(maps.shape[2], maps.shape[3], patch)
    return functional.pad(maps[:, :, : columns * patch[0]], (0, high * patch[1] - maps.shape[3]))


def cut(maps: torch.Tensor, patch: tuple[int, int]) -> torch.Tensor:
    """(batch, channels, time, bins) to (batch, patches, channels * frames * bins of a patch)."""
    whole = filled(maps, patch)
    batch, channels, frames, bins = whole.shape
    cells = whole.reshape(batch, channels, frames // patch[0], patch[0], bins // patch[1], patch[1])
    return cells.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def joined(patches: torch.Tensor, patch: tuple[int, int], channels: int, high: int) -> torch.Tensor:
    """The maps that :func:`cut` made into ``patches``, ``high`` of them along frequency."""
    batch, count, _ = patches.shape
    cells = patches.reshape(batch, count // high, high, channels, *patch).permute(0, 3, 1, 4, 2, 5)
    return cells.reshape(batch, channels, count // high * patch[0], high * patch[1])


def standardised(patches: torch.Tensor, channels: int) -> torch.Tensor:
    """Each channel of each patch less its mean, divided by its standard deviation.

    After He et al. 2021 (arXiv:2111.06377, sec. 3), who take the three colours of a picture together. Channels here are
    not alike (a level and a shape): together, most of a patch's variance would be the distance between their means.
    """
    values = patches.unflatten(2, (channels, -1))
    mean = values.mean(dim=3, keepdim=True)
    variance = values.var(dim=3, keepdim=True, unbiased=False)
    return ((values - mean) / (variance + LEAST_VARIANCE).sqrt()).flatten(2)


def hidden(batch: int, count: int, share: float, chance: torch.Generator) -> torch.Tensor:
    """Which of ``count`` patches are hidden, (batch, count) of bool on the CPU: exactly ``round(share * count)`` a row.

    Raises
    ------
    ValueError
        If none, or all of them, would be.
    """
    many = round(share * count)
    if not 0 < many < count:
        raise ValueError(
            f"share={share} of {count} patches hides {many}: take smaller patches or longer windows, or another share"
        )
    order = torch.rand(batch, count, generator=chance).argsort(dim=1)
    return torch.zeros(batch, count, dtype=torch.bool).scatter_(1, order[:, :many], True)


def positions(columns: int, high: int, dim: int, like: torch.Tensor) -> torch.Tensor:
    """Sines and cosines of the place along time (first half) and along frequency (second), (columns * high, dim).

    ``dim`` must be a multiple of 4; ``like`` gives type and device.
    """
    along = [_waves(count, dim // 2, like) for count in (columns, high)]
    time = along[0][:, None].expand(-1, high, -1)
    pitch = along[1][None].expand(columns, -1, -1)
    return torch.cat([time, pitch], dim=2).flatten(0, 1)


def _waves(count: int, dim: int, like: torch.Tensor) -> torch.Tensor:
    """(count, dim): sines, then cosines, of waves from ``2 pi`` patches to ``LONGEST_WAVE`` times that."""
    exponents = torch.arange(dim // 2, device=like.device, dtype=like.dtype) / (dim // 2)
    places = torch.arange(count, device=like.device, dtype=like.dtype)
    angles = places[:, None] * LONGEST_WAVE**-exponents
    return torch.cat([angles.sin(), angles.cos()], dim=1)
