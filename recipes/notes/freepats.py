"""The font that thresholds are fitted on: Debian's freepats, which no network hears while it is trained.

Stems of every instrument that there is a patch for, alone and three at a time, and excerpts of compositions that are
kept out of training, all with exact notes. The compositions come twice, dry and as recordings are: in rooms, through
microphones and codecs. Dry sound alone would ask for thresholds that a room's echoes pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from sonoscope.audio import decode
from sonoscope.data import damage
from sonoscope.data.mix.notemix import read_notes
from sonoscope.data.rendering import compositions, music, octaves, orchestra, render, timidity
from sonoscope.data.rendering.music import NoteEvent, Score
from sonoscope.errors import UsageError

#: Instruments and the programs that stand for them.
PLAYERS: dict[str, tuple[int, ...]] = {
    "piano": (0, 1), "acoustic_guitar": (24, 25), "electric_guitar": (26, 27, 29, 30), "organ": (16, 19),
    "violin": (40,), "cello": (42,), "flute": (73,), "clarinet": (71,), "saxophone": (65, 66), "trumpet": (56,),
    "voice": (53,), "bass": (32, 33, 35), "harpsichord": (6,), "accordion": (21,), "horn": (60,), "trombone": (57,),
    "oboe": (68,), "bassoon": (70,),
}  # fmt: skip
#: Who plays compositions.
SOLOISTS = {"piano": (0, 1, 2), "acoustic_guitar": (24,), "organ": (19,), "harpsichord": (6,)}
_MIXED = "three at once"
_COMPOSED, _DAMAGED = "compositions", "compositions, damaged"


def recordings(
    out: Path, midi: list[Path], each: int, seconds: float, rate: int
) -> Iterator[tuple[str, Path, np.ndarray]]:
    """Group, sound and notes; what is in ``out`` already is not rendered again."""
    out.mkdir(parents=True, exist_ok=True)
    for name, programs in PLAYERS.items():
        for number in range(each):
            sound = out / f"{name}-{number:02d}.flac"
            if not sound.is_file():
                rng = np.random.default_rng((17, len(name), ord(name[0]), number))
                program = programs[number % len(programs)]
                score = music.compose(_instrument(name, program), rng, seconds)
                _write(sound, score, program, rate)
            yield name, sound, read_notes(sound.with_suffix(".notes.csv"))
    for number, file in enumerate(midi):
        name = list(SOLOISTS)[number % 6 if number % 6 < len(SOLOISTS) else 0]
        sound = out / f"{file.stem}-{name}.flac"
        if not sound.is_file():
            rng = np.random.default_rng((19, number))
            program = SOLOISTS[name][number // 6 % len(SOLOISTS[name])]
            try:
                score = compositions.arrange(
                    compositions.read_midi(file), _instrument(name, program), program, rng, seconds
                )
            except UsageError:
                continue
            _write(sound, score, program, rate)
        notes = read_notes(sound.with_suffix(".notes.csv"))
        yield _COMPOSED, sound, notes
        yield _DAMAGED, _damaged(sound, number, rate), notes
    yield from _mixtures(out, each, rate)


def _damaged(sound: Path, number: int, rate: int) -> Path:
    """A copy of a sound that was recorded somewhere; nothing moves in time."""
    copy = sound.with_name(f"damaged-{sound.name}")
    if not copy.is_file():
        samples, _ = decode.read(sound, sample_rate=rate)
        drawn = damage.choose(np.random.default_rng((27, number)))
        render.write_sound(copy, damage.apply(samples, rate, drawn), rate)
    return copy


def _instrument(name: str, program: int) -> orchestra.Instrument:
    """The instrument with one program only, in the range that its first has."""
    found = orchestra.find(name)
    low, high = found.programs[0].low, found.programs[0].high
    own = next((p for p in found.programs if p.number == program), orchestra.Program(program, 1.0, low, high))
    return orchestra.Instrument(found.name, found.label, found.family, (own,), found.sustains, found.pedal)


def _write(sound: Path, score: Score, program: int, rate: int) -> None:
    """The sound, and its notes in the octave that is heard."""
    samples = timidity.render(score, program, rate)
    known = {pitch: _octave(program, pitch, rate) for pitch in {note.pitch for note in score.notes}}
    notes = tuple(NoteEvent(n.onset_s, n.offset_s, n.pitch + known[n.pitch], n.velocity) for n in score.notes)
    heard = Score(notes, score.controls, score.duration_s, score.style, score.start_s, score.texture)
    render.write_csv(sound.with_suffix(".notes.csv"), render.NOTE_COLUMNS, render.note_rows(heard, "note"))
    render.write_sound(sound, samples, rate)


@lru_cache(maxsize=1024)
def _octave(program: int, pitch: int, rate: int) -> int:
    """Where a note is heard; only organs are asked."""
    if program not in range(16, 21):
        return 0
    alone = octaves.alone(pitch)
    return octaves.judged(timidity.render(alone, program, rate), rate, pitch)


def _mixtures(out: Path, each: int, rate: int) -> Iterator[tuple[str, Path, np.ndarray]]:
    """Three of the stems at once, different instruments, equally loud."""
    import soundfile

    names = list(PLAYERS)
    for number in range(3 * each):
        rng = np.random.default_rng((23, number))
        stems = [
            out / f"{names[k]}-{int(rng.integers(each)):02d}.flac" for k in rng.permutation(len(names))[:3]
        ]
        sound = out / f"three-{number:02d}.flac"
        if not sound.is_file():
            parts = [soundfile.read(stem, dtype="float32")[0] for stem in stems]
            total = np.sum([part / (np.sqrt(np.mean(part**2)) + 1e-9) for part in parts], axis=0)
            render.write_sound(sound, total * np.float32(0.5 / np.abs(total).max()), rate)
        notes = np.concatenate([read_notes(stem.with_suffix(".notes.csv")) for stem in stems])
        yield _MIXED, sound, notes[np.lexsort((notes[:, 2], notes[:, 0]))]
