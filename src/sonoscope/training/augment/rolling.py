"""Rows that go round, and windows of them: what moves sound in time is made of runs of samples, not of single ones.

A run is copied, while single samples are looked up one by one, which takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

#: Rows that a processor changes at a time where much lies in between, which so stays in its caches.
GROUP = 16


def in_groups(change: Callable[..., torch.Tensor], *rows: torch.Tensor) -> torch.Tensor:
    """``change`` of tensors whose first dimension counts rows, some rows at a time where that is quicker."""
    if rows[0].device.type != "cpu" or len(rows[0]) <= GROUP:
        return change(*rows)
    return torch.cat([change(*part) for part in zip(*(each.split(GROUP) for each in rows), strict=True)])


def looped(samples: torch.Tensor, real: torch.Tensor, length: int) -> torch.Tensor:
    """Rows (rows, n) that begin again after their first ``real`` (rows,) samples, as long as asked for: contiguous."""
    n = samples.shape[1]
    if length <= n and bool((real >= length).all()):
        return samples[:, :length].contiguous()
    if bool((real == n).all()):
        return samples.repeat(1, -(-length // n))[:, :length].contiguous()
    now = torch.arange(length, device=samples.device)
    return samples.gather(1, now.remainder(real[:, None]))


def windows(samples: torch.Tensor, starts: torch.Tensor, length: int) -> torch.Tensor:
    """Runs of ``length`` samples of rows (rows, n), from ``starts`` (rows,) or (rows, k) on: (rows[, k], length)."""
    n = samples.shape[1]
    first = torch.arange(len(samples), device=samples.device) * n
    return samples.view(-1).unfold(0, length, 1)[starts + first.view(-1, *[1] * (starts.ndim - 1))]
