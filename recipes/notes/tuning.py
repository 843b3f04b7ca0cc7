"""Notes of recordings that are tuned away from A4 = 440 Hz, with their tuning followed and without.

    python recipes/notes/tuning.py DATA [MODEL]

DATA holds a folder `nc_maps` of piano recordings with their notes; every fourth is played faster, and so higher, by
some cents. A table goes to stdout: the mean F1 of onsets, as mir_eval counts them, for each detuning.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import soxr

import sonoscope
from sonoscope.audio import decode
from sonoscope.evaluation import notes as figures
from sonoscope.noteapi import NoteModel

CENTS = (0, 20, 40, -20, -40)
EVERY = 4


def truth(file: Path, ratio: float) -> figures.Notes:
    """The notes of a recording that is played ``ratio`` times as fast; those that sound at its start left out."""
    with open(file, newline="", encoding="utf-8") as opened:
        rows = [row for row in csv.DictReader(opened) if row["sounding_at_start"] != "1"]
    start_s, end_s, pitch, velocity = (
        np.array([float(row[name]) for row in rows]) for name in ("onset_s", "offset_s", "midi", "velocity")
    )
    return figures.Notes(start_s / ratio, end_s / ratio, pitch, velocity)


def onset_f1(model: NoteModel, files: list[Path], cents: int, tuning: float | str) -> float:
    """The mean F1 of onsets over recordings detuned by ``cents``, heard with ``tuning``."""
    ratio, found = 2 ** (cents / 1200), []
    for file in files:
        samples, rate = decode.read(file.with_suffix(".ogg"), sample_rate=model.sample_rate)
        faster = soxr.resample(samples, rate * ratio, rate) if cents else samples
        heard = model.analyze(faster, sample_rate=rate, tuning=tuning)  # type: ignore[arg-type]
        true, said = figures.fair(truth(file, ratio), figures.notes_of(heard.notes))
        found.append(2 * len(figures.matched(true, said)) / max(len(true) + len(said), 1))
    return float(np.mean(found))


def main() -> None:
    data, name = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "notes"
    model, files = sonoscope.load(name), sorted((data / "nc_maps").glob("*.csv"))[::EVERY]
    print(f"| cents | followed | not followed |   ({len(files)} recordings)\n|---|---|---|")
    for cents in CENTS:
        row = (onset_f1(model, files, cents, tuning) for tuning in ("auto", 0.0))
        print(f"| {cents:+d} | " + " | ".join(f"{value:.3f}" for value in row) + " |", flush=True)


if __name__ == "__main__":
    main()
