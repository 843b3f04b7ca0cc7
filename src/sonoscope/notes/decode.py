"""Note scores become notes: hysteresis, peaks, repeated notes, gaps, shortest lengths; block by block, in linear time.

:class:`Decoder` takes frames as they come and gives each note once it has ended; :func:`decode` is the same for scores
that are at hand. Whatever the blocks, the notes are the same to the last digit: what is compared is whole numbers, and
nothing is decided before all frames that matter are known (``InFrames.ahead``).

Notes are :class:`sonoscope.values.Event` values with ``pitch`` and ``velocity``; the flag ``soft`` says that no onset
was heard. Two notes of a pitch never overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.notes.pieces import NEVER, Company, OnsetFinder, pieces
from sonoscope.notes.rules import InFrames, NoteRules
from sonoscope.notes.scores import STEPS, NoteScores, in_steps
from sonoscope.values import SCORE_DECIMALS, Event

#: Frames that :func:`decode` looks at together: a tenth of a second's work, and a few MB.
BLOCK = 8192

#: An onset counts as the partial of one that reaches this share of its probability.
PARTIAL_SHARE = (4, 5)

SOFT = "soft"
SOFT_VELOCITY = 64


def decode(
    scores: NoteScores | Iterable[NoteScores],
    rules: NoteRules = NoteRules(),
    *,
    label: str = "note",
    duration_s: float | None = None,
) -> list[Event]:
    """The notes in scores, or in blocks of scores that follow each other, sorted by (start, end, pitch).

    Parameters
    ----------
    label : str
        The label of every note.
    duration_s : float, optional
        Length of the recording: no note ends after it, and none begins there.
    """
    parts = (scores,) if isinstance(scores, NoteScores) else scores
    found: list[Event] = []
    decoder: Decoder | None = None
    for part in parts:
        decoder = decoder or Decoder(part, rules, label=label, duration_s=duration_s)
        for block in part.blocks(BLOCK):
            found += decoder.push(block)
    if decoder is not None:
        found += decoder.close()
    return in_order(balanced(found, rules.median_velocity))


def balanced(notes: list[Event], median: int | None) -> list[Event]:
    """Notes whose velocities are moved together until the median of those that were struck is ``median``, 1..127.

    Of an even number the lower of the two in the middle counts. Soft notes stay as they are, and so do all for None.
    """
    struck = sorted(note.velocity or 0 for note in notes if note.flags != SOFT)
    if median is None or not struck:
        return notes
    shift = median - struck[(len(struck) - 1) // 2]
    return [
        note if note.flags == SOFT else replace(note, velocity=_velocity((note.velocity or 0) + shift))
        for note in notes
    ]


def in_order(notes: Iterable[Event]) -> list[Event]:
    """Notes sorted by (start, end, pitch)."""
    return sorted(notes, key=lambda note: (note.start_s, note.end_s, note.pitch or 0.0, note.label))


@dataclass(slots=True)
class Sounding:
    """A note that has begun, or a stretch of sustain that may become a soft one.

    ``frame`` is its first and ``last`` the last in which it sounded, ``fall`` how much later that ended; ``least`` is
    how many frames it has to last to be a note, and ``told`` the frame at which it was certain to be one (-1: not
    yet). ``score``, ``velocity`` (-1: unknown) and ``total``, the sustain in ``active`` frames, are steps of
    probability.
    """

    column: int
    frame: int
    start_s: float
    soft: bool
    score: int
    velocity: int
    last: int
    fall: float
    least: int
    high: int = NEVER
    total: int = 0
    active: int = 0
    told: int = -1
    announced: bool = False


class Decoder:
    """Decodes frames as they come.

    Parameters
    ----------
    like : NoteScores
        Says hop, first time and pitches; its frames are not looked at.
    ended : function, optional
        Called with (note, end_s, frame at which the end was certain) for every note that ends: what
        :class:`sonoscope.notes.live.Live` listens to.
    """

    def __init__(
        self,
        like: NoteScores,
        rules: NoteRules = NoteRules(),
        *,
        label: str = "note",
        duration_s: float | None = None,
        ended: Callable[[Sounding, float, int], None] | None = None,
    ) -> None:
        self.rules, self.frames = rules, InFrames(rules, like.hop_s)
        self.hop_s, self.first_s = like.hop_s, like.first_s
        self._label, self._duration_s, self._ended = label, duration_s, ended
        low = min(max(rules.lowest - like.lowest, 0), like.n_pitches)
        high = min(max(rules.highest + 1 - like.lowest, low), like.n_pitches)
        self._columns, self._lowest, self._n_pitches = slice(low, high), like.lowest + low, like.n_pitches
        self._before = self.frames.ahead
        self._tail = [np.zeros((high - low, self._before), np.int16) for _ in range(3)]
        self._latest = np.zeros(high - low, np.int16)
        self._onsets, self._company = OnsetFinder(high - low, self.frames), Company(self.frames)
        self._decided = 0
        self._sounding: dict[int, Sounding] = {}
        self._free_s: dict[int, float] = {}
        self._free_mono_s = 0.0
        self._found: list[Event] = []

    @property
    def decided(self) -> int:
        """How many frames have been decided about."""
        return self._decided

    @property
    def certain(self) -> list[Sounding]:
        """The notes that sound now and are sure to be notes."""
        return [note for note in self._sounding.values() if note.told >= 0]

    def push(self, block: NoteScores) -> list[Event]:
        """Take the frames that follow; returns the notes that have ended, not yet in order.

        Raises
        ------
        UsageError
            If the block has other pitches or another hop than those before.
        """
        if (block.n_pitches, block.hop_s) != (self._n_pitches, self.hop_s):
            raise UsageError(
                f"a block of {block.n_pitches} pitches every {block.hop_s} s follows blocks of "
                f"{self._n_pitches} every {self.hop_s} s; scores of one recording have one form"
            )
        onset, sustain = (table[:, self._columns] for table in (block.onset, block.sustain))
        velocity = onset if block.velocity is None else block.velocity[:, self._columns]
        tables = [
            in_steps(table.T, STEPS).astype(np.int16, order="C") for table in (onset, sustain, velocity)
        ]
        if self.rules.partial:
            tables[0] = self._without_partials(tables[0])
        self._take(tables, block.velocity is not None)
        return self._handed_out()

    def close(self) -> list[Event]:
        """The recording ends: the notes that sound end with it."""
        silence = np.zeros((self._tail[0].shape[0], self.frames.ahead), np.int16)
        self._take([silence] * 3, True)
        for note in list(self._sounding.values()):
            self._end(note, note.last + note.fall, self._decided)
        return self._handed_out()

    def _without_partials(self, onset: np.ndarray) -> np.ndarray:
        """Onsets (pitches, frames) without those that are a partial of one in the same frame or the one before."""
        most, kept = self.rules.partial, onset.copy()
        earlier = np.concatenate([self._latest[:, None], onset[:, :-1]], axis=1)
        below = np.maximum(onset, earlier).astype(np.int32)
        share, whole = PARTIAL_SHARE
        for away in range(self.rules.partial_low or most, most + 1):
            kept[away:][whole * below[:-away] >= share * onset[away:].astype(np.int32)] = 0
        if onset.shape[1]:
            self._latest = onset[:, -1].copy()
        return kept

    def _handed_out(self) -> list[Event]:
        found, self._found = self._found, []
        return found

    def _take(self, tables: list[np.ndarray], struck: bool) -> None:
        if self.rules.mono:
            tables = [_likeliest(tables[0]), _likeliest(tables[1]), tables[2]]
        held = [np.concatenate(pair, axis=1) for pair in zip(self._tail, tables, strict=True)]
        count = held[0].shape[1] - self._before - self.frames.ahead
        if count > 0 and held[0].shape[0]:
            self._decide(held, count, struck)
            self._decided += count
            self._tail = [table[:, count:].copy() for table in held]
        else:
            self._tail = held

    def _decide(self, held: list[np.ndarray], count: int, struck: bool) -> None:
        """Go through the moments of ``count`` frames in order of time."""
        onset, sustain, velocity = held
        begin = self._onsets.find(onset, velocity if struck else None, self._before, count)
        sound = pieces(sustain, self._before, count, self.frames, begin, alone=self.rules.mono)
        base = self._decided
        moments: list[tuple] = list(
            zip(
                (begin.frame + base).tolist(), [0] * len(begin.frame), begin.column.tolist(),
                begin.shift.tolist(), begin.score.tolist(), begin.velocity.tolist(),
                self._company.shortest(begin, base).tolist(), strict=True,
            )
        )  # fmt: skip
        high = np.where(sound.high == NEVER, NEVER, sound.high + base)
        moments += zip(
            (sound.first + base).tolist(), [1] * len(sound.first), sound.column.tolist(),
            (sound.last + base).tolist(), sound.rise.tolist(), sound.fall.tolist(), high.tolist(),
            sound.total.tolist(), strict=True,
        )  # fmt: skip
        moments.sort(key=itemgetter(0, 1, 2))
        for moment in moments:
            if moment[1]:
                self._piece(moment[2], moment[0], *moment[3:])
            else:
                self._onset(moment[2], moment[0], *moment[3:])
        self._end_before(base + count)

    def _onset(self, column: int, frame: int, shift: float, score: int, velocity: int, least: int) -> None:
        """A note begins; one of its pitch that sounds ends there (in mono, every one)."""
        start_s = self._time(frame + shift) + self.rules.onset_shift_s
        self._stop(column, frame, start_s)
        note = Sounding(column, frame, start_s, False, score, velocity, frame, 0.0, least)
        self._sounding[column] = note

    def _piece(
        self, column: int, first: int, last: int, rise: float, fall: float, high: int, total: int
    ) -> None:
        """A pitch sounds from ``first`` to ``last``: its note goes on, or a soft one may have begun."""
        note = self._sounding.get(column)
        if note is not None and first > note.last + self.frames.gap + 1:
            self._end(note, note.last + note.fall, note.last + self.frames.gap + 1)
            note = None
        if note is None:
            if self.frames.soft is None:
                return
            start_s = self._time(first - rise) + self.rules.onset_shift_s
            note = Sounding(column, first, start_s, True, 0, -1, first, 0.0, self.frames.soft)
            self._sounding[column] = note
        note.last, note.fall = last, fall
        note.high = min(note.high, high)
        note.total += total
        note.active += last - first + 1
        if note.told < 0:
            self._tell(note, first, last)

    def _tell(self, note: Sounding, first: int, last: int) -> None:
        """See whether it became certain between ``first`` and ``last`` that this is a note."""
        reached = max(first, note.frame + note.least, note.high if note.soft else 0)
        others = self.certain if self.rules.mono else []
        over = self.frames.gap + 1
        for other in others:
            reached = max(reached, other.last + over + 1)
        if reached > last:
            return
        for other in others:
            self._end(other, other.last + other.fall, other.last + over)
        free_s = self._free_mono_s if self.rules.mono else self._free_s.get(note.column, 0.0)
        note.told, note.start_s = reached, round(max(note.start_s, free_s), 6)

    def _stop(self, column: int, frame: int, start_s: float) -> None:
        """End what sounds when a note begins at ``frame``: in its own pitch, or in all."""
        ending = list(self._sounding.values()) if self.rules.mono else [self._sounding.get(column)]
        for note in ending:
            if note is None:
                continue
            if frame > note.last + self.frames.gap + 1:
                self._end(note, note.last + note.fall, note.last + self.frames.gap + 1)
            else:
                self._end(note, min(note.last + note.fall, float(frame)), frame, start_s)

    def _end_before(self, frame: int) -> None:
        """End the notes whose gap has become too long before ``frame``."""
        reach = self.frames.gap + 1
        for note in [n for n in self._sounding.values() if n.last + reach < frame]:
            self._end(note, note.last + note.fall, note.last + reach)

    def _end(self, note: Sounding, end: float, frame: int, latest_s: float | None = None) -> None:
        """A note is over, at ``end`` frames and no later than ``latest_s``; ``frame`` is when that was certain."""
        del self._sounding[note.column]
        if note.told < 0:
            return
        end_s = self._time(end) + self.rules.end_shift_s
        if latest_s is not None:
            end_s = min(end_s, latest_s)
        if self._duration_s is not None:
            end_s = min(end_s, self._duration_s)
        end_s = round(end_s, 6)
        if self._ended is not None:
            self._ended(note, max(end_s, note.start_s), frame)
        if end_s > note.start_s:
            self._free_s[note.column] = self._free_mono_s = end_s
            self._found.append(self._event(note, end_s))

    def _event(self, note: Sounding, end_s: float) -> Event:
        return Event(
            note.start_s,
            end_s,
            self._label,
            score=self.score(note),
            pitch=float(self.pitch(note)),
            velocity=self.velocity(note),
            flags=SOFT if note.soft else "",
        )

    def pitch(self, note: Sounding) -> int:
        """Its MIDI number."""
        return self._lowest + note.column

    def score(self, note: Sounding) -> float:
        """The peak of its onset; of a soft note, the mean of its sustain so far."""
        steps = note.total / max(note.active, 1) if note.soft else note.score
        return round(steps / STEPS, SCORE_DECIMALS)

    def velocity(self, note: Sounding) -> int:
        """1..127: what the network says at the onset, or else the score; a soft note is not struck and has 64."""
        if note.soft:
            return SOFT_VELOCITY
        share = note.velocity / STEPS if note.velocity >= 0 else self.score(note)
        return _velocity(round(127 * share))

    def _time(self, frame: float) -> float:
        return self.first_s + frame * self.hop_s


def _velocity(value: int) -> int:
    return min(max(value, 1), 127)


def _likeliest(table: np.ndarray) -> np.ndarray:
    """Only the highest pitch of each frame (the lowest of equals), the others zero."""
    kept = np.zeros_like(table)
    if table.size:
        best = table.argmax(axis=0)[None]
        np.put_along_axis(kept, best, np.take_along_axis(table, best, axis=0), axis=0)
    return kept
