"""Random but musical scores, without sound.

``compose(instrument, rng, duration_s)`` draws a key, a scale, a tempo, a metre, a harmony and a texture that
suits the instrument, writes the notes, and adds what a player does with them: timing that is not quite exact,
dynamics, legato, vibrato, swells, a sustain pedal, a tuning a little off. The same generator state gives the
same score.

Times are seconds from the start of the piece. A note's ``offset_s`` is where its key is released;
:func:`sounding` gives where the sound ends, which with the pedal down is later.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from sonoscope.data.rendering import orchestra
from sonoscope.data.rendering.drumming import DRUMMING
from sonoscope.data.rendering.orchestra import Instrument, Program
from sonoscope.data.rendering.style import SCALES, Draft, Style
from sonoscope.data.rendering.textures import PITCHED

#: Kinds of :class:`Control`: ``bend`` in cents, the others 0..127 (CC64, CC1 and CC11 of MIDI).
CONTROLS = ("bend", "pedal", "vibrato", "expression")

#: What the players of one piece have in common: fields of :class:`Style`.
_SHARED = ("tempo", "beats_per_bar", "bars", "root", "scale", "harmony")

#: A note shorter than this is not heard as one.
SHORTEST_S = 0.03
#: Silence kept between two notes of one pitch, so that the second has an attack of its own.
REPEAT_GAP_S = 0.012


@dataclass(frozen=True, order=True)
class NoteEvent:
    """A key held from ``onset_s`` to ``offset_s``; ``pitch`` is a MIDI number, ``velocity`` 1..127."""

    onset_s: float
    offset_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True, order=True)
class Control:
    """From ``time_s`` on, the controller ``kind`` (one of :data:`CONTROLS`) has this value."""

    time_s: float
    kind: str
    value: float


@dataclass(frozen=True)
class Score:
    """What one instrument plays.

    ``notes`` are in order of onset, ``controls`` of time; no two notes of one pitch overlap; no note lies
    outside ``[0, duration_s]``. Bar ``k`` starts at ``start_s + k * bar_s``.
    """

    notes: tuple[NoteEvent, ...]
    controls: tuple[Control, ...]
    duration_s: float
    style: Style
    start_s: float
    texture: str

    @property
    def bar_s(self) -> float:
        """Length of a bar in seconds."""
        return self.style.beats_per_bar * self.style.beat_s


def compose(
    instrument: Instrument,
    rng: np.random.Generator,
    duration_s: float,
    *,
    program: Program | None = None,
    texture: str | None = None,
    tempo: float | None = None,
    along: Score | None = None,
) -> Score:
    """Write a piece.

    Parameters
    ----------
    instrument : Instrument
    rng : np.random.Generator
        The only source of chance.
    duration_s : float
        Length of the piece, at least 1 s.
    program : Program, optional
        Whose range is used; by default the instrument's first.
    texture, tempo : optional
        Fixed instead of drawn; ``tempo`` in beats per minute, 20 to 300.
    along : Score, optional
        Of a piece for several: this one takes its tempo, metre, key, harmony and start.

    Raises
    ------
    ValueError
        For a duration under one second, a tempo out of range, or a texture that is none of this instrument's
        family.
    """
    if not duration_s >= 1.0:
        raise ValueError(f"duration_s={duration_s} must be at least 1 second; ask for a longer piece")
    if tempo is not None and not 20 <= tempo <= 300:
        raise ValueError(f"tempo={tempo} must lie in 20..300 beats per minute")
    weights = orchestra.TEXTURES[instrument.family]
    if texture is None:
        shares = np.array(list(weights.values()), dtype=float)
        texture = str(rng.choice(list(weights), p=shares / shares.sum()))
    elif texture not in weights:
        raise ValueError(f"texture={texture!r} is not one of {instrument.name}'s: {', '.join(weights)}")
    style = _style(program or instrument.programs[0], rng, duration_s, tempo)
    if along is not None:
        shared = {name: getattr(along.style, name) for name in _SHARED}
        style = replace(style, **shared)
    drafts = (DRUMMING if instrument.is_kit else PITCHED)[texture](style, rng)
    start_s = float(rng.uniform(0.0, 0.25))
    if along is not None:
        start_s = along.start_s
    notes = _perform(drafts, style, rng, start_s, duration_s, drums=instrument.is_kit)
    score = Score(notes, (), duration_s, style, start_s, texture)
    return score if instrument.is_kit else replace(score, controls=_controls(instrument, rng, score))


def _style(program: Program, rng: np.random.Generator, duration_s: float, tempo: float | None) -> Style:
    """Draw what is fixed for a piece: most pieces use an octave or two of the range, some all of it."""
    scale = SCALES[str(rng.choice(list(SCALES)))]
    tempo = float(rng.uniform(60, 180)) if tempo is None else tempo
    beats_per_bar = int(rng.choice([4, 3, 2, 5], p=[0.65, 0.23, 0.07, 0.05]))
    bars = math.ceil(duration_s * tempo / 60 / beats_per_bar)
    span = program.high - program.low
    width = span if rng.random() < 0.2 else min(span, int(rng.integers(10, 32)))
    low = program.low + round((span - width) * float(rng.beta(1.6, 1.6)))
    walk = rng.choice([0, 3, 4, 5, 1, 2], size=bars, p=[0.3, 0.2, 0.2, 0.15, 0.1, 0.05])
    return Style(
        tempo=tempo,
        beats_per_bar=beats_per_bar,
        bars=bars,
        root=int(rng.integers(12)),
        scale=scale,
        low=low,
        high=low + width,
        harmony=tuple(int(degree) for degree in walk),
        rest=float(rng.choice([0.0, 0.05, 0.12, 0.25])),
        busy=float(rng.uniform(0.2, 0.8)),
    )


def _perform(
    drafts: Iterable[Draft],
    style: Style,
    rng: np.random.Generator,
    start_s: float,
    duration_s: float,
    *,
    drums: bool,
) -> tuple[NoteEvent, ...]:
    """Turn beats into seconds and accents into velocities, the way a player would."""
    legato = float(rng.uniform(0.3, 1.08))
    base = float(rng.uniform(45, 112))
    spread = float(rng.uniform(2, 9))
    jitter_s = float(rng.choice([0.0, 0.004, 0.008, 0.015], p=[0.15, 0.3, 0.35, 0.2]))
    swing = float(rng.uniform(0.0, 0.16)) if rng.random() < 0.25 else 0.0
    arch = float(rng.normal(0, 10))  # a slow rise and fall of loudness over the piece
    notes = []
    for draft in sorted(drafts, key=lambda d: (d.beat, d.delay_s, d.pitch)):
        half = abs(draft.beat % 1.0 - 0.5) < 1e-6
        onset = start_s + (draft.beat + (swing if half else 0.0)) * style.beat_s + draft.delay_s
        onset = max(0.0, float(onset) + float(rng.normal(0.0, jitter_s)))
        held = draft.beats * style.beat_s * (1.0 if draft.held else legato)
        offset = min(onset + max(float(held), SHORTEST_S), duration_s)
        swell = arch * math.sin(math.pi * onset / duration_s)
        velocity = base + draft.accent + swell + float(rng.normal(0, spread))
        if offset - onset >= SHORTEST_S:
            notes.append(NoteEvent(onset, offset, draft.pitch, int(np.clip(round(velocity), 12, 127))))
    return _separate(notes, ring=drums)


def _separate(notes: Iterable[NoteEvent], *, ring: bool) -> tuple[NoteEvent, ...]:
    """Cut a note where the next of its pitch begins; of two that begin (nearly) together, keep the first."""
    kept: list[NoteEvent] = []
    last: dict[int, int] = {}
    for note in sorted(notes):
        before = last.get(note.pitch)
        if before is not None:
            room = note.onset_s - REPEAT_GAP_S - kept[before].onset_s
            if room < SHORTEST_S * (0.5 if ring else 1.0):
                continue
            kept[before] = replace(
                kept[before], offset_s=min(kept[before].offset_s, kept[before].onset_s + room)
            )
        last[note.pitch] = len(kept)
        kept.append(note)
    return tuple(kept)


def _controls(instrument: Instrument, rng: np.random.Generator, score: Score) -> tuple[Control, ...]:
    """A tuning for the piece; vibrato and swells for what sustains; a pedal for what has one."""
    cents = float(np.clip(rng.normal(0, 12), -30, 30))
    controls = [Control(0.0, "bend", cents)]
    if instrument.sustains:
        controls += _vibrato(rng, score.notes) + _swells(rng, score.notes)
    if instrument.pedal and rng.random() < 0.55:
        controls += _pedal(rng, score)
    return tuple(sorted(controls))


def _vibrato(rng: np.random.Generator, notes: tuple[NoteEvent, ...]) -> list[Control]:
    """Vibrato that grows on long notes and is absent on short ones; none in a third of all pieces."""
    if rng.random() < 0.35:
        return []
    depth = float(rng.uniform(15, 90))
    controls = []
    for note in notes:
        length = note.offset_s - note.onset_s
        controls.append(Control(note.onset_s, "vibrato", 0.0))
        if length > 0.35:
            controls.append(Control(note.onset_s + 0.15, "vibrato", depth / 2))
            controls.append(Control(note.onset_s + 0.3, "vibrato", depth))
    return controls


def _swells(rng: np.random.Generator, notes: tuple[NoteEvent, ...]) -> list[Control]:
    """Loudness that moves inside long notes, up, down, or up and down again, in steps of 30 ms or more."""
    if rng.random() < 0.4:
        return []
    controls: list[Control] = []
    busy_until = 0.0
    for note in notes:
        length = note.offset_s - note.onset_s
        if length < 0.5 or note.onset_s < busy_until:
            continue
        low = float(rng.uniform(50, 100))
        shape = str(rng.choice(["up", "down", "arch"]))
        count = int(np.clip(length / 0.03, 4, 24))
        for k in range(count + 1):
            u = k / count
            level = {"up": u, "down": 1.0 - u, "arch": math.sin(math.pi * u)}[shape]
            controls.append(Control(note.onset_s + u * length, "expression", low + (120 - low) * level))
        busy_until = note.offset_s
    return controls


def _pedal(rng: np.random.Generator, score: Score) -> list[Control]:
    """Pedal every bar or half bar: up just after the beat, down again a little later (legato pedalling)."""
    step = score.bar_s * float(rng.choice([0.5, 1.0, 1.0, 2.0]))
    controls, at = [], score.start_s
    while at < score.duration_s - 0.3:
        if rng.random() < 0.85:
            down = at + float(rng.uniform(0.06, 0.15))
            up = min(at + step + float(rng.uniform(0.0, 0.04)), score.duration_s)
            if up - down > 0.1:
                controls += [Control(down, "pedal", 127.0), Control(up, "pedal", 0.0)]
        at += step
    return controls


def sounding(score: Score) -> tuple[NoteEvent, ...]:
    """The notes as they are heard: where the pedal is down at a note's release it sounds until the pedal
    rises, its pitch is struck again, or the piece ends."""
    changes = [(c.time_s, c.value >= 64) for c in score.controls if c.kind == "pedal"]
    if not changes:
        return score.notes
    times = [time for time, _ in changes]
    onsets: dict[int, list[float]] = {}
    for note in score.notes:
        onsets.setdefault(note.pitch, []).append(note.onset_s)
    heard = []
    for note in score.notes:
        at = bisect_right(times, note.offset_s) - 1
        end = note.offset_s
        if at >= 0 and changes[at][1]:
            end = next((time for time, down in changes[at + 1 :] if not down), score.duration_s)
            later = onsets[note.pitch]
            following = bisect_right(later, note.onset_s)
            if following < len(later):
                end = max(note.offset_s, min(end, later[following] - REPEAT_GAP_S))
        heard.append(replace(note, offset_s=end))
    return tuple(heard)


def bars(score: Score) -> frozenset[str]:
    """A digest for every bar that holds a note: pitches, onsets in the bar and lengths to the millisecond.

    Two pieces that share none of these share no bar, transposed or not played equally loud.
    """
    content: dict[int, list[tuple[int, int, int]]] = {}
    for note in score.notes:
        bar = math.floor((note.onset_s - score.start_s) / score.bar_s)
        onset_ms = round(1000 * (note.onset_s - score.start_s - bar * score.bar_s))
        content.setdefault(bar, []).append(
            (onset_ms, round(1000 * (note.offset_s - note.onset_s)), note.pitch)
        )
    return frozenset(
        hashlib.blake2b(repr(sorted(held)).encode(), digest_size=12).hexdigest() for held in content.values()
    )
