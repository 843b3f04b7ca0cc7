"""Whole pieces for one instrument: chords, runs and pedal, which single notes and phrases of four do not teach.

Recorded notes of a library play them, as a sampler does, so that a fold that leaves the library out has never heard
them; and sound fonts play compositions. DATA/midi holds the compositions, of which every fourth is left for tests.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import soxr

from sonoscope.audio import decode
from sonoscope.data import rooms
from sonoscope.data.datasets import collection
from sonoscope.data.mix.bank import Stem
from sonoscope.data.rendering import compositions, music, orchestra, render
from sonoscope.data.rendering.orchestra import Instrument, Program
from sonoscope.errors import UsageError

SECONDS = 12.0
#: Fewer notes are no instrument that one could play on, and nothing is transposed further than this.
LEAST_NOTES, REACH_SEMITONES = 6, 4
#: Who is played like somebody else, so that a library of its notes knows what music to play.
LIKE = {
    "french_horn": "horn", "cor_anglais": "english_horn", "double_bass": "bass", "electric_bass": "bass",
    "harmonium": "accordion", "mandolin": "acoustic_guitar", "kankles": "harp", "erhu": "violin",
    "contrabassoon": "bassoon", "bass_clarinet": "clarinet",
}  # fmt: skip
#: What plays chords: it is given compositions every other time, and more pieces than the others.
CHORDS = ("piano", "acoustic_guitar", "electric_guitar", "organ", "harp", "harpsichord", "banjo", "mandolin",
          "vibraphone", "marimba", "harmonium")  # fmt: skip
#: Who plays the compositions on a sound font, in turn.
PLAYERS = (
    "piano", "acoustic_guitar", "piano", "electric_guitar", "piano", "organ", "piano", "acoustic_guitar", "harp",
    "piano", "harpsichord", "vibraphone",
)  # fmt: skip


@dataclass(frozen=True)
class Library:
    """The notes of one instrument from one origin: their files and pitches (MIDI numbers, as they sound)."""

    name: str
    label: str
    origin: str
    fold: str
    files: tuple[Path, ...]
    pitches: tuple[float, ...]

    @property
    def player(self) -> Instrument:
        """Somebody of the orchestra with this range."""
        like = orchestra.find(LIKE.get(self.name, self.name))
        low, high = round(min(self.pitches)) - 2, round(max(self.pitches)) + 2
        return replace(like, programs=(Program(0, 1.0, max(low, 21), min(high, 108)),))


def libraries(data: Path, without: tuple[str, ...]) -> list[Library]:
    """Every instrument of every origin, but for origins ``without``, that has notes enough to play on."""
    with open(data / "manifest.csv", newline="", encoding="utf-8-sig") as file:
        pitches = {
            row["path"]: float(row["pitch_midi"]) for row in csv.DictReader(file) if row.get("pitch_midi")
        }
    found: dict[tuple[str, str], list[collection.Clip]] = defaultdict(list)
    for clip in collection.read(data):
        known = clip.name in LIKE or clip.name in orchestra.ORCHESTRA
        usable = clip.trainable and clip.fold and clip.origin not in without
        if clip.label and known and usable and clip.key in pitches:
            found[clip.name, clip.origin].append(clip)
    return [
        Library(
            name, clips[0].label, origin, clips[0].fold,
            tuple(clip.path for clip in clips), tuple(pitches[clip.key] for clip in clips),
        )
        for (name, origin), clips in sorted(found.items())
        if len(clips) >= LEAST_NOTES
    ]  # fmt: skip


@cache
def _note(file: Path, rate: int) -> np.ndarray:
    """A recorded note from its onset on, its loudest tenth of a second at 1."""
    samples, _ = decode.read(file, sample_rate=rate)
    step = rate // 100
    power = np.mean(samples[: samples.size // step * step].reshape(-1, step) ** 2, axis=1)
    first = int(np.flatnonzero(power > power.max() * 1e-4)[0]) * step
    loudest = np.sqrt(np.convolve(power, np.ones(10) / 10.0).max())
    return samples[first:] / np.float32(loudest)


def play(library: Library, score: music.Score, rate: int, rng: np.random.Generator) -> np.ndarray:
    """A score on the recorded notes of a library, float32 of peak 0.5, (n,).

    Each note is the nearest recorded one or one of its neighbours, played faster or slower; at its end it fades.
    """
    out = np.zeros(round((score.duration_s + 1.0) * rate), dtype=np.float32)
    pitches = np.array(library.pitches)
    softer = float(rng.uniform(0.7, 2.0))
    fade = round(float(np.exp(rng.uniform(np.log(0.04), np.log(0.4)))) * rate)
    tuning = float(rng.normal(0.0, 0.1))
    chosen: dict[int, np.ndarray] = {}
    for note in music.sounding(score):
        if note.pitch not in chosen:
            away = np.abs(pitches - note.pitch)
            near = np.flatnonzero(away <= min(away.min() + 1.5, REACH_SEMITONES))
            if not near.size:
                continue
            at = int(rng.choice(near))
            faster = 2.0 ** ((note.pitch + tuning - pitches[at]) / 12.0)
            chosen[note.pitch] = soxr.resample(_note(library.files[at], rate), rate * faster, rate)
        first, held = round(note.onset_s * rate), round((note.offset_s - note.onset_s) * rate)
        sound = chosen[note.pitch][: held + fade].copy()
        if sound.size > held:
            sound[held:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)[: sound.size - held] ** 1.5
        sound = sound[: out.size - first]
        out[first : first + sound.size] += sound * np.float32((note.velocity / 127.0) ** softer)
    return np.float32(0.5) * out / (np.abs(out).max() + np.float32(1e-9))


def compositions_of(data: Path, *, tests: bool = False) -> list[Path]:
    """The compositions to learn from, or those that are left for tests: every fourth."""
    files = sorted((data / "midi").rglob("*.mid"))
    return [file for number, file in enumerate(files) if (number % 4 == 0) == tests]


def sampled(
    out: Path, data: Path, counts: dict[str, int], without: tuple[str, ...], rate: int
) -> Iterator[Stem]:
    """Pieces on recorded notes, ``chords`` of each library that can play some and ``tunes`` of the others."""
    out.mkdir(parents=True, exist_ok=True)
    files = compositions_of(data)
    for library in libraries(data, without):
        polyphonic = library.name in CHORDS
        for number in range(counts["chords" if polyphonic else "tunes"]):
            sound = out / f"{library.name}-{library.origin}-{number:03d}.flac"
            if not sound.is_file():
                rng = np.random.default_rng((61, *sound.stem.encode()))
                score = _score(library.player, files if polyphonic else [], number, rng)
                samples = play(library, score, rate, rng)
                if rng.random() < 0.6:
                    samples = rooms.reverberated(samples, rooms.response(rooms.draw_room(rng), rate, rng))
                render.write_sound(sound, samples, rate)
            yield Stem(
                sound, f"solos/{sound.name}", (library.label,), (), library.name, f"{library.origin}, played",
                library.fold, True,
            )  # fmt: skip


def _score(player: Instrument, files: list[Path], number: int, rng: np.random.Generator) -> music.Score:
    """Random music, or every other time a composition, where there are some that the player can play."""
    if files and number % 2:
        file = files[int(rng.integers(len(files)))]
        try:
            return compositions.arrange(compositions.read_midi(file), player, 0, rng, SECONDS)
        except UsageError:
            pass
    return music.compose(player, rng, SECONDS)


def rendered(out: Path, files: list[Path], fonts: Sequence[str], rate: int) -> Iterator[Stem]:
    """Every composition on each sound font, by one player each."""
    for turn, font in enumerate(fonts):
        # Another font gives a composition to another player.
        players = [orchestra.find(name) for name in (*PLAYERS[turn:], *PLAYERS[:turn])]
        short = Path(font).stem.lower()
        made = compositions.render_compositions(
            out / short, files, players, soundfont=font, duration_s=SECONDS, seed=turn, sample_rate=rate
        )
        for sound in made:
            name = sound.stem.rsplit("-", 2)[-2]
            label = orchestra.find(name).label
            yield Stem(
                sound, f"solos/{short}/{sound.name}", (label,), (), name, f"{short}, played", "", False
            )
