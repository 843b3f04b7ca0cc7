"""Batches of rows of different lengths: a row gives the same whatever it was padded with.

A batch is padded at its end to the longest row; ``lengths`` (an integer tensor of shape (batch,)) says how much
of each row is real, and ``None`` that all of it is. Where a network pads its convolutions with zeros, frames
behind a row's end are set to zero before each of them, so that the row meets the same zeros as when it is alone;
batch normalisation counts real frames only; networks of others, which know no lengths, are run once for each
length (:func:`by_length`).

Maps have shape (batch, channels, time, bins): time is dimension 2.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional


def frame_mask(lengths: torch.Tensor, n: int) -> torch.Tensor:
    """(batch,) to (batch, n), True where a frame is real."""
    return torch.arange(n, device=lengths.device)[None, :] < lengths[:, None]


def zero_behind(maps: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """``maps`` with zeros in the frames (dimension 2) behind each row's end; NaN there does not survive."""
    if lengths is None:
        return maps
    mask = frame_mask(lengths.to(maps.device), maps.shape[2])
    return maps.masked_fill(~mask.reshape(mask.shape[0], 1, -1, *[1] * (maps.ndim - 3)), 0.0)


def batch_norm(norm: nn.BatchNorm2d, maps: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """``norm(maps)`` with statistics of the real frames only, in training as in evaluation.

    ``norm`` needs a momentum (not ``None``) and running statistics, as batch normalisation has by default.
    """
    if lengths is None or not norm.training:
        return norm(maps)
    assert norm.running_mean is not None and norm.running_var is not None and norm.momentum is not None
    # Sums over a batch need more digits than half precision has, as in torch's own.
    wide = maps.double() if maps.dtype == torch.float64 else maps.float()
    mask = frame_mask(lengths.to(maps.device), maps.shape[2])[:, None, :, None].to(wide.dtype)
    count = mask.sum() * maps.shape[3]
    mean = torch.where(mask > 0, wide, torch.zeros_like(wide)).sum(dim=(0, 2, 3)) / count
    centred = wide - mean[None, :, None, None]
    variance = (centred * mask).square().sum(dim=(0, 2, 3)) / count
    with torch.no_grad():
        unbiased = variance * count / (count - 1).clamp(min=1)
        norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), norm.momentum)
        norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), norm.momentum)
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
    scale = torch.rsqrt(variance + norm.eps)
    if norm.affine:
        wide = centred * (scale * norm.weight)[None, :, None, None] + norm.bias[None, :, None, None]
    else:
        wide = centred * scale[None, :, None, None]
    return wide.to(maps.dtype)


def masked_mean(frames: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Mean over the real frames: (batch, time, dim) to (batch, dim)."""
    if lengths is None:
        return frames.mean(dim=1)
    mask = frame_mask(lengths.to(frames.device), frames.shape[1])[:, :, None]
    return frames.masked_fill(~mask, 0.0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def masked_max(frames: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Maximum over the real frames: (batch, time, dim) to (batch, dim)."""
    if lengths is None:
        return frames.amax(dim=1)
    mask = frame_mask(lengths.to(frames.device), frames.shape[1])[:, :, None]
    return frames.masked_fill(~mask, torch.finfo(frames.dtype).min).amax(dim=1)


def by_length(
    run: Callable[[torch.Tensor], torch.Tensor],
    batch: torch.Tensor,
    lengths: torch.Tensor | None,
    *,
    axis: int,
) -> torch.Tensor:
    """Run a network that knows no lengths once for each of them, on rows cut to what is real.

    Parameters
    ----------
    run : callable
        (rows, ...) to (rows, time', dim).
    batch : Tensor
        Padded along ``axis``.
    lengths : Tensor of shape (batch,), or None
    axis : int

    Returns
    -------
    Tensor, shape (batch, longest time', dim)
        Zeros behind each row's end.
    """
    if lengths is None:
        return run(batch)
    sizes = [int(n) for n in lengths]
    done: dict[int, torch.Tensor] = {}
    for size in sorted(set(sizes)):
        rows = [i for i, n in enumerate(sizes) if n == size]
        for row, frames in zip(rows, run(batch[rows].narrow(axis, 0, size)), strict=True):
            done[row] = frames
    longest = max(frames.shape[0] for frames in done.values())
    return torch.stack(
        [functional.pad(done[i], (0, 0, 0, longest - done[i].shape[0])) for i in range(len(sizes))]
    )
