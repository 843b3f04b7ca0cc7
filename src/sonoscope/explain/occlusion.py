"""Occlusion: how much of a logit is lost when a patch of the spectrogram is taken away.

Zeiler and Fergus 2014 (arXiv:1311.2901), section 4.2. Patches overlap by half; a cell's value is the mean loss over the
patches that it lies in, in units of the logit. Asks the graph only, so it needs no torch and works for any bundle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.explain.protocol import BATCH, Case, Found, Method


@dataclass(frozen=True)
class Occlusion(Method):
    """Parameters: into how many patches a window is divided, before they overlap.

    Parameters
    ----------
    along_time, along_frequency : int
        At least 1; never more than there are cells.
    """

    name: ClassVar[str] = "occlusion"
    network: ClassVar[bool] = False
    signed: ClassVar[bool] = True
    reads: ClassVar[str] = "what the score loses when a patch is taken away (Zeiler, Fergus 2014)"

    along_time: int = 10
    along_frequency: int = 16

    def __post_init__(self) -> None:
        for name in ("along_time", "along_frequency"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}={getattr(self, name)} must be at least 1")

    def __call__(self, case: Case) -> Found:
        cells, quiet = case.window.cells, case.window.baseline
        patches = [
            (across, up)
            for across in pieces(cells.shape[0], self.along_time)
            for up in pieces(cells.shape[1], self.along_frequency)
        ]
        whole = case.ask(cells[None])[0]
        total, count = np.zeros(cells.shape), np.zeros(cells.shape)
        for first in range(0, len(patches), BATCH):
            some = patches[first : first + BATCH]
            changed = np.repeat(cells[None], len(some), axis=0)
            for one, place in zip(changed, some, strict=True):
                one[place] = quiet[place]
            for place, logit in zip(some, case.ask(changed), strict=True):
                total[place] += whole - logit
                count[place] += 1
        return Found(total / count)


def pieces(size: int, count: int) -> list[slice]:
    """Stretches of ``size / count`` cells at half their length, so that each cell lies in as many; those at the ends
    reach out of the grid."""
    length = max(-(-size // count), 1)
    step = max(length // 2, 1)
    starts = range(step - length, size, step)
    return [slice(max(start, 0), min(start + length, size)) for start in starts if start + length > 0]
