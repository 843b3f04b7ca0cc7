"""Standard MIDI files of type 1, ``.mid``: a track with the tempo, then one for each label.

A track has the label's name and General MIDI program (drums: channel 10). Notes have their velocity, or 127 times their
score where they have none, or 64. Times are ticks of 1/960 beat, rounded from seconds at the tempo that the file
states, each by itself, so that errors never add up; a note lasts a tick at least, and where two of a pitch and label
overlap, the first ends where the second begins.

Events without a pitch are no notes. They become markers in their label's track: the label where they begin, and the
label followed by ``ends``. Pitches are rounded to semitones.
"""

from __future__ import annotations

import math
import struct
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.labels import INSTRUMENTS
from sonoscope.outputs.format import (
    Format,
    Found,
    ReadOptions,
    UnreadableTable,
    WriteOptions,
    gather,
    recording_name,
)
from sonoscope.outputs.rows import text
from sonoscope.values import Event, FileResult, Label

if TYPE_CHECKING:
    import mido

TICKS_PER_BEAT = 960
#: Beats a minute that a file can state, within reason.
SLOWEST, FASTEST = 4.0, 1000.0
DRUMS = 9
_ENDS = " ends"
#: Of what :class:`_Moments` holds: not a note, but a mark where an event begins or ends.
_BEGINS, _STOPS = -1, -2
#: No ticks since the message before; the end of a track.
_NOW, _END = b"\x00", b"\x00\xff\x2f\x00"
_GENERAL = {label.id: label for label in INSTRUMENTS}


def write(results: Iterable[FileResult], file: IO[bytes], options: WriteOptions) -> None:
    """One file; raises ``UsageError`` for a tempo that no file can state."""
    for result in results:
        for chunk in _chunks(result.in_order(), result.labels, options.tempo):
            file.write(chunk)


def _chunks(events: Iterable[Event], labels: Iterable[Label], tempo: float) -> Iterator[bytes]:
    """The header and the tracks. Of a note no more than its numbers is held: messages of mido's would be 2 KB each."""
    import mido  # 50 ms, which who writes no MIDI need not wait for

    if not SLOWEST <= tempo <= FASTEST:
        raise UsageError(f"tempo {tempo:g} must lie in {SLOWEST:g}..{FASTEST:g} beats a minute")
    beat_us = round(60e6 / tempo)
    ticks_per_s = TICKS_PER_BEAT * 1e6 / beat_us  # of the tempo as it is stated, in whole microseconds
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.label, []).append(event)
    known = _GENERAL | {label.id: label for label in labels}
    yield _chunk(b"MThd", struct.pack(">hhh", 1, 1 + len(groups), TICKS_PER_BEAT))
    first = (mido.MetaMessage("set_tempo", tempo=beat_us), mido.MetaMessage("time_signature"))
    yield _chunk(b"MTrk", b"".join(_NOW + _bytes(message) for message in first) + _END)
    for number, (name, group) in enumerate(sorted(groups.items())):
        track = _track(name, group, known.get(name, Label(name)), number, ticks_per_s)
        yield _chunk(b"MTrk", track)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">L", len(content)) + content


def _bytes(message: mido.Message | mido.MetaMessage) -> bytes:
    """A message as it stands in a file, text in UTF-8."""
    from mido.midifiles import meta

    with meta.meta_charset("utf-8"):
        return bytes(message.bytes())


def _delta(ticks: int) -> bytes:
    """Ticks since the message before, seven bits a byte."""
    found = [ticks & 0x7F]
    while ticks := ticks >> 7:
        found.append(0x80 | ticks & 0x7F)
    return bytes(reversed(found))


def _track(name: str, events: list[Event], label: Label, number: int, ticks_per_s: float) -> bytes:
    import mido

    general = _GENERAL.get(name, label)
    drums = "drums" in (label.id, label.group)
    channel = DRUMS if drums else (number % 15) + (number % 15 >= DRUMS)
    program = label.gm_program if label.gm_program is not None else general.gm_program
    shown = text(name)
    out = bytearray(_NOW + _bytes(mido.MetaMessage("track_name", name=shown)))
    if not drums:
        out += _NOW + _bytes(mido.Message("program_change", channel=channel, program=program or 0))
    begins, ends = (_bytes(mido.MetaMessage("marker", text=shown + more)) for more in ("", _ENDS))
    moments = _Moments()
    for event in events:
        if event.pitch is None:
            first, last = (round(seconds * ticks_per_s) for seconds in (event.start_s, event.end_s))
            moments.add(first, 2, _BEGINS)
            moments.add(last, 0 if last > first else 3, _STOPS)
    for first, last, key, velocity, place in _notes(events, ticks_per_s):
        moments.add(first, 2, key << 8 | velocity, place)
        moments.add(last, 1, key << 8, place)
    now, status = 0, -1
    for tick, what in moments.in_order():
        out += _delta(tick - now)
        now = tick
        if what < 0:
            out += begins if what == _BEGINS else ends
            status = -1
            continue
        wanted = (0x90 if what & 0xFF else 0x80) | channel
        out += (
            bytes((what >> 8, what & 0xFF)) if wanted == status else bytes((wanted, what >> 8, what & 0xFF))
        )
        status = wanted
    return bytes(out) + _END


class _Moments:
    """What happens in a track, in numbers: tick, rank among what happens in it, what, and the place of its key."""

    def __init__(self) -> None:
        self._tables = array("q"), array("b"), array("i"), array("h")

    def add(self, tick: int, rank: int, what: int, place: int = -1) -> None:
        """``what`` is key and velocity, or one of the marks."""
        for table, value in zip(self._tables, (tick, rank, what, place), strict=True):
            table.append(value)

    def in_order(self) -> Iterator[tuple[int, int]]:
        """Tick and what, in order of time."""
        tick, rank, _, place = (np.asarray(table) for table in self._tables)
        for k in np.lexsort((place, rank, tick)).tolist():
            yield self._tables[0][k], self._tables[2][k]


def _notes(events: list[Event], ticks_per_s: float) -> Iterator[tuple[int, int, int, int, int]]:
    """First tick, last tick, key and velocity of each note, and which of the keys came first; none overlaps another
    of its key."""
    of_key: dict[int, list[int]] = {}
    places: dict[int, int] = {}
    for event in sorted(events):
        if event.pitch is None:
            continue
        key = min(max(round(event.pitch), 0), 127)
        first, last = (round(seconds * ticks_per_s) for seconds in (event.start_s, event.end_s))
        before = of_key.pop(key, None)
        if before and before[1] > first:
            before[1] = first
        if before and before[1] <= before[0]:  # both begin in one tick: the longer one is left
            last = max(last, before[2])
        elif before:
            yield before[0], before[1], key, before[3], places[key]
        places.setdefault(key, len(places))
        of_key[key] = [first, max(last, first + 1), last, _velocity(event)]
    for key, (first, last, _, velocity) in of_key.items():
        yield first, last, key, velocity, places[key]


def _velocity(event: Event) -> int:
    if event.velocity is not None:
        return min(max(event.velocity, 1), 127)
    return 64 if math.isnan(event.score) else min(max(round(127 * event.score), 1), 127)


# ---- reading -----------------------------------------------------------------------------------------------


@dataclass
class _State:
    """Where a track is: what it is called, and what sounds in it."""

    name: str
    notes: dict[tuple[int, int], deque[tuple[int, int]]]
    marks: deque[int]
    tick: int = 0


def read(file: IO[bytes], options: ReadOptions) -> list[FileResult]:
    """Notes of every track, types 0 and 1, with the track's name as label (``note`` where it has none), and markers as
    they are written here. The sustain pedal is not counted in; a note that is never released ends with the file."""
    import mido

    try:
        midi = mido.MidiFile(file=file, charset="utf-8")
        events = list(_events(midi))
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UnreadableTable(
            f"{options.name}: not a MIDI file ({type(error).__name__}: {error}). Name its format with --from."
        ) from None
    name = recording_name(options.name, (FORMAT.suffix, *FORMAT.extensions))
    return gather([Found(name, None), *(Found(name, event) for event in events)])


def _events(midi: mido.MidiFile) -> Iterator[Event]:
    seconds = _clock(midi)
    end = max((sum(message.time for message in track) for track in midi.tracks), default=0)
    for track in midi.tracks:
        state = _State("note", {}, deque())
        for message in track:
            state.tick += message.time
            yield from _moment(state, message, seconds)
        for (_, key), waiting in state.notes.items():
            for first, velocity in waiting:
                yield _note(state.name, seconds(first), seconds(end), key, velocity)


def _moment(state: _State, message: Any, seconds: Any) -> Iterator[Event]:
    if message.type == "track_name":
        state.name = message.name or "note"
    elif message.type == "marker" and message.text == state.name:
        state.marks.append(state.tick)
    elif message.type == "marker" and message.text == state.name + _ENDS and state.marks:
        yield Event(seconds(state.marks.popleft()), seconds(state.tick), state.name, math.nan)
    elif message.type in ("note_on", "note_off"):
        waiting = state.notes.setdefault((message.channel, message.note), deque())
        if message.type == "note_on" and message.velocity:
            waiting.append((state.tick, message.velocity))
        elif waiting:
            first, velocity = waiting.popleft()
            yield _note(state.name, seconds(first), seconds(state.tick), message.note, velocity)


def _note(label: str, start_s: float, end_s: float, key: int, velocity: int) -> Event:
    return Event(start_s, end_s, label, math.nan, pitch=float(key), velocity=velocity)


def _clock(midi: mido.MidiFile) -> Any:
    """A function from ticks to seconds, which follows every change of tempo in the file."""
    changes = [(0, 0.0, 500_000)]
    stated = []
    for track in midi.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                stated.append((tick, message.tempo))
    scale = 1e-6 / midi.ticks_per_beat
    for tick, beat_us in sorted(stated, key=lambda change: change[0]):
        at, seconds, before = changes[-1]
        changes.append((tick, seconds + (tick - at) * before * scale, beat_us))

    ticks = [at for at, *_ in changes]

    def of(tick: int) -> float:
        at, seconds, beat_us = changes[bisect_right(ticks, tick) - 1]
        return round(seconds + (tick - at) * beat_us * scale, 6)

    return of


FORMAT = Format("midi", ".mid", write, read, binary=True, many=False, extensions=(".midi",), takes=("tempo",))
