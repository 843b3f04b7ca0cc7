"""How well notes are found: matched notes, with and without their ends, and frames; counted as mir_eval counts.

A reference note is found if an estimate of its pitch (within 50 cents) begins within 50 ms of it; *with offset*, if it
also ends within 50 ms or a fifth of the note's length, whichever is more. Each note is used once, and as many are
matched as can be (Bay, Ehmann and Downie 2009; Raffel et al. 2014). Pitches are MIDI numbers and compared in cents, for
which no frequency is needed; :func:`hertz` is for those who need one, and :func:`of_hertz` for tables that hold
frequencies. mir_eval compares frequencies: handed MIDI numbers, 60 and 61 are 28 "cents" apart and a semitone counts as
found. So numbers that look like the other kind are refused on both ways in. Velocities and instruments:
:mod:`sonoscope.evaluation.noteextras`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.evaluation import bootstrap
from sonoscope.values import Event

ONSET_S, CENTS, OFFSET_SHARE, OFFSET_S = 0.05, 50.0, 0.2, 0.05
#: mir_eval compares times in steps of this, so that a note exactly 50 ms late is found.
TIME_DECIMALS = 4
#: Estimates that begin before this are dropped, where a recording begins in the middle of a note.
GUARD_S = 0.05
#: Distance of the frames that are compared, in seconds.
FRAME_S = 0.01


def hertz(pitch: np.ndarray | float) -> np.ndarray:
    """Frequency of MIDI numbers: 440 Hz is 69, and twelve more are twice as much."""
    return 440.0 * np.exp2((np.asarray(pitch, dtype=np.float64) - 69) / 12)


@dataclass(frozen=True, eq=False)
class Notes:
    """Notes as arrays, sorted by start.

    Attributes
    ----------
    start_s, end_s, pitch : np.ndarray, shape (n,), float64
        Seconds, and MIDI numbers.
    velocity : np.ndarray, shape (n,), float64, optional
        1..127, NaN where a note has none. None: no note has one.
    label : np.ndarray, shape (n,), of str, optional
        The instrument.
    """

    start_s: np.ndarray
    end_s: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray | None = None
    label: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.start_s)

    @property
    def intervals(self) -> np.ndarray:
        """Start and end, shape (n, 2): what mir_eval takes."""
        return np.stack([self.start_s, self.end_s], axis=1)

    def where(self, kept: np.ndarray) -> Notes:
        """Those for which ``kept`` is true, or those rows."""
        velocity, label = (None if each is None else each[kept] for each in (self.velocity, self.label))
        return Notes(self.start_s[kept], self.end_s[kept], self.pitch[kept], velocity, label)


def notes_of(events: Iterable[Event]) -> Notes:
    """The events that have a pitch and a length, sorted by start, end and pitch.

    Raises
    ------
    UsageError
        If a pitch is no MIDI number.
    """
    found = sorted(
        ((e.start_s, e.end_s, e.pitch, math.nan if e.velocity is None else e.velocity, e.label) for e in events
         if e.pitch is not None and e.end_s > e.start_s),
        key=lambda row: row[:3],
    )  # fmt: skip
    table = np.array([row[:4] for row in found], dtype=np.float64).reshape(-1, 4)
    if table.size and not (table[:, 2].min() >= 0 and table[:, 2].max() <= 127):
        worst = table[np.abs(table[:, 2] - 63.5).argmax(), 2]
        raise UsageError(
            f"pitch={worst:g} is no MIDI number (0..127); if these are frequencies in Hz, read them with of_hertz"
        )
    velocity = None if np.isnan(table[:, 3]).all() else table[:, 3]
    return Notes(
        table[:, 0], table[:, 1], table[:, 2], velocity, np.array([row[4] for row in found], dtype=str)
    )


def of_hertz(intervals: np.ndarray, frequencies: np.ndarray, velocity: np.ndarray | None = None) -> Notes:
    """Notes from what mir_eval takes: intervals (n, 2) in seconds, and frequencies (n,) in Hz.

    Raises
    ------
    UsageError
        If a frequency is not above 0, or all look like MIDI numbers: whole, and none above 127. A piece that has no
        note above B2 (123 Hz) and only whole frequencies does not exist outside of such a mistake.
    """
    intervals = np.asarray(intervals, dtype=np.float64).reshape(-1, 2)
    hz = np.asarray(frequencies, dtype=np.float64)
    if hz.size and not (np.isfinite(hz).all() and hz.min() > 0):
        raise UsageError(f"frequency={hz[~(hz > 0)][0]:g} Hz must be above 0")
    if hz.size and hz.max() <= 127 and (hz == np.rint(hz)).all():
        shown = ", ".join(f"{value:g}" for value in hz[:3])
        raise UsageError(
            f"frequencies {shown}… look like MIDI numbers, not Hz: compared as Hz, notes a semitone apart would count "
            "as the same (60 and 61 Hz are 29 cents apart). Convert them with hertz(pitch), or give events with a pitch"
        )
    order = np.lexsort((hz, intervals[:, 1], intervals[:, 0]))
    pitch = 69 + 12 * np.log2(hz[order] / 440.0)
    said = None if velocity is None else np.asarray(velocity, dtype=np.float64)[order]
    return Notes(intervals[order, 0], intervals[order, 1], pitch, said)


@dataclass(frozen=True)
class Tolerance:
    """How far an estimate may be off: onset in seconds, pitch in cents (None: any pitch will do), offset in seconds or
    as a share of the reference note's length, whichever is more.

    Raises
    ------
    UsageError
        If a value is negative or no number.
    """

    onset_s: float = ONSET_S
    cents: float | None = CENTS
    offset_s: float = OFFSET_S
    offset_share: float = OFFSET_SHARE

    def __post_init__(self) -> None:
        for name in ("onset_s", "cents", "offset_s", "offset_share"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise UsageError(f"tolerance {name}={value} must be 0 or more")


def fair(reference: Notes, estimate: Notes, guard_s: float = GUARD_S) -> tuple[Notes, Notes]:
    """Both without what a recording that begins in the middle of a note makes a matter of luck.

    Reference notes that sound already when the recording begins (they start at 0 or before) are left out, and so are
    estimates that begin before ``guard_s``.
    """
    return reference.where(reference.start_s > 0), estimate.where(estimate.start_s >= guard_s)


def candidates(
    reference: Notes, estimate: Notes, *, offsets: bool = False, within: Tolerance = Tolerance()
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that could be matched: rows of the reference and of the estimate, in order of both."""
    order = np.argsort(estimate.start_s, kind="stable")
    starts = estimate.start_s[order]
    first = np.searchsorted(starts, reference.start_s - within.onset_s - 1e-3)
    last = np.searchsorted(starts, reference.start_s + within.onset_s + 1e-3)
    count = last - first
    row = np.repeat(np.arange(len(reference)), count)
    among = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    column = order[np.repeat(first, count) + among]
    late = np.abs(reference.start_s[row] - estimate.start_s[column])
    near = np.round(late, TIME_DECIMALS) <= within.onset_s
    if within.cents is not None:
        # A frequency made from a MIDI number and back is off by 1e-11 cents.
        cents = 100 * np.abs(reference.pitch[row] - estimate.pitch[column])
        near &= np.round(cents, 6) <= within.cents
    if offsets:
        lengths = reference.end_s - reference.start_s
        allowed = np.maximum(within.offset_share * lengths, within.offset_s)[row]
        over = np.abs(reference.end_s[row] - estimate.end_s[column])
        near &= np.round(over, TIME_DECIMALS) <= allowed
    return row[near], column[near]


def matched(
    reference: Notes, estimate: Notes, *, offsets: bool = False, within: Tolerance = Tolerance()
) -> list[tuple[int, int]]:
    """Pairs (row of the reference, row of the estimate), as many as can be, sorted.

    Times are compared to 0.1 ms, as in mir_eval, so that a note exactly 50 ms late is found.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if not len(reference) or not len(estimate):
        return []
    row, column = candidates(reference, estimate, offsets=offsets, within=within)
    # SciPy 1.11 matches by numbers of 32 bits only.
    places = row.astype(np.int32), column.astype(np.int32)
    graph = csr_array((np.ones(len(row)), places), shape=(len(reference), len(estimate)))
    partner = maximum_bipartite_matching(graph, perm_type="column")
    return [(r, int(c)) for r, c in enumerate(partner) if c >= 0]


@dataclass(frozen=True)
class Counts:
    """How many were right, how many there are, how many were estimated; sums add up."""

    hits: int = 0
    reference: int = 0
    estimate: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.hits + other.hits, self.reference + other.reference, self.estimate + other.estimate
        )

    @property
    def precision(self) -> float:
        """Share of the estimates that are right; 0 where there are none, as in mir_eval."""
        return self.hits / self.estimate if self.estimate else 0.0

    @property
    def recall(self) -> float:
        """Share of the reference that was found; 0 where there is none."""
        return self.hits / self.reference if self.reference else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.hits / (self.reference + self.estimate) if self.hits else 0.0


def roll(notes: Notes, n_frames: int, frame_s: float = FRAME_S) -> np.ndarray:
    """Which of 128 keys sound at frames ``k * frame_s``, bool, shape (n_frames, 128); pitches are rounded."""
    found = np.zeros((n_frames, 128), dtype=bool)
    first = np.ceil(notes.start_s / frame_s - 1e-6).astype(int)
    last = np.ceil(notes.end_s / frame_s - 1e-6).astype(int)
    keys = np.clip(np.rint(notes.pitch), 0, 127).astype(int)
    for a, b, key in zip(first.tolist(), last.tolist(), keys.tolist(), strict=True):
        found[max(a, 0) : max(b, 0), key] = True
    return found


def frames_of(reference: Notes, estimate: Notes) -> tuple[np.ndarray, np.ndarray]:
    """Both as rolls of the same length."""
    seconds = max(reference.end_s.max(initial=0.0), estimate.end_s.max(initial=0.0))
    n_frames = math.ceil(seconds / FRAME_S) + 1
    return roll(reference, n_frames), roll(estimate, n_frames)


def frame_counts(reference: Notes, estimate: Notes) -> Counts:
    """Frames by pitch: of every pitch in every frame, is it there and was it said."""
    true, said = frames_of(reference, estimate)
    return Counts(int((true & said).sum()), int(true.sum()), int(said.sum()))


def onset_errors(reference: Notes, estimate: Notes, *, within: Tolerance = Tolerance()) -> np.ndarray:
    """How late the matched estimates begin, in seconds: their median should be 0."""
    pairs = matched(reference, estimate, within=within)
    return np.array([estimate.start_s[e] - reference.start_s[r] for r, e in pairs])


@dataclass(frozen=True)
class Figures:
    """What is counted for one recording: notes by onset, notes with offset, frames."""

    onset: Counts
    offset: Counts
    frame: Counts


def measure(
    reference: Iterable[Event], estimate: Iterable[Event], *, guard_s: float | None = GUARD_S
) -> Figures:
    """The figures of one recording; ``guard_s`` None leaves nothing out at its beginning (:func:`fair`)."""
    true, said = notes_of(reference), notes_of(estimate)
    if guard_s is not None:
        true, said = fair(true, said, guard_s)
    hits, whole = (len(matched(true, said, offsets=offsets)) for offsets in (False, True))
    return Figures(
        Counts(hits, len(true), len(said)), Counts(whole, len(true), len(said)), frame_counts(true, said)
    )


@dataclass(frozen=True)
class Interval:
    """A figure over recordings, and the middle 95 % of what other draws of recordings would have given."""

    value: float
    low: float
    high: float


def summary(files: Sequence[Figures], groups: Sequence[str] | None = None) -> Mapping[str, Interval]:
    """Means over recordings with intervals: ``onset_f1``, ``offset_f1``, ``frame_f1``, and each one's ``precision`` and
    ``recall``; recordings of a group are drawn together.

    Raises
    ------
    ValueError
        If there are none, or not as many groups.
    """
    names = [str(number) for number in range(len(files))] if groups is None else list(groups)
    if len(names) != len(files):
        raise ValueError(f"{len(files)} recordings in {len(names)} groups; each recording needs one")
    found = {}
    for kind in ("onset", "offset", "frame"):
        for figure in ("f1", "precision", "recall"):
            values = np.array([getattr(getattr(one, kind), figure) for one in files])
            mean = _mean_of(values)
            low, high = bootstrap.of_metric(mean, names)
            found[f"{kind}_{figure}"] = Interval(mean(np.arange(len(values))), low, high)
    return found


def _mean_of(values: np.ndarray) -> Callable[[np.ndarray], float]:
    return lambda rows: float(values[rows].mean())
