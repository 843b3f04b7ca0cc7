"""Labels to windows: from what is said about a recording to what is said about each window of it.

There is one windowing, for training and for testing: the grid of :mod:`sonoscope.windows`, in samples at the model's
rate. A window of 3.0 s has 301 centred frames at a hop of 10 ms, wherever it comes from.

**Weak labels** (a clip's, without times) go to every window of the clip, or, with ``weak="unknown"``, become *not
judged* in windows shorter than it: the sound is somewhere, and nobody said where. What is absent from a clip is absent
from all of its windows.

**Strong annotations** (events with start and end) give a window the labels that sound in it for at least
``min_overlap_s`` seconds *and* ``min_share`` of the window; times of one label are united first, so two short calls
count together. With neither, any overlap counts. What sounds in a window for less is absent there, or not judged with
``short="unknown"``. Intervals are half-open, so an event that ends where a window begins is not in it.

**Frames** (:func:`frame_labels`): frame ``k`` is a window of ``window_samples`` samples centred on ``k *
hop_samples``. A note is present in it if that window intersects the note (``rule="intersects"``), or if the centre lies
in the note (``rule="centre"``, as publications on MusicNet count). The two differ by half a window at either end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sonoscope.data import annotation, lengths
from sonoscope.data.rows import EVERYTHING_ELSE, Manifest, Row
from sonoscope.errors import UsageError
from sonoscope.values import Event
from sonoscope.windows import Grid, centred_frames, from_milliseconds

#: The column that says which window of its row a window is.
NUMBER = "window"
#: Pitches of :func:`pitch_rows`, as MIDI numbers: the piano, C0 to B7, all.
PITCHES = {88: range(21, 109), 96: range(12, 108), 128: range(128)}
PITCH_CLASSES = 12


@dataclass(frozen=True)
class Windowing:
    """How recordings are cut, and when a window has a label.

    Attributes
    ----------
    window_s, hop_s : float
        Length, and distance between starts, ``0 < hop_s <= window_s``; in samples to the nearest.
    sample_rate : int
        The model's, in which windows begin and end.
    min_overlap_s, min_share : float
        What an event must last within a window: seconds, and a part of the window (0 to 1).
    short : {"absent", "unknown"}
        What a label is that sounds for less than that.
    weak : {"inherit", "unknown"}
        What labels without times are in a window shorter than their clip.
    tail : {"keep", "drop", "back"}
        The last window, if the recording ends within it: cut at the end (it is filled with zeros when it is heard),
        left out, or moved back so that it ends with the recording.

    Raises
    ------
    UsageError
        If a value is out of range.
    """

    window_s: float = 3.0
    hop_s: float = 3.0
    sample_rate: int = 22_050
    min_overlap_s: float = 0.0
    min_share: float = 0.0
    short: str = "absent"
    weak: str = "inherit"
    tail: str = "keep"

    def __post_init__(self) -> None:
        if self.sample_rate < 1:
            raise UsageError(f"sample_rate={self.sample_rate} must be at least 1 Hz")
        if not 0 < self.hop_s <= self.window_s or round(self.hop_s * self.sample_rate) < 1:
            raise UsageError(f"hop_s={self.hop_s} must lie in (0, window_s={self.window_s}]")
        if not 0 <= self.min_overlap_s <= self.window_s:
            raise UsageError(f"min_overlap_s={self.min_overlap_s} must lie in [0, window_s={self.window_s}]")
        if not 0 <= self.min_share <= 1:
            raise UsageError(f"min_share={self.min_share} must lie in [0, 1]")
        for name, choices in (
            ("short", ("absent", "unknown")),
            ("weak", ("inherit", "unknown")),
            ("tail", ("keep", "drop", "back")),
        ):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name}={getattr(self, name)!r} must be one of {', '.join(choices)}")

    @property
    def grid(self) -> Grid:
        """The same in samples."""
        return Grid(round(self.window_s * self.sample_rate), round(self.hop_s * self.sample_rate))

    @property
    def least_samples(self) -> int:
        """What a label must last within a window, in samples, at least 1."""
        seconds = max(self.min_overlap_s, self.min_share * self.window_s)
        return max(round(seconds * self.sample_rate), 1)

    def frames(self, hop_ms: float = 10.0) -> int:
        """Centred frames of a window: 301 for 3.0 s at 10 ms."""
        return centred_frames(self.grid.window, from_milliseconds(hop_ms, self.sample_rate))

    def bounds(self, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
        """First sample of each window and first sample after it, within the recording; int64, shape (count,)."""
        starts, ends = self.grid.starts(n_samples), self.grid.ends(n_samples)
        if not starts.size or ends[-1] - starts[-1] == self.grid.window or self.tail == "keep":
            return starts, ends
        if self.tail == "drop":
            return starts[:-1], ends[:-1]
        starts[-1] = max(n_samples - self.grid.window, 0)
        return starts, ends


def windows(
    row: Row, rule: Windowing, *, duration_s: float | None = None, events: Iterable[Event] | None = None
) -> Iterator[Row]:
    """The windows of a row, as rows with labels; everything else is the row's.

    Parameters
    ----------
    row : Row
    rule : Windowing
    duration_s : float, optional
        The row's seconds, if it does not say.
    events : iterable of Event, optional
        Strong annotations, in seconds from the start of the *file*; all the labels that they could have held are
        judged, so what is not among them in a window is absent. None: the row's labels are weak.

    Raises
    ------
    UsageError
        If nobody says how long the row is.
    """
    lasting = row.duration_s if duration_s is None else duration_s
    if lasting is None:
        raise UsageError(
            f"{row.path} has no duration, so its windows cannot be counted: `sonoscope data manifest` counts durations"
        )
    starts, ends = rule.bounds(round(lasting * rule.sample_rate))
    sounding = None if events is None else _spans(events, row.start_s, rule.sample_rate)
    for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        window = replace(
            row,
            start_s=round(row.start_s + start / rule.sample_rate, 6),
            duration_s=round((end - start) / rule.sample_rate, 6),
            extra={**row.extra, NUMBER: str(number)},
        )
        if sounding is not None:
            yield _judged(window, rule, sounding, start, end)
        elif rule.weak == "unknown" and starts.size > 1:
            unknown = tuple(dict.fromkeys((*row.unknown, *row.labels)))
            yield replace(window, labels=(), unknown=unknown)
        else:
            yield window


def manifest_of_windows(manifest: Manifest, rule: Windowing, *, strong: bool = True) -> Manifest:
    """A manifest with a row for each window of each row, in order.

    Parameters
    ----------
    strong : bool
        Take times from the files in the column ``annotation``; rows without one, or all with False, are weak.

    Raises
    ------
    BadManifest
        If an annotation cannot be read.
    UnreadableAudio
        If a length must be counted and cannot be.
    """
    found: list[Row] = []
    read: dict[str, tuple[Event, ...]] = {}
    for row, lasting in zip(manifest.rows, lengths.seconds(manifest), strict=True):
        events = None
        if strong and row.annotation:
            key = f"{row.annotation}\n{row.path}\n{row.labels}"
            if key not in read:
                read = {key: annotation.of(manifest, row)}  # windows of one file follow each other
            events = read[key]
        found.extend(windows(row, rule, duration_s=lasting, events=events))
    return replace(manifest, rows=tuple(found))


def _spans(events: Iterable[Event], origin_s: float, sample_rate: int) -> dict[str, np.ndarray]:
    """United times of each label in samples from ``origin_s``, shape (spans, 2), by start."""
    spans: dict[str, list[list[int]]] = {}
    for start_s, end_s, label in sorted((e.start_s, e.end_s, e.label) for e in events):
        start, end = round((start_s - origin_s) * sample_rate), round((end_s - origin_s) * sample_rate)
        known = spans.setdefault(label, [])
        if known and start <= known[-1][1]:
            known[-1][1] = max(known[-1][1], end)
        else:
            known.append([start, end])
    return {label: np.array(found, dtype=np.int64) for label, found in spans.items()}


def _judged(window: Row, rule: Windowing, spans: dict[str, np.ndarray], start: int, end: int) -> Row:
    """A window with what sounds in it according to the spans of its row."""
    # A window that the end of the recording cuts must not need more than it has.
    least = min(rule.least_samples, max(round(rule.least_samples * (end - start) / rule.grid.window), 1))
    lasting = {
        label: int(np.maximum(np.minimum(found[:, 1], end) - np.maximum(found[:, 0], start), 0).sum())
        for label, found in spans.items()
    }
    labels = tuple(label for label, samples in lasting.items() if samples >= least)
    short = tuple(label for label, samples in lasting.items() if 0 < samples < least)
    absent = tuple(label for label, samples in lasting.items() if not samples or (label in short))
    if rule.short == "unknown":
        absent = tuple(label for label in absent if label not in short)
    else:
        short = ()
    # What the row says of labels that nobody annotated with times stays as it is.
    others = tuple(label for label in window.unknown if label not in spans)
    silent = tuple(label for label in (*window.labels, *window.absent) if label not in spans)
    is_partial = EVERYTHING_ELSE in window.unknown
    said = (*absent, *silent) if is_partial or window.absent else ()
    return replace(window, labels=labels, absent=tuple(dict.fromkeys(said)), unknown=(*others, *short))


# ---- frames ------------------------------------------------------------------------------------------------


def pitch_rows(pitches: int) -> Sequence[int]:
    """The MIDI numbers of a roll of 88, 96 or 128 rows (12: pitch classes, C first).

    Raises
    ------
    UsageError
        For another number.
    """
    if pitches == PITCH_CLASSES:
        return range(PITCH_CLASSES)
    if pitches not in PITCHES:
        raise UsageError(f"pitches={pitches} must be 12 (pitch classes), 88 (A0 to C8), 96 (C0 to B7) or 128")
    return PITCHES[pitches]


def frame_labels(
    events: Iterable[Event],
    n_frames: int,
    *,
    hop_samples: int,
    window_samples: int,
    sample_rate: int,
    pitches: int | None = None,
    labels: Sequence[str] = (),
    rule: str = "intersects",
    start_s: float = 0.0,
) -> np.ndarray:
    """What is present in each frame.

    Parameters
    ----------
    events : iterable of Event
        Seconds from the start of the recording.
    n_frames : int
        ``windows.centred_frames`` of the part that is wanted.
    hop_samples, window_samples, sample_rate : int
        Of the spectrogram; frame ``k`` covers ``[k * hop - window / 2, k * hop + window / 2)``.
    pitches : {12, 88, 96, 128}, optional
        A row for each pitch (12: modulo the octave); fractional pitches are rounded, those out of range left out.
    labels : sequence of str
        Without ``pitches``: a row for each of these; others are left out.
    rule : {"intersects", "centre"}
    start_s : float
        Where in the recording frame 0 is.

    Returns
    -------
    np.ndarray, shape (pitches or labels, n_frames), uint8
        1 where present.

    Raises
    ------
    UsageError
        If the rule is unknown, or neither or both of ``pitches`` and ``labels`` are given.
    """
    if rule not in ("intersects", "centre"):
        raise UsageError(f"rule={rule!r} must be intersects or centre")
    if (pitches is None) == (not labels):
        raise UsageError("give pitches, or labels: one of the two")
    place: dict[object, int] = {
        key: number for number, key in enumerate(labels if pitches is None else pitch_rows(pitches))
    }
    present = np.zeros((len(place), n_frames), dtype=np.uint8)
    for event in events:
        row = place.get(event.label if pitches is None else _pitch(event, pitches))
        if row is None:
            continue
        # In half samples, so that the middle of an odd window is exact.
        on = 2 * round((event.start_s - start_s) * sample_rate)
        off = 2 * round((event.end_s - start_s) * sample_rate)
        reach = window_samples if rule == "intersects" else 0
        first, after = _frames(on, off, reach, 2 * hop_samples)
        present[row, max(first, 0) : max(after, 0)] = 1
    return present


def _pitch(event: Event, pitches: int) -> int | None:
    if event.pitch is None:
        return None
    nearest = round(event.pitch)
    return nearest % PITCH_CLASSES if pitches == PITCH_CLASSES else nearest


def _frames(on: int, off: int, reach: int, hop: int) -> tuple[int, int]:
    """The frames ``first <= k < after`` that have a note ``[on, off)``; all in half samples.

    With a window ``[k hop - reach, k hop + reach)`` the two intersect if ``k hop + reach > on`` and ``k hop - reach <
    off``; a centre (reach 0) lies in the note if ``on <= k hop < off``.
    """
    if off <= on:
        return 0, 0
    first = (on - reach) // hop + 1 if reach else -(-on // hop)
    return first, -(-(off + reach) // hop)
