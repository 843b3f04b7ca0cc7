"""From frames to the few moments that matter: where a pitch begins, and the stretches in which it sounds.

All of it is done for whole blocks in NumPy, in whole steps of probability, so that a block's edge changes nothing:
a block brings as many frames around it as a decision needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonoscope.notes.rules import InFrames


@dataclass(frozen=True)
class Onsets:
    """Moments at which pitches begin, in order of (column, frame). ``shift`` is in frames, -0.5..0.5, from the
    parabola through the peak and its neighbours; ``score`` is the peak, ``velocity`` what is said there, or -1."""

    column: np.ndarray
    frame: np.ndarray
    shift: np.ndarray
    score: np.ndarray
    velocity: np.ndarray


@dataclass(frozen=True)
class Pieces:
    """Stretches of frames with a sustain, cut at onsets and at the block's edges, in order of (column, first).

    ``first`` and ``last`` are frames, both included. ``rise`` and ``fall`` say how many frames before ``first`` and
    after ``last`` the sustain crosses the low threshold, on a line between frames (1 where it goes on). ``high`` is the
    first frame that reaches the upper threshold, or a large number; ``total`` the sum of the sustain's steps.
    """

    column: np.ndarray
    first: np.ndarray
    last: np.ndarray
    rise: np.ndarray
    fall: np.ndarray
    high: np.ndarray
    total: np.ndarray


NEVER = np.iinfo(np.int64).max


class OnsetFinder:
    """Finds onsets block after block; remembers which pitches had theirs and did not come down since."""

    def __init__(self, n_pitches: int, frames: InFrames) -> None:
        self._had = np.zeros(n_pitches, dtype=bool)
        self._frames = frames

    def find(self, onset: np.ndarray, velocity: np.ndarray | None, before: int, count: int) -> Onsets:
        """The onsets among ``count`` frames.

        Parameters
        ----------
        onset, velocity : np.ndarray, shape (p, before + count + ahead), int16
            Steps. ``before`` frames come before those that are asked about, at least ``max(peak, 1)``.
        """
        wide = onset.shape[1]
        inner = onset[:, before : before + count]
        column, frame = np.nonzero(inner >= self._frames.onset)
        flat, place = onset.ravel(), column * wide + frame + before
        value = flat[place]
        peak = np.ones(len(place), dtype=bool)
        for away in range(1, self._frames.peak + 1):
            peak &= (flat[place - away] < value) & (flat[place + away] <= value)
        column, frame = self._first_of_each_run(inner, onset[:, before - 1], column[peak], frame[peak])
        place = column * wide + frame + before
        left, top, right = (flat[place + away].astype(np.float64) for away in (-1, 0, 1))
        bend = np.minimum(left - 2 * top + right, -1.0)
        shift = np.clip(0.5 * (left - right) / bend, -0.5, 0.5)
        struck = np.full(len(place), -1) if velocity is None else velocity.ravel()[place]
        return Onsets(column, frame, shift, top.astype(np.int64), struck)

    def _first_of_each_run(
        self, inner: np.ndarray, previous: np.ndarray, column: np.ndarray, frame: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Only the first peak of each stretch at or above the lower threshold."""
        count = inner.shape[1]
        above = inner >= self._frames.onset_low
        rises = above.copy()
        rises[:, 1:] &= ~above[:, :-1]
        rises[:, 0] &= previous < self._frames.onset_low
        begins = np.flatnonzero(rises)

        def run_of(place: np.ndarray, row: np.ndarray) -> np.ndarray:
            # Where the run began; runs from before the block are called -1 - row.
            index = np.searchsorted(begins, place, side="right") - 1
            began = begins[index] if len(begins) else np.full(len(place), -1)
            return np.where((index >= 0) & (began >= row * count), began, -1 - row)

        run = run_of(column * count + frame, column)
        kept = np.ones(len(run), dtype=bool)
        kept[1:] = run[1:] != run[:-1]
        kept &= (run >= 0) | ~self._had[column]
        rows = np.arange(len(inner))
        final = run_of(rows * count + count - 1, rows)
        had = np.isin(final, run[kept]) | ((final < 0) & self._had)
        self._had = had & above[:, -1]
        return column[kept], frame[kept]


class Company:
    """Says how many frames notes have to last: longer where their onset is not sure and alone."""

    def __init__(self, frames: InFrames) -> None:
        self._frames = frames
        self._sure = np.zeros(0, dtype=np.int64)

    def shortest(self, onsets: Onsets, base: int) -> np.ndarray:
        """The shortest length of each note that begins; ``base`` is the frame that the onsets' frames count from."""
        frames, at = self._frames, onsets.frame + base
        sure = onsets.score >= frames.sure
        known = np.concatenate([self._sure, np.sort(at[sure])])
        near = np.searchsorted(known, at, side="right") - np.searchsorted(known, at - frames.reach)
        self._sure = known[np.searchsorted(known, base - frames.reach) :]
        unsure = max(frames.unsure, frames.length)
        return np.where(sure | (near >= frames.company), frames.length, unsure)


def pieces(
    sustain: np.ndarray, before: int, count: int, frames: InFrames, onsets: Onsets, *, alone: bool = False
) -> Pieces:
    """The stretches of sustain among ``count`` frames; arguments as :meth:`OnsetFinder.find`. With ``alone`` an onset
    cuts those of all pitches."""
    wide = sustain.shape[1]
    low = frames.sustain_low
    # A column that never sounds parts the rows, so that places in the flat array are in order and never meet.
    active = np.zeros((len(sustain), count + 1), dtype=bool)
    active[:, :count] = sustain[:, before : before + count] >= low
    starts = active.copy()
    starts[:, 1:] &= ~active[:, :-1]
    ends = active.copy()
    ends[:, :-1] &= ~active[:, 1:]
    if alone:
        starts[:, onsets.frame] |= active[:, onsets.frame]
    else:
        starts[onsets.column, onsets.frame] |= active[onsets.column, onsets.frame]
    first, run_last = np.flatnonzero(starts), np.flatnonzero(ends)
    last = run_last[np.searchsorted(run_last, first)]
    last[:-1] = np.minimum(last[:-1], first[1:] - 1)
    column, first, last = first // (count + 1), first % (count + 1), last % (count + 1)

    flat = sustain.ravel()
    at_first, at_last = column * wide + first + before, column * wide + last + before
    level, earlier = flat[at_first].astype(np.float64), flat[at_first - 1].astype(np.float64)
    rise = np.where(earlier >= low, 1.0, (level - low) / np.maximum(level - earlier, 1.0))
    level, later = flat[at_last].astype(np.float64), flat[at_last + 1].astype(np.float64)
    fall = np.where(later >= low, 1.0, (level - low) / np.maximum(level - later, 1.0))

    high = np.flatnonzero(flat >= frames.sustain)
    place = np.searchsorted(high, at_first)
    reached = np.append(high, NEVER)[place]
    reached = np.where(reached <= at_last, reached - at_first + first, NEVER)
    total = np.zeros(len(first), dtype=np.int64)
    if len(first):
        between = np.stack([at_first, at_last + 1], axis=1).ravel()
        total = np.add.reduceat(flat, between, dtype=np.int64)[::2]
    return Pieces(column, first, last, rise, fall, reached, total)
