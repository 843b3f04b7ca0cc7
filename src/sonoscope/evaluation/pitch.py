"""Which pitches sound in which frames: truth from notes, predictions from scores, and the errors of MIREX.

A frame is a moment: the centre of its window. A pitch is labelled there if a note of it sounds at that moment
(``centre``, as publications on MusicNet do), or anywhere in the window (``intersects``), which begins and ends half a
window too early and too late. A prediction at a moment is that of the nearest frame that was predicted, so it is off in
time by half their distance at most: 23 ms for windows of 2048 samples at 22,050 Hz that overlap by half (93 ms long,
46 ms apart), 46 ms for windows of 4096.

Errors are those of Poliner and Ellis 2007 and Bay et al. 2009 as in ``mir_eval.multipitch``: sums over frames, then
ratios. Pitches are whole semitones here, so no frequency has to be matched and there is no limit to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.evaluation.notes import Notes

RULES = ("centre", "intersects")
PITCH_CLASSES = 12
MIREX = ("precision", "recall", "accuracy", "e_sub", "e_miss", "e_fa", "e_tot")


@dataclass(frozen=True)
class FrameGrid:
    """Which frames of a recording are looked at; lengths in samples at ``rate``.

    Window ``k`` begins ``k * stride`` after ``start_s``; its moment is its centre. ``frames`` is how many there are,
    0: as many as fit. ``evenly`` is how many are spread over the recording to count errors on, 0: on the frames.

    Raises
    ------
    UsageError
        If a value is out of range.
    """

    start_s: float
    stride: int
    window: int
    frames: int
    rate: int
    evenly: int

    def __post_init__(self) -> None:
        least = {"stride": 1, "rate": 1}
        for name in ("start_s", "stride", "window", "frames", "rate", "evenly"):
            if not least.get(name, 0) <= getattr(self, name) <= 10**9:
                raise UsageError(f"{name}={getattr(self, name)} must be at least {least.get(name, 0)}")

    @property
    def window_s(self) -> float:
        """Length of a window."""
        return self.window / self.rate

    @property
    def hop_s(self) -> float:
        """Distance of frames."""
        return self.stride / self.rate

    def moments(self, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        """The moments of the frames, and of those on which errors are counted, in seconds; windows end within the
        recording."""
        first = round(self.start_s * self.rate)
        # A window without a length is a moment, and the last one lies before the end.
        room = round(duration_s * self.rate) - first - max(self.window, 1)
        there = room // self.stride + 1 if room >= 0 else 0
        moments = self._at(first + np.arange(min(self.frames, there) if self.frames else there) * self.stride)
        if not self.evenly:
            return moments, moments
        apart = max(room, 0) // self.evenly
        return moments, self._at(first + np.unique(np.arange(self.evenly if room >= 0 else 0) * apart))

    def _at(self, begins: np.ndarray) -> np.ndarray:
        return (begins + self.window / 2) / self.rate


@dataclass(frozen=True, eq=False)
class Roll:
    """Scores of pitches in frames.

    ``times_s`` (n,) are their centres, rising; ``scores`` (n, p); column 0 is the MIDI number ``lowest``.

    Raises
    ------
    UsageError
        If shapes do not fit, times do not rise, or pitches are no MIDI numbers.
    """

    times_s: np.ndarray
    scores: np.ndarray
    lowest: int = 0

    def __post_init__(self) -> None:
        if self.scores.ndim != 2 or self.times_s.shape != (len(self.scores),):
            raise UsageError(
                f"a roll of shape {self.scores.shape} with {self.times_s.shape} times: one for each frame"
            )
        if (np.diff(self.times_s) <= 0).any():
            raise UsageError("the times of a roll must rise")
        if not 0 <= self.lowest <= 128 - self.scores.shape[1]:
            raise UsageError(
                f"lowest={self.lowest}: {self.scores.shape[1]} pitches from there on are no MIDI numbers (0..127)"
            )

    @property
    def hop_s(self) -> float:
        """The distance of most frames; 0 for fewer than two."""
        return float(np.median(np.diff(self.times_s))) if len(self.times_s) > 1 else 0.0

    def at(self, times_s: np.ndarray, lowest: int, highest: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores of the frames nearest to some times, (t, highest - lowest + 1) float32, and how far those are, (t,).

        Pitches that the roll does not have score 0, and so do times more than a hop before or after all frames.
        """
        columns = np.zeros((len(times_s), highest - lowest + 1), dtype=np.float32)
        if not len(self.times_s):
            return columns, np.full(len(times_s), np.inf)
        middles = (self.times_s[1:] + self.times_s[:-1]) / 2
        nearest = np.searchsorted(middles, times_s)
        off = np.abs(self.times_s[nearest] - times_s)
        first, last = max(self.lowest, lowest), min(self.lowest + self.scores.shape[1] - 1, highest)
        if first <= last:
            part = self.scores[nearest, first - self.lowest : last - self.lowest + 1]
            columns[:, first - lowest : last - lowest + 1] = np.where(
                (off <= self._reach())[:, None], part, 0.0
            )
        return columns, off

    def _reach(self) -> float:
        return self.hop_s if self.hop_s else np.inf


def of_notes(notes: Notes, times_s: np.ndarray) -> Roll:
    """Notes that were decided on as scores of 1 and 0 at these times."""
    return Roll(times_s, labels(notes, times_s, 0, 127).astype(np.float32))


def labels(
    notes: Notes,
    times_s: np.ndarray,
    lowest: int,
    highest: int,
    *,
    rule: str = "centre",
    window_s: float = 0.0,
) -> np.ndarray:
    """Which pitches are labelled at each time, bool, shape (t, highest - lowest + 1); other pitches are left out.

    Notes are half-open, ``[start, end)``; times are compared in microseconds.

    Raises
    ------
    UsageError
        For another rule.
    """
    if rule not in RULES:
        raise UsageError(f"rule={rule!r} must be one of {', '.join(RULES)}")
    found = np.zeros((len(times_s), highest - lowest + 1), dtype=bool)
    times = np.rint(np.asarray(times_s) * 1e6).astype(np.int64)
    reach = round(window_s * 5e5) if rule == "intersects" else 0
    starts, ends = (np.rint(side * 1e6).astype(np.int64) for side in (notes.start_s, notes.end_s))
    # A window [t - reach, t + reach) meets [start, end) if t > start - reach and t < end + reach.
    first = np.searchsorted(times, starts - reach, side="right" if reach else "left")
    after = np.searchsorted(times, ends + reach, side="left")
    keys = np.rint(notes.pitch).astype(int) - lowest
    for a, b, key in zip(first.tolist(), after.tolist(), keys.tolist(), strict=True):
        if 0 <= key <= highest - lowest:
            found[a:b, key] = True
    return found


def folded(table: np.ndarray, lowest: int) -> np.ndarray:
    """Octaves laid on each other, (t, 12) with C first: the highest of all pitches of a name."""
    found = np.zeros((len(table), PITCH_CLASSES), dtype=table.dtype)
    for column in range(table.shape[1]):
        place = (lowest + column) % PITCH_CLASSES
        np.maximum(found[:, place], table[:, column], out=found[:, place])
    return found


def wrong(true: np.ndarray, said: np.ndarray) -> np.ndarray:
    """How many pitches of each frame are missing or too much, (t,)."""
    return (true ^ said).sum(axis=1)


def mirex(true: np.ndarray, said: np.ndarray, lowest: int = 0) -> dict[str, float]:
    """The fourteen figures of ``mir_eval.multipitch.metrics``; those that begin with ``chroma_`` forgive octaves.

    0 where nothing is there to divide by, as in mir_eval.
    """
    there, heard = true.sum(axis=1), said.sum(axis=1)
    hits = (true & said).sum(axis=1)
    octaves = [_by_class(table, lowest) for table in (true, said)]
    alike = np.minimum(*octaves).sum(axis=1)
    plain = _errors(there, heard, hits)
    return plain | {f"chroma_{name}": value for name, value in _errors(there, heard, alike).items()}


def _by_class(table: np.ndarray, lowest: int) -> np.ndarray:
    """How many pitches of each name sound in each frame, (t, 12)."""
    found = np.zeros((len(table), PITCH_CLASSES), dtype=np.int64)
    for column in range(table.shape[1]):
        found[:, (lowest + column) % PITCH_CLASSES] += table[:, column]
    return found


def _errors(there: np.ndarray, heard: np.ndarray, hits: np.ndarray) -> dict[str, float]:
    total = float(there.sum())

    def over(part: np.ndarray, whole: float) -> float:
        return float(part.sum()) / whole if whole else 0.0

    return {
        "precision": over(hits, float(heard.sum())),
        "recall": over(hits, total),
        "accuracy": over(hits, float((there + heard - hits).sum())),
        "e_sub": over(np.minimum(there, heard) - hits, total),
        "e_miss": over(np.maximum(there - heard, 0), total),
        "e_fa": over(np.maximum(heard - there, 0), total),
        "e_tot": over(np.maximum(there, heard) - hits, total),
    }
