"""Events that were decided on against events that were annotated: by segment, and one by one (Mesaros et al. 2016).

**By segment**: time is cut into seconds; in each, a label is there or not, and was said or not. **One by one**: an
event is found if one of its label begins within 200 ms and ends within 200 ms or half of its length, whichever is more
(``offset_share``; DCASE takes a fifth), each counting once and as many as can be. The error rate adds up substitutions
(one label said for another), deletions and insertions over the events of the truth; it can exceed 1.

These are sed_eval's figures, with its matching ``optimal``; times are compared to 0.1 ms, so that an event exactly
200 ms late is found, whatever its binary fractions are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.evaluation.heard import PER_SECOND, Heard
from sonoscope.evaluation.notes import Counts, Notes, Tolerance, matched
from sonoscope.values import Event

NOTHING = Counts()


@dataclass(frozen=True)
class Errors:
    """What was right and wrong, of all labels together."""

    counts: Counts = NOTHING
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.counts + other.counts,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def rate(self) -> float:
        """Errors for each event (segment) of the truth; NaN without any."""
        wrong = self.substitutions + self.deletions + self.insertions
        return wrong / self.counts.reference if self.counts.reference else float("nan")


def by_segment(
    recordings: Sequence[Heard], labels: Sequence[str], segment_s: float = 1.0
) -> tuple[Errors, Mapping[str, Counts]]:
    """Errors of all labels, and counts of each; a recording lasts ``ceil(duration / segment)`` segments.

    Labels that nobody judged in a recording count nowhere in it.
    """
    total, each = Errors(), dict.fromkeys(labels, Counts())
    for heard in recordings:
        true, said = (
            _roll(events, heard.duration_s, labels, segment_s) for events in (heard.truth, heard.said or ())
        )
        judged = np.array([label not in heard.unknown for label in labels])
        true, said = true & judged, said & judged
        hits = (true & said).sum(axis=1)
        there, heard_ = true.sum(axis=1), said.sum(axis=1)
        total += Errors(
            Counts(int(hits.sum()), int(there.sum()), int(heard_.sum())),
            int((np.minimum(there, heard_) - hits).sum()),
            int(np.maximum(there - heard_, 0).sum()),
            int(np.maximum(heard_ - there, 0).sum()),
        )
        for k, label in enumerate(labels):
            each[label] += Counts(*(int(part[:, k].sum()) for part in (true & said, true, said)))
    return total, each


def _roll(events: Sequence[Event], duration_s: float, labels: Sequence[str], segment_s: float) -> np.ndarray:
    """Which labels sound in which segments, bool, shape (segments, labels)."""
    length = round(segment_s * PER_SECOND)
    count = -(-round(duration_s * PER_SECOND) // length)
    found = np.zeros((count, len(labels)), dtype=bool)
    columns = {label: k for k, label in enumerate(labels)}
    for event in events:
        if event.label in columns and event.end_s > event.start_s:
            first, last = round(event.start_s * PER_SECOND), round(event.end_s * PER_SECOND)
            found[max(first // length, 0) : -(-last // length), columns[event.label]] = True
    return found


def one_by_one(
    recordings: Sequence[Heard], labels: Sequence[str], *, collar_s: float = 0.2, offset_share: float = 0.5
) -> tuple[Errors, Mapping[str, Counts]]:
    """Errors of all labels, and counts of each."""
    exact = Tolerance(collar_s, 50.0, collar_s, offset_share)
    total, each = Errors(), dict.fromkeys(labels, Counts())
    for heard in recordings:
        true, said = (_table(events, labels, heard.unknown) for events in (heard.truth, heard.said or ()))
        pairs = np.array(matched(true, said, offsets=True, within=exact), dtype=int).reshape(-1, 2)
        left = [np.delete(np.arange(len(side)), pairs[:, k]) for k, side in enumerate((true, said))]
        confused = _confused(true.where(left[0]), said.where(left[1]), exact)
        total += Errors(
            Counts(len(pairs), len(true), len(said)),
            confused,
            len(true) - len(pairs) - confused,
            len(said) - len(pairs) - confused,
        )
        for k, label in enumerate(labels):
            hits = int((true.pitch[pairs[:, 0]] == k).sum())
            each[label] += Counts(hits, int((true.pitch == k).sum()), int((said.pitch == k).sum()))
    return total, each


def _table(events: Sequence[Event], labels: Sequence[str], unknown: frozenset[str]) -> Notes:
    """Events as notes whose pitch is the number of their label: what matches notes matches them too."""
    columns = {label: float(k) for k, label in enumerate(labels) if label not in unknown}
    rows = sorted((e.start_s, e.end_s, columns[e.label]) for e in events if e.label in columns)
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return Notes(table[:, 0], table[:, 1], table[:, 2])


def _confused(true: Notes, said: Notes, exact: Tolerance) -> int:
    """How many that were missed were given another label: in order of time, each the first that is left (sed_eval)."""
    taken = np.zeros(len(said), dtype=bool)
    for k in range(len(true)):
        near = np.round(np.abs(said.start_s - true.start_s[k]), 4) <= exact.onset_s
        allowed = max(exact.offset_s, exact.offset_share * float(true.end_s[k] - true.start_s[k]))
        near &= np.round(np.abs(said.end_s - true.end_s[k]), 4) <= allowed
        free = np.flatnonzero(near & ~taken)
        if free.size:
            taken[free[0]] = True
    return int(taken.sum())
