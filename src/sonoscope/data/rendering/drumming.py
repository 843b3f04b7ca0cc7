"""What a drummer plays: grooves, fills, ride patterns, hand percussion and sparse hits, drawn anew for every
piece.

The keys are those of the General MIDI percussion map. A pattern gives each voice of the kit a chance on each
step of the bar; a bar is then drawn from it, with small variations from bar to bar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sonoscope.data.rendering.style import Draft, Style

_STEPS = 4  # per beat
_KICKS, _SNARES = (36, 35), (38, 40, 37, 39)
_TOMS = (50, 48, 47, 45, 43, 41)
_HATS, _OPEN_HAT, _PEDAL_HAT = 42, 46, 44
_RIDES, _BELL, _CRASHES = (51, 59), 53, (49, 57, 55, 52)
#: Shakers, hand drums, wood and metal.
_PERCUSSION = (54, 56, 58, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 73, 74, 75, 76, 77, 80, 81)

Pattern = Mapping[int, np.ndarray]


def _hits(pattern: Pattern, bar: int, style: Style, rng: np.random.Generator) -> list[Draft]:
    """One bar drawn from a pattern of key -> chance on each step."""
    start = bar * style.beats_per_bar
    notes = []
    for key, chances in pattern.items():
        for step in np.flatnonzero(rng.random(chances.size) < chances):
            accent = (6.0 if step % _STEPS == 0 else -6.0) + rng.normal(0, 5)
            notes.append(Draft(start + step / _STEPS, 0.25, key, accent=accent, held=True))
    return notes


def _pulse(style: Style, every: int, chance: float, offset: int = 0) -> np.ndarray:
    """Chances on every ``every``-th step of a bar from ``offset``, zero elsewhere."""
    chances = np.zeros(style.beats_per_bar * _STEPS)
    chances[offset::every] = chance
    return chances


def _backbeat(style: Style, rng: np.random.Generator, cymbal: int) -> dict[int, np.ndarray]:
    """Kick on strong beats and off them, snare on the others, a cymbal in eighths, sixteenths or quarters."""
    kick = _pulse(style, 2 * _STEPS, 0.95) + _pulse(style, 2, 0.25) * (
        rng.random(style.beats_per_bar * _STEPS) < 0.5
    )
    snare = _pulse(style, 2 * _STEPS, 0.95, _STEPS) + _pulse(style, 1, 0.04)
    return {
        int(rng.choice(_KICKS)): np.clip(kick, 0, 1),
        int(rng.choice(_SNARES, p=[0.55, 0.25, 0.12, 0.08])): snare,
        cymbal: _pulse(style, int(rng.choice([1, 2, 2, 4])), 0.95),
    }


def _fill(bar: int, style: Style, rng: np.random.Generator) -> list[Draft]:
    """A run over snare and toms in the last beat or two of a bar."""
    beats = min(int(rng.integers(1, 3)), style.beats_per_bar)
    first = (bar + 1) * style.beats_per_bar - beats
    per_beat = int(rng.choice([3, 4, 6]))
    keys = (38, *_TOMS)
    where, notes = 0, []
    for step in range(beats * per_beat):
        where = min(where + int(rng.random() < 0.4), len(keys) - 1)
        notes.append(Draft(first + step / per_beat, 0.2, keys[where], accent=rng.normal(4, 6), held=True))
    return notes


def groove(style: Style, rng: np.random.Generator) -> list[Draft]:
    """Kick, snare and hi-hat with open hats, ghost notes, crashes, and a fill every few bars."""
    pattern = _backbeat(style, rng, _HATS)
    pattern[_OPEN_HAT] = _pulse(style, 2, 0.12, 2)
    every = int(rng.integers(2, 5))
    notes = []
    for bar in range(style.bars):
        notes += _hits(pattern, bar, style, rng)
        if bar % every == every - 1:
            notes += _fill(bar, style, rng)
        elif bar % every == 0 and rng.random() < 0.6:
            notes.append(Draft(bar * style.beats_per_bar, 1, int(rng.choice(_CRASHES)), accent=8, held=True))
    return notes


def ride(style: Style, rng: np.random.Generator) -> list[Draft]:
    """A ride pattern, swung or straight, with pedal hi-hat and a light snare and kick."""
    swung = rng.random() < 0.6
    cymbal = int(rng.choice(_RIDES))
    pattern = {
        _PEDAL_HAT: _pulse(style, 2 * _STEPS, 0.9, _STEPS),
        36: _pulse(style, 2, 0.15),
        38: _pulse(style, 1, 0.08),
        _BELL: _pulse(style, _STEPS, 0.06),
    }
    notes = []
    for bar in range(style.bars):
        notes += _hits(pattern, bar, style, rng)
        for beat in range(style.beats_per_bar):
            at = bar * style.beats_per_bar + beat
            notes.append(Draft(at, 0.3, cymbal, accent=rng.normal(2, 4), held=True))
            if beat % 2 or rng.random() < 0.3:
                notes.append(
                    Draft(at + (2 / 3 if swung else 0.5), 0.3, cymbal, accent=rng.normal(-5, 4), held=True)
                )
    return notes


def fills(style: Style, rng: np.random.Generator) -> list[Draft]:
    """A solo: fills over a pulse of kick and pedal hi-hat."""
    pattern = {36: _pulse(style, _STEPS, 0.7), _PEDAL_HAT: _pulse(style, 2 * _STEPS, 0.6, _STEPS)}
    notes = []
    for bar in range(style.bars):
        notes += _hits(pattern, bar, style, rng)
        notes += _fill(bar, style, rng)
        if rng.random() < 0.4:
            notes.append(Draft(bar * style.beats_per_bar, 1, int(rng.choice(_CRASHES)), accent=8, held=True))
    return notes


def percussion(style: Style, rng: np.random.Generator) -> list[Draft]:
    """Two to five hand percussion instruments, each with its own pattern; no kick, snare or hi-hat."""
    keys = rng.choice(_PERCUSSION, int(rng.integers(2, 6)), replace=False)
    steps = style.beats_per_bar * _STEPS
    pattern = {int(key): np.where(rng.random(steps) < rng.uniform(0.15, 0.6), 0.9, 0.03) for key in keys}
    return [note for bar in range(style.bars) for note in _hits(pattern, bar, style, rng)]


def sparse(style: Style, rng: np.random.Generator) -> list[Draft]:
    """One to three voices of the kit now and then: what is heard between phrases, and as single hits."""
    keys = rng.choice(
        [*_KICKS, *_SNARES, _HATS, _OPEN_HAT, *_TOMS, *_CRASHES], int(rng.integers(1, 4)), replace=False
    )
    pattern = {int(key): _pulse(style, _STEPS, rng.uniform(0.2, 0.6)) for key in keys}
    return [note for bar in range(style.bars) for note in _hits(pattern, bar, style, rng)]


#: Every texture for kits by the name used in :data:`sonoscope.data.rendering.orchestra.TEXTURES`.
DRUMMING: dict[str, Callable[[Style, np.random.Generator], list[Draft]]] = {
    "groove": groove,
    "ride": ride,
    "fills": fills,
    "percussion": percussion,
    "sparse": sparse,
}
