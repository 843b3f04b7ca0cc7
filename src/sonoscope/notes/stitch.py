"""Overlapping windows put together: each keeps its centre, for its edges lack what comes before and after.

The windows of a recording start ``window - 2 * margin`` frames apart; of each, ``margin`` frames at both ends are
discarded, except at the beginning and end of the recording, where nothing else is known. Every frame is kept once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sonoscope.errors import UsageError


@dataclass(frozen=True)
class Kept:
    """A window starts at frame ``start``; its rows ``first`` to ``last`` (exclusive) are kept."""

    start: int
    first: int
    last: int


def plan(n_frames: int, window: int, margin: int) -> list[Kept]:
    """The windows that cover ``n_frames``, in order; the last may reach past the end (fill it with zeros).

    Raises
    ------
    UsageError
        If a window keeps no frame.
    """
    step = window - 2 * margin
    if margin < 0 or step <= 0:
        raise UsageError(
            f"margins of {margin} on both sides of {window} frames; they must be 0 or more and keep a frame"
        )
    found = []
    start, kept = 0, 0
    while kept < n_frames:
        is_last = start + window >= n_frames
        end = n_frames if is_last else start + window - margin
        found.append(Kept(start, kept - start, end - start))
        start, kept = start + step, end
    return found


def stitch(windows: Iterable[np.ndarray], plan: Iterable[Kept]) -> Iterator[np.ndarray]:
    """What is kept of each window (its rows are frames), in order: together, the whole recording."""
    for rows, kept in zip(windows, plan, strict=True):
        yield rows[kept.first : kept.last]
