"""Decisions counted by how probable they were said to be: figures of any number of frames in little memory.

Probabilities are counted in :data:`LEVELS` equal steps, so counts of batches and of processes are added. The figures
are those of all pairs of a frame and a key, as Thickstun, Harchaoui and Kakade 2017 judge notes (average precision),
exact but for probabilities in one step, which tie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

LEVELS = 2000


def counted(probabilities: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """How many false and true pairs were said each probability: any shape twice to (2, LEVELS), float64."""
    step = (probabilities.float() * LEVELS).long().clamp(max=LEVELS - 1)
    place = step + LEVELS * (truth > 0.5).long()
    return torch.bincount(place.flatten(), minlength=2 * LEVELS).reshape(2, LEVELS).double()


@dataclass(frozen=True)
class Figures:
    """What counts say: average precision, the best F1 and where it is.

    ``threshold`` is the lower end of the step from which on a pair is called true.
    """

    average_precision: float
    f1: float
    threshold: float

    @classmethod
    def of(cls, counts: np.ndarray) -> Figures:
        """From counts (2, LEVELS); all 0 where nothing is true."""
        false, true = (np.cumsum(row[::-1]) for row in np.asarray(counts, dtype=np.float64))
        if not true[-1]:
            return cls(0.0, 0.0, 0.5)
        precision = true / np.maximum(true + false, 1.0)
        gained = np.diff(true, prepend=0.0) / true[-1]
        f1 = 2 * true / (true + false + true[-1])
        best = int(f1.argmax())
        return cls(float((precision * gained).sum()), float(f1[best]), (LEVELS - 1 - best) / LEVELS)


def f1_at(counts: np.ndarray, threshold: float) -> float:
    """F1 where pairs from ``threshold`` on are called true; 0 where nothing is true and nothing was called so."""
    false, true = (row[round(threshold * LEVELS) :].sum() for row in counts)
    called = true + false + counts[1].sum()
    return float(2 * true / called) if called else 0.0
