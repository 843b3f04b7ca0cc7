"""What a piece is made from: scales, rhythm cells, the style that is fixed for it, notes counted in beats.

Nothing here knows seconds; a texture fills a :class:`Style` with :class:`Draft` notes, and
:mod:`sonoscope.data.rendering.music` performs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: Semitones above the root. Chords are stacked thirds of the scale, so each scale has its own harmony.
SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic_minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "pentatonic": (0, 2, 4, 7, 9),
}

#: Rhythm cells: lengths in beats that fill one or two beats, and how often each is drawn.
CELLS: tuple[tuple[tuple[float, ...], float], ...] = (
    ((1,), 3), ((0.5, 0.5), 3), ((0.25, 0.25, 0.25, 0.25), 1.5), ((0.75, 0.25), 1.2), ((0.25, 0.75), 0.4),
    ((0.5, 0.25, 0.25), 1), ((0.25, 0.25, 0.5), 1), ((0.25, 0.5, 0.25), 0.6), ((1 / 3, 1 / 3, 1 / 3), 0.8),
    ((2 / 3, 1 / 3), 0.8), ((2,), 1.5), ((1.5, 0.5), 1), ((0.5, 1, 0.5), 0.6), ((0.5, 1.5), 0.4),
    ((0.75, 0.75, 0.5), 0.6), ((2 / 3, 2 / 3, 2 / 3), 0.3), ((1 / 6,) * 6, 0.2),
)  # fmt: skip
_CELL_SHARES = np.array([weight for _, weight in CELLS]) / sum(weight for _, weight in CELLS)


@dataclass(frozen=True)
class Style:
    """What is fixed for a piece.

    Attributes
    ----------
    tempo : float
        Beats per minute.
    beats_per_bar, bars : int
    root : int
        Pitch class of the key, 0..11.
    scale : tuple of int
        Semitones above the root.
    low, high : int
        The part of the instrument's range that this piece uses, MIDI pitches, inclusive.
    harmony : tuple of int, length ``bars``
        Scale degree (from 0) on which each bar's chord stands.
    rest : float
        Chance that a rhythm cell is silent.
    busy : float
        0 (long notes) to 1 (short notes): tilts the choice of cells.
    """

    tempo: float
    beats_per_bar: int
    bars: int
    root: int
    scale: tuple[int, ...]
    low: int
    high: int
    harmony: tuple[int, ...]
    rest: float
    busy: float

    @property
    def beat_s(self) -> float:
        """Length of a beat in seconds."""
        return 60.0 / self.tempo

    @property
    def beats(self) -> int:
        """Length of the piece in beats."""
        return self.bars * self.beats_per_bar

    def ladder(self, low: int | None = None, high: int | None = None) -> list[int]:
        """The pitches of the scale from ``low`` to ``high``; every semitone if the scale has under three."""
        low, high = self.low if low is None else low, self.high if high is None else high
        steps = [p for p in range(low, high + 1) if (p - self.root) % 12 in self.scale]
        return steps if len(steps) >= 3 else list(range(low, high + 1))

    def chord(self, degree: int, size: int, low: int, high: int) -> list[int]:
        """The pitches from ``low`` to ``high`` that belong to the chord of ``size`` thirds on ``degree``."""
        classes = {(self.root + self.scale[(degree + 2 * k) % len(self.scale)]) % 12 for k in range(size)}
        return [p for p in range(low, high + 1) if p % 12 in classes]


@dataclass(frozen=True)
class Draft:
    """A note in beats: ``accent`` is added to the velocity, ``delay_s`` to the onset (strums, rolled chords).

    ``held`` notes keep their whole length; the others are shortened or joined by the piece's legato.
    """

    beat: float
    beats: float
    pitch: int
    accent: float = 0.0
    delay_s: float = 0.0
    held: bool = False


def rhythm(style: Style, rng: np.random.Generator, beats: float) -> Iterator[tuple[float, float]]:
    """Onsets and lengths in beats that fill ``beats``, some cells silent."""
    tilt = np.array([len(cell) / sum(cell) for cell, _ in CELLS]) ** (4.0 * style.busy - 2.0)
    shares = _CELL_SHARES * tilt
    shares /= shares.sum()
    at = 0.0
    while at < beats - 1e-6:
        cell = CELLS[int(rng.choice(len(CELLS), p=shares))][0]
        silent = rng.random() < style.rest
        for length in cell:
            if at < beats - 1e-6 and not silent:
                yield at, min(length, beats - at)
            at += length
