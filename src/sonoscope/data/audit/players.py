"""Short sounds beside a page: mono, 24 kHz, small enough for hundreds of them, in a form that every browser plays."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sonoscope.data import clips
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.survey import Problem
from sonoscope.writing import put

SAMPLE_RATE = 24_000
#: Seconds of a row that are written, from where it begins to sound.
LONGEST_S = 8.0
#: Sound begins where it comes within this of the row's peak; a little before it is kept.
_BEGINS, _BEFORE_S = 0.02, 0.1
#: What is written is brought to this peak, so that nobody turns the volume for every row.
_PEAK = 0.7


def write(
    manifest: Manifest,
    rows: Sequence[Row],
    folder: Path,
    *,
    report: Callable[[Problem], None] | None = None,
) -> dict[int, tuple[str, float]]:
    """Write the beginning of every row into ``folder``, which is made; others there of the same names are replaced.

    Returns
    -------
    dict
        For each place in ``rows`` that could be read, the file's name and the second of the row at which it begins.
    """
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    form = "MP3" if "MP3" in soundfile.available_formats() else "WAV"
    found: dict[int, tuple[str, float]] = {}
    for clip in clips.each(manifest, SAMPLE_RATE, rows=rows, report=report):
        samples, begins = excerpt(clip.samples)
        if not samples.size:
            continue
        name = f"{clip.index + 1:04d}.{form.lower()}"
        sound = io.BytesIO()
        soundfile.write(sound, samples, SAMPLE_RATE, format=form)
        put(folder / name, sound.getvalue())
        found[clip.index] = name, begins / SAMPLE_RATE
    return found


def excerpt(samples: np.ndarray, longest_s: float = LONGEST_S) -> tuple[np.ndarray, int]:
    """At most ``longest_s`` from where the sound begins, at an even peak, and the sample at which it begins."""
    peak = float(np.abs(samples).max(initial=0.0))
    if not peak:
        return samples[: round(longest_s * SAMPLE_RATE)], 0
    first = int(np.argmax(np.abs(samples) >= _BEGINS * peak))
    begins = max(first - round(_BEFORE_S * SAMPLE_RATE), 0)
    part = samples[begins : begins + round(longest_s * SAMPLE_RATE)]
    return part * (_PEAK / peak), begins
