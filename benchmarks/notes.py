"""Notes from scores: how long it takes, whether that grows with the length alone?

The scores are those of dense music, twenty notes a second on 88 pitches over a floor of noise, 86 frames a second.
Times are of the decoder, of the decoder in blocks of a second as they come live, and of both files (scores kept in 16
bits, and notes written as MIDI).
"""

from __future__ import annotations

import io
import statistics

import numpy as np

from measure import Figure, Settings, interleaved

HOP_S = 256 / 22_050
NOTES_PER_S = 20


def run(settings: Settings) -> list[Figure]:
    """Times at 10 and 60 minutes, and their growth."""
    from sonoscope.notes.decode import decode
    from sonoscope.notes.live import Live
    from sonoscope.notes.scores import concatenate, save

    short_minutes, long_blocks = (0.5, 2) if settings.quick else (10.0, 6)
    short = dense(short_minutes)
    long = concatenate([short] * long_blocks)
    notes = decode(short)
    kept = settings.folder / "notes-scores.npz"

    def live() -> None:
        stream = Live(short)
        for block in short.blocks(round(1 / HOP_S)):
            stream.push(block)
        stream.close()

    seconds = {
        name: statistics.median(times)
        for name, times in interleaved(
            {
                "short": lambda: decode(short),
                "long": lambda: decode(long),
                "live": live,
                "midi": lambda: as_midi(notes, short_minutes * 60),
                "kept": lambda: save(short, kept),
            },
            settings.repeats,
        ).items()
    }
    minutes, many = f"{short_minutes:g} min", f"{short_minutes * long_blocks:g} min"
    size = kept.stat().st_size / 2**20
    return [
        Figure(f"notes of {minutes} of dense scores", seconds["short"], "s", "", {"notes": len(notes)}),
        Figure(f"notes of {many}", seconds["long"], "s", ""),
        Figure(
            f"{many} / {minutes}, per frame", seconds["long"] / long_blocks / seconds["short"], "x", "<= 1.2"
        ),
        Figure(f"{minutes} live, a second at a time", seconds["live"], "s", ""),
        Figure(f"{minutes}, notes to MIDI", seconds["midi"], "s", ""),
        Figure(f"{minutes}, scores kept in 16 bits", seconds["kept"], "s", "", {"mib": round(size, 1)}),
    ]


def dense(minutes: float):
    """Scores of dense music, the same every time."""
    from sonoscope.notes.scores import NoteScores

    rng = np.random.default_rng(0)
    n_frames = int(minutes * 60 / HOP_S)
    onset = rng.random((n_frames, 88), dtype=np.float32) * np.float32(0.1)
    sustain = rng.random((n_frames, 88), dtype=np.float32) * np.float32(0.2)
    for _ in range(int(minutes * 60 * NOTES_PER_S)):
        first, pitch, length = rng.integers(1, n_frames - 130), rng.integers(88), rng.integers(5, 120)
        sustain[first : first + length, pitch] = np.linspace(0.95, 0.4, length)
        onset[first - 1 : first + 2, pitch] = 0.4, 0.9, 0.5
    return NoteScores(onset, sustain, HOP_S)


def as_midi(notes: list, duration_s: float) -> None:
    """Write notes as MIDI, to memory."""
    from sonoscope.outputs import WRITERS
    from sonoscope.values import FileResult, Label

    result = FileResult("a.wav", "a.wav", "notes", (Label("note"),), duration_s, 22_050, 1, tuple(notes))
    WRITERS["midi"].write(result, io.BytesIO())
