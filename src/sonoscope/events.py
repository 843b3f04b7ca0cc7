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
        Shorter events are dropped, after gaps were joined.
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
            high = lookup(dict(self.thresholds), label, "label in low_thresholds")
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


def find(
    scores: Scores,
    decision: Decision,
    labels: Sequence[Label],
    *,
    include_reject: bool = False,
    duration_s: float = math.inf,
    channel: int | None = None,
) -> list[Event]:
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
    list of Event
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
    gap = math.floor(decision.max_gap_s * scores.sample_rate + _STEP_NOISE)
    shortest = math.ceil(decision.min_duration_s * scores.sample_rate - _STEP_NOISE)
    events = []
    for column, name in enumerate(scores.labels):
        label = lookup(known, name, "label")
        if label.kind != "event" and not include_reject:
            continue
        if name not in decision.thresholds:
            raise UsageError(f"no threshold for the label {name!r}; give one, or set its kind to reject")
        high, low = decision.thresholds[name], decision.low_thresholds.get(name, decision.thresholds[name])
        probabilities = scores.steps("probabilities", column)
        first, last = _runs(probabilities, _least(high), _least(low))
        first, last = _joined(first, last, starts, ends, gap)
        long = ends[last] - starts[first] >= shortest
        first, last = first[long], last[long]
        logits = scores.steps("logits", column)
        events += [
            Event(
                start_s=float(starts[i] / scores.sample_rate),
                end_s=min(float(ends[k] / scores.sample_rate), duration_s),
                label=name,
                score=score / 10**SCORE_DECIMALS,
                raw=logit / 10**LOGIT_DECIMALS,
                channel=channel,
                low_hz=label.low_hz,
                high_hz=label.high_hz,
                flags="padded" if padded_before[k + 1] > padded_before[i] else "",
            )
            for i, k, score, logit in _peaks(probabilities, logits, first, last)
        ]
    return sorted(events)


def _least(threshold: float) -> int:
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
) -> Iterator[tuple[int, int, int, int]]:
    """First and last cell of each run, its highest score, and the largest logit with that (rounded) score."""
    if not len(first):
        return iter(())
    # One integer orders by score, then logit; the extra cell lets the last run end at the last cell.
    both = np.append((steps << 17) + logits + (1 << 16), 0)
    highest = np.maximum.reduceat(both, np.column_stack((first, last + 1)).ravel())[::2]
    logit = (highest & (1 << 17) - 1) - (1 << 16)
    return zip(first.tolist(), last.tolist(), (highest >> 17).tolist(), logit.tolist(), strict=True)


def unknown_windows(scores: Scores, decision: Decision, labels: Sequence[Label]) -> int:
    """How many windows have no reported label at its threshold: silence, or what the model does not know."""
    columns = [i for i, label in enumerate(labels) if label.kind == "event"]
    limits = np.array([decision.thresholds[labels[i].id] for i in columns])
    # Scores have 4 decimals but are float32: a hundredth of a step keeps 0.7 from missing a threshold of 0.7.
    sounding = scores.probabilities[:, columns] >= limits - _STEP_NOISE * 10.0**-SCORE_DECIMALS
    return int(np.count_nonzero(~sounding.any(axis=1)))
