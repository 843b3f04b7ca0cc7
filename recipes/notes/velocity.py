"""How velocity follows from levels (``networks/loudness.py``), and how well it is told.

    python recipes/notes/velocity.py --midi MIDI --work WORK fit
    python recipes/notes/velocity.py --midi MIDI --data DATA --work WORK measure [--model NAME]

MIDI is a folder of compositions that were played by hand, DATA holds a folder `nc_maps` of piano recordings with their
notes. `fit` renders songs on two fonts and prints the least squares of velocity on the level of a note's first
partials, the octave and its square, deviations within a song only. `measure` transcribes other songs on a third font,
stems of it, and the pianos of DATA, none of which was fitted on, and prints for the notes that were found how what is
told goes with what was played within a recording: correlation, and mean distance between both deviations from their
medians beside that of telling no difference.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scoring import interval
from tuning import truth

import sonoscope
from sonoscope import features
from sonoscope.audio import decode
from sonoscope.data.mix.notemix import read_notes
from sonoscope.data.rendering import render, songs
from sonoscope.evaluation import notes as figures
from sonoscope.networks import loudness
from sonoscope.networks.notes import BINS_PER_KEY, LOWEST
from sonoscope.noteapi import NoteModel

FITTED, JUDGED = ("fluidr3", "musescore"), "timgm6mb"
PLAYERS = ("piano", "acoustic_guitar")
#: Of the sorted files, the first and the distance to the next: other songs on each font.
SONGS = {"fluidr3": (1, 20), "musescore": (6, 20), "timgm6mb": (10, 20)}
STEMS = ("violin", "flute", "trumpet", "saxophone", "marimba", "electric_guitar", "bass", "harpsichord")
DURATION_S, RATE, FEWEST = 30.0, 24_000, 8
#: Frames after its onset in which a note is as loud as it gets: those that the shipped network looks ahead.
LOOK_AHEAD = 4


def rendered(midi: Path, work: Path, font: str) -> Iterator[tuple[str, Path]]:
    """Songs on a font by each player; what is rendered already is left."""
    first, step = SONGS[font]
    files = sorted(midi.rglob("*.mid"))[first::step]
    for player in PLAYERS:
        out = work / f"{font}-{player}"
        songs.render_songs(
            out, files, soundfont=font, instruments=[player], duration_s=DURATION_S, sample_rate=RATE
        )
        yield from ((f"{font}: {player}", file) for file in sorted(out.glob("*.flac")))


def described(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Of each note of a rendered song: level in dB, octave, its square (n, 3); and its velocity (n,)."""
    feature = features.NoteFreq(sample_rate=RATE)
    samples, _ = decode.read(file, sample_rate=RATE)
    short = np.asarray(feature(samples), dtype=np.float64)[:, feature.n_pitches :]
    rows, played = [], []
    for onset_s, _, pitch, velocity in read_notes(file.with_suffix("").with_suffix(".notes.csv")).tolist():
        frame = round(onset_s * RATE / feature.hop_samples)
        seen = short[frame : frame + LOOK_AHEAD + 1]
        if not len(seen):
            continue
        bins = BINS_PER_KEY * (int(pitch) - LOWEST) + 36 * np.log2(loudness.PARTIALS)
        centre = np.minimum(np.round(bins).astype(int), feature.n_pitches - 1)
        level = np.mean([seen[:, max(b - 1, 0) : b + 2].max() for b in centre])
        octave = (pitch - loudness.MIDDLE) / 12.0
        rows.append((level, octave, octave**2))
        played.append(velocity)
    return np.array(rows).reshape(-1, 3), np.array(played)


def fit(midi: Path, work: Path) -> None:
    """Least squares over both fonts, each song's means taken away."""
    inputs, targets = [], []
    for font in FITTED:
        for _, file in rendered(midi, work, font):
            rows, played = described(file)
            if len(played) >= FEWEST:
                inputs.append(rows - rows.mean(axis=0))
                targets.append(played - played.mean())
    found, *_ = np.linalg.lstsq(np.concatenate(inputs), np.concatenate(targets), rcond=None)
    print(f"{len(inputs)} songs, {sum(map(len, targets)):,} notes")
    for name, value in zip(("a dB", "an octave", "its square"), found, strict=True):
        print(f"{name}: {value:.2f}")


def stems(work: Path) -> Iterator[tuple[str, Path]]:
    """Stems of the font that is judged on, random bars of each instrument."""
    out = work / "stems"
    render.render_stems(
        out, counts=dict.fromkeys(STEMS, 6), soundfont=JUDGED, seed=7, duration_s=11.0, sample_rate=RATE
    )
    yield from ((f"{JUDGED}: random bars", file) for file in sorted(out.rglob("*.flac")))


def compared(model: NoteModel, file: Path, true: figures.Notes) -> tuple[float, float, float] | None:
    """Correlation, mean distance of deviations from the medians, and that of no difference; None for too few notes."""
    true, said = figures.fair(true, figures.notes_of(model.analyze(file).notes))
    pairs = np.array(figures.matched(true, said)).reshape(-1, 2)
    if len(pairs) < FEWEST or true.velocity is None or said.velocity is None:
        return None
    played, told = true.velocity[pairs[:, 0]], said.velocity[pairs[:, 1]]
    if not (np.ptp(played) and np.ptp(told)):
        return None
    played, told = played - np.median(played), told - np.median(told)
    return (
        float(np.corrcoef(played, told)[0, 1]),
        float(np.abs(played - told).mean()),
        float(np.abs(played).mean()),
    )


def judged(midi: Path, data: Path, work: Path) -> Iterator[tuple[str, Path, figures.Notes]]:
    """What is measured: group, sound, notes as they were played."""
    for group, file in (*rendered(midi, work, JUDGED), *stems(work)):
        notes = read_notes(file.with_suffix("").with_suffix(".notes.csv")).T
        yield group, file, figures.Notes(notes[0], notes[1], notes[2], notes[3])
    for file in sorted((data / "nc_maps").glob("*.csv")):
        yield "nc_maps: pianos", file.with_suffix(".ogg"), truth(file, 1.0)


def measure(midi: Path, data: Path, work: Path, name: str) -> None:
    """A row for each group, on stdout."""
    model, groups = sonoscope.load(name), dict[str, list[tuple[float, float, float]]]()
    for group, file, true in judged(midi, data, work):
        if (row := compared(model, file, true)) is not None:
            groups.setdefault(group, []).append(row)
    print("| recordings | | correlation (95 %) | distance | of no difference |\n|---|---|---|---|---|")
    for group, rows in groups.items():
        correlation, distance, without = np.array(rows).T
        low, high = interval(correlation.tolist())
        print(
            f"| {group} | {len(rows)} | {correlation.mean():.2f} ({low:.2f} to {high:.2f}) "
            f"| {distance.mean():.1f} | {without.mean():.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("fit", "measure"))
    parser.add_argument("--midi", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default="notes")
    given = parser.parse_args()
    if given.step == "fit":
        fit(given.midi, given.work)
    elif given.data is None:
        parser.error("measure needs --data")
    else:
        measure(given.midi, given.data, given.work, given.model)


if __name__ == "__main__":
    main()
