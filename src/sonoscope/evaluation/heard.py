"""One recording, judged in time: what sounds in it, and what a detector said of it.

Times are seconds from the start of the recording. Scores speak for *cells* that follow each other, ``[edges[i],
edges[i + 1])``; what two detectors say can be compared whatever their windows are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.values import Event

#: Times are compared as whole microseconds: sums are exact, and an event that ends where a cell ends, does.
PER_SECOND = 1_000_000


@dataclass(frozen=True, eq=False)
class Heard:
    """A recording with its truth and what was said of it.

    Attributes
    ----------
    name : str
    duration_s : float
    truth : tuple of Event
    said : tuple of Event, optional
        Decided events; None: only scores are known.
    edges_s : np.ndarray, shape (n + 1,), optional
        Edges of the cells, rising.
    scores : np.ndarray, shape (n, c), optional
        One column for each label that is compared. None: only events are known.
    site : str
    unknown : frozenset of str
        Labels that nobody judged in this recording; it counts nowhere for them.

    Raises
    ------
    UsageError
        If shapes do not fit, edges do not rise, or neither events nor scores are given.
    """

    name: str
    duration_s: float
    truth: tuple[Event, ...]
    said: tuple[Event, ...] | None = None
    edges_s: np.ndarray | None = None
    scores: np.ndarray | None = None
    site: str = ""
    unknown: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if (self.edges_s is None) != (self.scores is None) or (self.scores is None and self.said is None):
            raise UsageError(
                f"{self.name}: scores come with the edges of their cells; without both, events are needed"
            )
        if not 0 <= self.duration_s < np.inf:
            raise UsageError(f"{self.name}: duration_s={self.duration_s} must be 0 or more")
        if self.edges_s is not None and self.scores is not None:
            if self.scores.ndim != 2 or len(self.edges_s) != len(self.scores) + 1:
                raise UsageError(
                    f"{self.name}: scores of shape {self.scores.shape} need {len(self.scores) + 1} edges, "
                    f"got {len(self.edges_s)}"
                )
            if not np.isfinite(self.scores).all():
                raise UsageError(
                    f"{self.name}: {int((~np.isfinite(self.scores)).sum())} scores are not finite"
                )
            if (np.diff(microseconds(self.edges_s)) <= 0).any():
                raise UsageError(f"{self.name}: the edges of cells must rise by a microsecond at least")


def microseconds(seconds: np.ndarray | Sequence[float] | float) -> np.ndarray:
    """Seconds as whole microseconds, int64."""
    return np.rint(np.asarray(seconds, dtype=np.float64) * PER_SECOND).astype(np.int64)


def spans(events: Iterable[Event], label: str) -> np.ndarray:
    """Start and end in microseconds of the events of a label that last, shape (n, 2), by start; overlaps stay."""
    found = sorted((e.start_s, e.end_s) for e in events if e.label == label)
    table = microseconds(np.array(found, dtype=np.float64).reshape(-1, 2))
    return table[table[:, 1] > table[:, 0]]


def united(table: np.ndarray) -> np.ndarray:
    """Spans with those that touch or overlap made one."""
    if not len(table):
        return table
    reach = np.maximum.accumulate(table[:, 1])
    first = np.r_[True, table[1:, 0] > reach[:-1]]
    return np.stack([table[first, 0], np.r_[reach[:-1][first[1:]], reach[-1]]], axis=1)


def covered(table: np.ndarray, times: np.ndarray) -> np.ndarray:
    """How much of the spans lies before each time, in microseconds; spans that overlap count each."""
    found = np.zeros(len(times), dtype=np.int64)
    for column, sign in ((0, 1), (1, -1)):
        edges = np.sort(table[:, column])
        before = np.searchsorted(edges, times, side="right")
        total = np.concatenate([[0], np.cumsum(edges)])
        found += sign * (before * times - total[before])
    return found
