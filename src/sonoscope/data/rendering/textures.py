"""How an instrument plays: textures that turn a drawn style into notes counted in beats.

A texture is a function ``(style, rng) -> list of Draft``. It knows the scale, the harmony of each bar and the
range, and nothing about seconds, loudness curves or controllers, which :mod:`sonoscope.data.rendering.music` adds. All
randomness comes from the generator that is passed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from sonoscope.data.rendering.style import Draft, Style, rhythm

#: Steps of a melody on the ladder of its scale, and how often each is taken.
_MOVES = (-1, 1, -2, 2, 0, -3, 3, -4, 4, -7, 7)
_MOVE_SHARES = (0.24, 0.24, 0.12, 0.12, 0.06, 0.05, 0.05, 0.04, 0.04, 0.02, 0.02)


def _beat_accent(beat: float) -> float:
    """Velocity that metre adds: on the beat more than off it."""
    return 5.0 if abs(beat - round(beat)) < 1e-6 else -3.0


def _walk(rungs: int, at: int, rng: np.random.Generator) -> int:
    """The next step of a melody on a ladder of ``rungs``: mostly steps, some leaps, reflected at the ends."""
    move = int(rng.choice(_MOVES, p=_MOVE_SHARES))
    at += move
    if at < 0 or at >= rungs:
        at -= 2 * move
    return min(max(at, 0), rungs - 1)


def _line(style: Style, rng: np.random.Generator, low: int, high: int) -> list[Draft]:
    """A melody between two pitches; a bar sometimes repeats the shape of the one before on other steps."""
    ladder = style.ladder(low, high)
    at = int(rng.integers(len(ladder)))
    notes: list[Draft] = []
    shape: list[tuple[float, float, int]] = []
    for bar in range(style.bars):
        if shape and rng.random() < 0.3:
            shift = int(rng.integers(-3, 4))
            shape = [(b, n, min(max(i + shift, 0), len(ladder) - 1)) for b, n, i in shape]
        else:
            shape = []
            for beat, beats in rhythm(style, rng, style.beats_per_bar):
                at = _walk(len(ladder), at, rng)
                shape.append((beat, beats, at))
        notes += [
            Draft(bar * style.beats_per_bar + b, n, ladder[i], accent=_beat_accent(b)) for b, n, i in shape
        ]
        at = shape[-1][2] if shape else at
    return notes


def melody(style: Style, rng: np.random.Generator) -> list[Draft]:
    """One voice."""
    return _line(style, rng, style.low, style.high)


def voices(style: Style, rng: np.random.Generator) -> list[Draft]:
    """Two or three independent voices, each in its own part of the range."""
    parts = int(rng.integers(2, 4)) if style.high - style.low >= 18 else 2
    edges = np.linspace(style.low, style.high, parts + 1).astype(int)
    notes = []
    for low, high in pairwise(edges):
        notes += _line(style, rng, int(low), int(max(high, low + 5)) if high < style.high else int(high))
    return notes


def _voicing(style: Style, rng: np.random.Generator, degree: int, low: int, high: int) -> list[int]:
    """Three to five neighbouring tones of a bar's chord (all of them where the range holds fewer)."""
    tones = style.chord(degree, int(rng.choice([3, 4], p=[0.7, 0.3])), low, high)
    size = int(rng.integers(3, 6))
    if len(tones) <= size:
        return tones
    first = int(rng.integers(len(tones) - size + 1))
    picked = tones[first : first + size]
    if size > 3 and rng.random() < 0.3:
        picked.pop(1)  # an open voicing
    return picked


def chords(
    style: Style, rng: np.random.Generator, low: int | None = None, high: int | None = None
) -> list[Draft]:
    """Block chords in the rhythm of the cells, slightly rolled."""
    low, high = style.low if low is None else low, style.high if high is None else high
    roll_s = float(rng.choice([0.0, 0.004, 0.02]))
    notes = []
    for bar, degree in enumerate(style.harmony):
        tones = _voicing(style, rng, degree, low, high)
        for beat, beats in rhythm(style, rng, style.beats_per_bar):
            if rng.random() < 0.25:
                tones = _voicing(style, rng, degree, low, high)
            for k, pitch in enumerate(tones):
                at = bar * style.beats_per_bar + beat
                notes.append(Draft(at, beats, pitch, accent=_beat_accent(beat) - 4, delay_s=k * roll_s))
    return notes


def arpeggio(
    style: Style, rng: np.random.Generator, low: int | None = None, high: int | None = None
) -> list[Draft]:
    """Chord tones one after another in a fixed order, ringing on or not."""
    low, high = style.low if low is None else low, style.high if high is None else high
    step = float(rng.choice([0.5, 0.25, 1 / 3, 1 / 6, 1.0], p=[0.4, 0.3, 0.17, 0.05, 0.08]))
    ring = float(rng.choice([1.0, 2.0, 4.0]))
    order = str(rng.choice(["up", "down", "wave", "random"]))
    notes = []
    for bar, degree in enumerate(style.harmony):
        tones = style.chord(degree, int(rng.choice([3, 4])), low, high) or style.ladder(low, high)
        width = int(rng.integers(3, 9))
        first = int(rng.integers(max(1, len(tones) - width + 1)))
        tones = tones[first : first + width]
        path = {"up": tones, "down": tones[::-1], "wave": tones + tones[-2:0:-1], "random": tones}[order]
        for k in range(round(style.beats_per_bar / step)):
            pitch = path[int(rng.integers(len(path)))] if order == "random" else path[k % len(path)]
            beat = k * step
            if rng.random() >= style.rest * 0.5:
                at = bar * style.beats_per_bar + beat
                notes.append(Draft(at, step * ring, pitch, accent=_beat_accent(beat), held=ring > 1))
    return notes


def accompanied(style: Style, rng: np.random.Generator) -> list[Draft]:
    """A melody above chords or broken chords."""
    split = style.low + int((style.high - style.low) * rng.uniform(0.4, 0.6))
    below = arpeggio if rng.random() < 0.5 else chords
    return _line(style, rng, split + 1, style.high) + below(style, rng, style.low, split)


def strum(style: Style, rng: np.random.Generator) -> list[Draft]:
    """Guitar chords: three to six strings, one after another, down on the beat and up off it."""
    gap_s = float(rng.uniform(0.006, 0.035))
    pattern = list(rhythm(style, rng, style.beats_per_bar))
    notes = []
    for bar, degree in enumerate(style.harmony):
        strings = style.chord(degree, 3, max(style.low, 40), style.high)
        strings = strings[int(rng.integers(max(1, len(strings) - 5))) :][: int(rng.integers(3, 7))]
        if rng.random() < 0.3:
            pattern = list(rhythm(style, rng, style.beats_per_bar))
        for beat, beats in pattern:
            down = abs(beat - round(beat)) < 1e-6
            played = strings if down else strings[::-1][:4]
            for k, pitch in enumerate(played):
                at = bar * style.beats_per_bar + beat
                accent = _beat_accent(beat) - 1.5 * k
                notes.append(Draft(at, beats, pitch, accent=accent, delay_s=k * gap_s, held=True))
    return notes


def power(style: Style, rng: np.random.Generator) -> list[Draft]:
    """Power chords: root, fifth and sometimes the octave, in repeated eighths or in the cells' rhythm."""
    chug = rng.random() < 0.5
    top = min(style.low + 16, style.high - 12)
    octave = rng.random() < 0.5
    notes = []
    for bar, degree in enumerate(style.harmony):
        roots = style.chord(degree, 1, style.low, max(top, style.low + 11))
        root = roots[int(rng.integers(len(roots)))]
        times = (
            [(k / 2, 0.5) for k in range(style.beats_per_bar * 2) if rng.random() > style.rest]
            if chug
            else list(rhythm(style, rng, style.beats_per_bar))
        )
        for beat, beats in times:
            shift = int(rng.choice([0, 0, 0, 0, 2, 3, 5, -2]))
            for k, up in enumerate((0, 7, 12) if octave else (0, 7)):
                at = bar * style.beats_per_bar + beat
                notes.append(
                    Draft(at, beats, root + max(shift, style.low - root) + up, _beat_accent(beat), k * 0.003)
                )
    return notes


def walking(style: Style, rng: np.random.Generator) -> list[Draft]:
    """A walking bass: a note on every beat, chord tones on strong beats, neighbours between."""
    ladder = style.ladder()
    notes = []
    for bar, degree in enumerate(style.harmony):
        tones = style.chord(degree, 4, style.low, style.high) or ladder
        for beat in range(style.beats_per_bar):
            pitch = (
                tones[int(rng.integers(len(tones)))]
                if beat % 2 == 0
                else ladder[int(rng.integers(len(ladder)))]
            )
            at = float(bar * style.beats_per_bar + beat)
            if rng.random() < 0.15:
                notes.append(Draft(at + 2 / 3, 1 / 3, pitch, accent=-8))
            notes.append(Draft(at, 1.0, pitch, accent=4.0 if beat % 2 == 0 else 0.0))
    return notes


def riff(style: Style, rng: np.random.Generator) -> list[Draft]:
    """A figure of one bar that is repeated on each bar's root, varied now and then."""
    figure = [
        (b, n, int(rng.choice([0, 0, 0, 4, 2, 6, 1, 3]))) for b, n in rhythm(style, rng, style.beats_per_bar)
    ]
    ladder = style.ladder()
    home = int(rng.integers(max(1, len(ladder) // 2)))
    notes = []
    for bar, degree in enumerate(style.harmony):
        if rng.random() < 0.35:
            figure = [
                (b, n, int(rng.choice([0, 4, 2, 6])) if rng.random() < 0.3 else step) for b, n, step in figure
            ]
        for beat, beats, step in figure:
            pitch = ladder[(home + degree + step) % len(ladder)]
            notes.append(Draft(bar * style.beats_per_bar + beat, beats, pitch, accent=_beat_accent(beat)))
    return notes


def sustained(style: Style, rng: np.random.Generator) -> list[Draft]:
    """Chords held for half a bar to two bars."""
    notes, at = [], 0.0
    while at < style.beats:
        beats = float(style.beats_per_bar * rng.choice([0.5, 1.0, 2.0], p=[0.25, 0.5, 0.25]))
        degree = style.harmony[min(int(at // style.beats_per_bar), style.bars - 1)]
        for pitch in _voicing(style, rng, degree, style.low, style.high):
            notes.append(
                Draft(at, beats * rng.uniform(0.85, 1.0), pitch, delay_s=rng.uniform(0, 0.01), held=True)
            )
        at += beats
    return notes


def long(style: Style, rng: np.random.Generator) -> list[Draft]:
    """Long tones: two to eight beats each."""
    ladder = style.ladder()
    at, where, notes = 0.0, int(rng.integers(len(ladder))), []
    while at < style.beats:
        beats = float(rng.uniform(2, 8))
        where = _walk(len(ladder), where, rng)
        notes.append(Draft(at, beats * rng.uniform(0.8, 1.0), ladder[where], held=True))
        at += beats
    return notes


def single(style: Style, rng: np.random.Generator) -> list[Draft]:
    """Single notes with silence between them."""
    at, notes = float(rng.uniform(0, 0.5)), []
    while at < style.beats:
        length_s = float(rng.uniform(0.3, 3.5))
        pitch = int(rng.integers(style.low, style.high + 1))
        notes.append(Draft(at, length_s / style.beat_s, pitch, accent=rng.normal(0, 12), held=True))
        at += (length_s + float(rng.uniform(0.15, 1.2))) / style.beat_s
    return notes


def trill(style: Style, rng: np.random.Generator) -> list[Draft]:
    """Trills and repeated notes at 5 to 12 notes a second, with held notes between."""
    ladder = style.ladder()
    at, where, notes = 0.0, int(rng.integers(len(ladder) - 1)), []
    while at < style.beats:
        where = min(_walk(len(ladder), where, rng), len(ladder) - 2)
        beats = float(rng.choice([1, 2, 3]))
        if rng.random() < 0.6:
            other = where + int(rng.integers(0, 2))
            count = max(2, round(beats * style.beat_s * rng.uniform(5, 12)))
            for k in range(count):
                pitch = ladder[other if k % 2 else where]
                notes.append(Draft(at + k * beats / count, beats / count, pitch, accent=rng.normal(0, 3)))
        else:
            notes.append(Draft(at, beats, ladder[where]))
        at += beats
    return notes


def runs(style: Style, rng: np.random.Generator) -> list[Draft]:
    """Fast scales up and down, ending on a longer note."""
    ladder = style.ladder() if rng.random() < 0.8 else list(range(style.low, style.high + 1))
    step = float(np.clip(1.0 / (style.beat_s * rng.uniform(6, 13)), 0.08, 0.5))  # 6 to 13 notes a second
    at, where, up, notes = 0.0, int(rng.integers(len(ladder))), 1, []
    while at < style.beats:
        up = -up if rng.random() < 0.7 else up
        for _ in range(int(rng.integers(5, 17))):
            notes.append(Draft(at, step, ladder[where], accent=rng.normal(0, 3)))
            at += step
            up = up if 0 <= where + up < len(ladder) else -up
            where = min(max(where + up, 0), len(ladder) - 1)
        rest = float(rng.choice([0.5, 1.0, 2.0]))
        notes.append(Draft(at, rest, ladder[where], accent=6))
        at += rest
    return notes


def scatter(style: Style, rng: np.random.Generator) -> list[Draft]:
    """Notes of any pitch, length and loudness at any time: no key, no metre."""
    count = int(style.beats * style.beat_s * rng.uniform(1.5, 8))
    onsets = np.sort(rng.uniform(0, style.beats, count))
    lengths = rng.exponential(0.5, count) + 0.06
    pitches = rng.integers(style.low, style.high + 1, count)
    return [
        Draft(float(b), float(s / style.beat_s), int(p), accent=rng.normal(0, 14), held=True)
        for b, s, p in zip(onsets, lengths, pitches, strict=True)
    ]


#: Every texture for pitched instruments by the name used in :data:`sonoscope.data.rendering.orchestra.TEXTURES`.
PITCHED: dict[str, Callable[[Style, np.random.Generator], list[Draft]]] = {
    "melody": melody,
    "voices": voices,
    "chords": chords,
    "arpeggio": arpeggio,
    "accompanied": accompanied,
    "strum": strum,
    "power": power,
    "walking": walking,
    "riff": riff,
    "sustained": sustained,
    "long": long,
    "single": single,
    "trill": trill,
    "runs": runs,
    "scatter": scatter,
}
