"""Is a label heard throughout its row? The share of the row in which it scores.

A label that a person gave to a whole clip may be true of a part of it only, and training cuts windows from anywhere. A
window has a label if the head that never met the row's group gives at least the label's threshold there, and the window
is not silent. The threshold is the one that tells rows with the label from rows without it best (F1), so it follows
from the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonoscope.data.audit.embed import Embeddings
from sonoscope.data.audit.head import Targets, Unheard

#: A label that is heard in less than this share of its row is flagged.
AT_LEAST = 0.5


@dataclass(frozen=True)
class Presence:
    """How much of a row a label is heard in.

    ``place`` counts the embedded rows; ``share`` is in 0..1, of the row's seconds; ``first_s`` and ``last_s`` are
    where, from the start of the row, it is first and last heard (None: nowhere).
    """

    place: int
    label: str
    share: float
    first_s: float | None
    last_s: float | None
    windows: int


def thresholds(targets: Targets, probabilities: np.ndarray) -> np.ndarray:
    """For each label the row score of the highest F1, nan where the label could not be judged; shape (c,)."""
    found = np.full(len(targets.labels), np.nan)
    for k in range(len(found)):
        rows = targets.known[:, k] & ~np.isnan(probabilities[:, k])
        truth, scores = targets.sounds[rows, k], probabilities[rows, k]
        if truth.any():
            order = np.argsort(-scores, kind="stable")
            hits = np.cumsum(truth[order])
            f1 = 2.0 * hits / (np.arange(1, len(truth) + 1) + truth.sum())
            found[k] = scores[order][int(f1.argmax())]
    return found


def measure(embeddings: Embeddings, targets: Targets, unheard: Unheard) -> list[Presence]:
    """The presence of every label in every row that has it, in the order of rows and labels.

    Rows whose label could not be judged are left out.
    """
    least = thresholds(targets, unheard.probabilities)
    seconds = embeddings.seconds()
    sounding = embeddings.sounding()
    edges = np.searchsorted(embeddings.owner, np.arange(len(embeddings) + 1))
    found = []
    for place, k in zip(*np.nonzero(targets.sounds), strict=True):
        windows = slice(edges[place], edges[place + 1])
        scores = unheard.windows[windows, k]
        if np.isnan(least[k]) or np.isnan(scores).any() or not scores.size:
            continue
        heard = (scores >= least[k]) & sounding[windows]
        share = float(np.average(heard, weights=seconds[windows])) if seconds[windows].any() else 0.0
        where = np.flatnonzero(heard)
        found.append(
            Presence(
                int(place),
                targets.labels[k],
                share,
                float(embeddings.start_s[windows][where[0]]) if where.size else None,
                float(embeddings.end_s[windows][where[-1]]) if where.size else None,
                len(scores),
            )
        )
    return found
