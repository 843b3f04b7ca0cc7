"""Compositions for several players, each part on an instrument of its own, mixed in one room, with exact notes.

What stems mixed at random lack: voices that begin together, move in the same harmony and double each other's
octaves. A composition is a folder with a MIDI file for each part.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sonoscope.data.rendering import compositions, music, pieces, render
from sonoscope.data.rendering.music import Control, NoteEvent, Score
from sonoscope.data.rendering.orchestra import Instrument
from sonoscope.data.rendering.synth import Synth
from sonoscope.data.rows import BadManifest

#: A player goes so far beyond the range of a program at most.
_BEYOND = 3
#: Shortest excerpt of notes that is worth a file.
_FEWEST = 8


def excerpt(parts: Sequence[Score], rng: np.random.Generator, duration_s: float) -> list[Score]:
    """The same stretch of all parts at one drawn tempo; each plays a few milliseconds apart, in its own tuning."""
    pace = float(np.exp(rng.uniform(np.log(0.75), np.log(1.3))))
    longest = max(part.duration_s for part in parts)
    start_s = max(0.0, float(rng.uniform(0.0, longest)) - duration_s / pace) - 0.2
    found = []
    for part in parts:
        base, spread, loose_s = (
            float(rng.uniform(50, 110)),
            float(rng.uniform(1, 8)),
            float(rng.uniform(0.0, 0.012)),
        )
        legato = float(rng.uniform(0.7, 1.0))
        notes = []
        for note in part.notes:
            onset_s = (note.onset_s - start_s) * pace + float(rng.normal(0.0, loose_s))
            end_s = onset_s + max((note.offset_s - note.onset_s) * pace * legato, music.SHORTEST_S)
            if 0.0 <= onset_s < duration_s - 2 * music.SHORTEST_S:
                velocity = int(np.clip(round(base + rng.normal(0.0, spread)), 12, 127))
                notes.append(NoteEvent(onset_s, min(end_s, duration_s), note.pitch, velocity))
        cents = float(np.clip(rng.normal(0, 8), -25, 25))
        found.append(
            replace(
                part,
                notes=compositions.apart(notes),
                controls=(Control(0.0, "bend", cents),),
                duration_s=duration_s,
            )
        )
    return found


def render_ensembles(
    out: str | Path,
    folders: Iterable[Path],
    palettes: Mapping[str, Sequence[Instrument]],
    *,
    soundfont: str | Path,
    duration_s: float = 25.0,
    seed: int = 0,
    sample_rate: int = 24_000,
) -> list[Path]:
    """Render an excerpt of each folder's parts and return the sounds; what exists stays.

    Parameters
    ----------
    folders : iterable of Path
        Each with one MIDI file for each part, the highest first.
    palettes : mapping of name to instruments
        From the highest to the lowest; folders take the palettes in turn, and parts the instruments, spread over
        them. A part's notes outside its instrument's range are left out.

    Returns
    -------
    list of Path
        Each sound ``NAME.flac`` with its notes beside it in ``NAME.notes.csv``. Files that cannot be read, and
        excerpts with hardly a note, are left out.
    """
    out, made, names = Path(out), [], list(palettes)
    render.check(duration_s, seed, "flac")
    out.mkdir(parents=True, exist_ok=True)
    with Synth(soundfont, sample_rate) as synth:
        for number, folder in enumerate(folders):
            name = names[number % len(names)]
            sound = out / f"{folder.name}-{name}.flac"
            if not sound.is_file():
                rng = np.random.default_rng((seed, zlib.crc32(f"{synth.name}/{sound.name}".encode())))
                piece = _performed(synth, folder, palettes[name], rng, duration_s)
                if piece is None or len(piece.notes) < _FEWEST:
                    continue
                render.write_csv(sound.with_suffix(".notes.csv"), render.NOTE_COLUMNS, list(piece.notes))
                render.write_sound(sound, piece.samples, sample_rate)
            made.append(sound)
    return made


def _performed(
    synth: Synth, folder: Path, players: Sequence[Instrument], rng: np.random.Generator, duration_s: float
) -> pieces.Piece | None:
    """The piece, or None if no part can be read."""
    scores = []
    for file in sorted(folder.glob("*.mid")):
        try:
            scores.append(compositions.read_midi(file))
        except BadManifest:
            continue
    parts = []
    for number, score in enumerate(excerpt(scores, rng, duration_s) if scores else ()):
        player = players[number * len(players) // len(scores)]
        program = player.program_for(int(rng.integers(64)))
        playable = tuple(n for n in score.notes if program.low - _BEYOND <= n.pitch <= program.high + _BEYOND)
        if playable:
            gain_db = float(rng.uniform(-5.0, 0.0))
            parts.append(pieces.Part(player, program, replace(score, notes=playable), gain_db))
    reverb, chorus, _ = render.draw_room(rng)
    return pieces.perform(synth, parts, reverb=reverb, chorus=chorus) if parts else None
