"""Scores become events: per-class thresholds with hysteresis, joined gaps, and a shortest length.

Input: :class:`Scores`; output: :class:`Event` values sorted by (start, end, label). Everything is decided in
integers: probabilities in steps of 1e-4, times in samples of the model's rate, half-open ``[start, end)``.

A score speaks for its *cell* (:func:`cells`): the window itself, or with overlap the hop-long middle of it.
The cells tile the recording, so an event never ends after the audio and two of a class never overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np

from sonoscope.errors import UnknownName, UsageError, lookup, nearest
from sonoscope.values import LOGIT_DECIMALS, SCORE_DECIMALS, Event, Label, Scores

#: Thresholds and durations arrive as floats; a hundredth of a step is noise (0.57 * 10**4 is 5699.99…).
_STEP_NOISE = 0.01


@dataclass(frozen=True)
class Decision:
    """What turns scores into events; changing it never needs the audio again.

    Attributes
    ----------
    thresholds : mapping, label id to probability in 0..1
        An event begins where a score reaches it.
    low_thresholds : mapping, label id to probability in 0..threshold
        An event goes on, in both directions, while scores stay at or above it (hysteresis). A label that is
        missing here uses its threshold.
    min_duration_s : float, >= 0
        Shorter events are dropped, after gaps were joined. A recording of a single window has one score, of which
        nobody knows how long it would have lasted: it stays.
    max_gap_s : float, >= 0
        Events of a class no further apart are joined; a longer gap is never swallowed. 0 joins what touches.

    Raises
    ------
    UsageError
        If a value is out of range.
    UnknownName
        If ``low_thresholds`` names a label that has no threshold.
    """

    thresholds: Mapping[str, float]
    low_thresholds: Mapping[str, float] = field(default_factory=dict)
    min_duration_s: float = 0.0
    max_gap_s: float = 0.0

    def __post_init__(self) -> None:
        for label, value in self.thresholds.items():
            if not 0 <= value <= 1:
                raise UsageError(f"threshold {label}={value} must lie in 0..1")
        for label, low in self.low_thresholds.items():
            high = lookup(self.thresholds, label, "label in low_thresholds")
            if not 0 <= low <= high:
                raise UsageError(f"low threshold {label}={low} must lie in 0..{high}, the label's threshold")
        for name, seconds in (("min_duration_s", self.min_duration_s), ("max_gap_s", self.max_gap_s)):
            if not 0 <= seconds < math.inf:
                raise UsageError(f"{name}={seconds} must be a number of seconds, 0 or more")

    def check(self, labels: Iterable[str]) -> None:
        """Raise ``UnknownName`` if a threshold is for none of ``labels``."""
        known = set(labels)
        for label in self.thresholds:
            if label not in known:
                raise UnknownName(
                    f"threshold for an unknown label {label!r}.{nearest(label, known)} "
                    f"Known: {', '.join(sorted(known))}."
                )


def cells(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of the time that each score speaks for, in samples, int64, shape (n,) each.

    Without overlap these are the windows. With overlap they are the hop-long middles of the windows; the
    first begins with the first window, the last ends with the last, and each ends where the next begins.
    """
    edges = scores.cell_edges
    return edges[:-1], edges[1:]


#: An event as it is held: times in seconds, the column of its label, score in 1e-4 and logit in 1e-3.
_HELD = np.dtype(
    [("start_s", "f8"), ("end_s", "f8"), ("label", "i4"), ("score", "i2"), ("raw", "i2"), ("padded", "?")]
)
_ROWS = 4096  # turned into events at a time


class Events(Sequence[Event]):
    """The events of one recording, sorted by (start, end, label); each is made when it is asked for.

    A night of insects is tens of thousands of events: 25 bytes each here, over 300 as a list.

    Parameters
    ----------
    held : np.ndarray of ``_HELD``
        In any order.
    labels : sequence of Label
        What ``held["label"]`` counts.
    channel : int, optional
        Written into every event.
    """

    #: Said to those who would sort (:meth:`sonoscope.values.FileResult.in_order`).
    is_sorted = True

    def __init__(self, held: np.ndarray, labels: Sequence[Label], channel: int | None = None) -> None:
        names = sorted(label.id for label in labels)
        rank = np.array([names.index(label.id) for label in labels], dtype=np.int64)
        self._held = held[np.lexsort((rank[held["label"]], held["end_s"], held["start_s"]))]
        self._labels, self._channel = tuple(labels), channel

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Event]:
        for first in range(0, len(self._held), _ROWS):
            yield from map(self._event, self._held[first : first + _ROWS].tolist())

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        if isinstance(index, slice):
            return [self._event(row) for row in self._held[index].tolist()]
        return self._event(self._held[index].item())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Events({list(self)!r})"

    def _event(self, row: tuple[float, float, int, int, int, bool]) -> Event:
        start_s, end_s, column, score, raw, padded = row
        label = self._labels[column]
        return Event(
            start_s=start_s,
            end_s=end_s,
            label=label.id,
            score=score / 10**SCORE_DECIMALS,
            raw=raw / 10**LOGIT_DECIMALS,
            channel=self._channel,
            low_hz=label.low_hz,
            high_hz=label.high_hz,
            flags="padded" if padded else "",
        )


def find(
    scores: Scores,
    decision: Decision,
    labels: Sequence[Label],
    *,
    include_reject: bool = False,
    duration_s: float = math.inf,
    channel: int | None = None,
) -> Events:
    """The events in ``scores``, sorted by (start, end, label).

    Parameters
    ----------
    labels : sequence of Label
        What is known about the columns of ``scores``, in any order.
    include_reject : bool
        Report classes of kind ``background`` and ``reject`` too.
    duration_s : float, optional
        Length of the recording by its own count: no event ends after it, whatever resampling rounds.
    channel : int, optional
        The channel that was analysed, 1-based; written into the events.

    Returns
    -------
    Events
        ``score`` is the highest probability of an event's cells, ``raw`` the logit it came from. The flag
        ``padded`` says that one of its windows was filled with zeros past the end of the recording.

    Raises
    ------
    UnknownName
        If a threshold is for no label of the model, or a column of ``scores`` is not in ``labels``.
    UsageError
        If a class that is to be reported has no threshold.
    """
    decision.check(scores.labels)
    known = {label.id: label for label in labels}
    starts, ends = cells(scores)
    padded_before = np.concatenate(([0], np.cumsum(scores.padded)))
    gap, shortest = whole_samples(decision, scores.sample_rate)
    held = []
    for column, name in enumerate(scores.labels):
        label = lookup(known, name, "label")
        if label.kind != "event" and not include_reject:
            continue
        if name not in decision.thresholds:
            raise UsageError(f"no threshold for the label {name!r}; give one, or set its kind to reject")
        high, low = decision.thresholds[name], decision.low_thresholds.get(name, decision.thresholds[name])
        probabilities = scores.steps("probabilities", column)
        first, last = _runs(probabilities, least(high), least(low))
        first, last = _joined(first, last, starts, ends, gap)
        long = (ends[last] - starts[first] >= shortest) | (len(starts) == 1)
        first, last = first[long], last[long]
        found = np.empty(len(first), dtype=_HELD)
        found["start_s"] = starts[first] / scores.sample_rate
        found["end_s"] = np.minimum(ends[last] / scores.sample_rate, duration_s)
        found["label"] = column
        found["score"], found["raw"] = _peaks(probabilities, scores.steps("logits", column), first, last)
        found["padded"] = padded_before[last + 1] > padded_before[first]
        held.append(found)
    return Events(
        np.concatenate(held) if held else np.empty(0, dtype=_HELD),
        [lookup(known, name, "label") for name in scores.labels],
        channel,
    )


def whole_samples(decision: Decision, sample_rate: int) -> tuple[int, int]:
    """The longest gap that is joined and the shortest event that is kept, in samples."""
    gap = math.floor(decision.max_gap_s * sample_rate + _STEP_NOISE)
    return gap, math.ceil(decision.min_duration_s * sample_rate - _STEP_NOISE)


def least(threshold: float) -> int:
    """The smallest score, in steps of 1e-4, that is at or above ``threshold``."""
    return math.ceil(threshold * 10**SCORE_DECIMALS - _STEP_NOISE)


def _runs(steps: np.ndarray, high: int, low: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last cell of every longest run at or above ``low`` that somewhere reaches ``high``."""
    change = np.diff(np.concatenate(([False], steps >= low, [False])).astype(np.int8))
    first, last = np.flatnonzero(change == 1), np.flatnonzero(change == -1) - 1
    reached = np.concatenate(([0], np.cumsum(steps >= high)))
    kept = reached[last + 1] > reached[first]
    return first[kept], last[kept]


def _joined(
    first: np.ndarray, last: np.ndarray, starts: np.ndarray, ends: np.ndarray, gap: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same runs, those at most ``gap`` samples apart made one."""
    apart = starts[first[1:]] - ends[last[:-1]] > gap
    end = np.ones(min(len(first), 1), dtype=bool)
    return first[np.concatenate((end, apart))], last[np.concatenate((apart, end))]


def _peaks(
    steps: np.ndarray, logits: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The highest score of each run, and the largest logit with that (rounded) score."""
    if not len(first):
        return first, last
    # One integer orders by score, then logit; the extra cell lets the last run end at the last cell.
    both = np.append((steps << 17) + logits + (1 << 16), 0)
    highest = np.maximum.reduceat(both, np.column_stack((first, last + 1)).ravel())[::2]
    return highest >> 17, (highest & (1 << 17) - 1) - (1 << 16)


def unknown_windows(scores: Scores, decision: Decision, labels: Sequence[Label]) -> int:
    """How many windows are part of no event: silence, or what the model does not know."""
    silent = np.ones(len(scores), dtype=bool)
    for column, label in enumerate(labels):
        if label.kind == "event":
            high = decision.thresholds[label.id]
            low = decision.low_thresholds.get(label.id, high)
            for first, last in zip(
                *_runs(scores.held("probabilities")[:, column], least(high), least(low)), strict=True
            ):
                silent[first : last + 1] = False
    return int(np.count_nonzero(silent))
