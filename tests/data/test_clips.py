"""Rows as samples: parts of a file that overlap, follow each other, or reach to its end, from one pass over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from sonoscope.data import clips
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.survey import Problem

RATE = 8000


def test_every_row_of_a_file_is_its_own_part_of_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = (rng.uniform(-0.5, 0.5, 60 * RATE) * 32768).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="PCM_16")
    starts, seconds = rng.uniform(0, 50, 300).round(3), rng.uniform(0.001, 9, 300).round(3)
    rows = [Row("a.wav", start_s=s, duration_s=d) for s, d in zip(starts, seconds, strict=True)]
    rows += [Row("a.wav"), Row("a.wav", start_s=59.5), Row("a.wav", start_s=59.0, duration_s=4.0)]
    problems: list[Problem] = []
    found = {
        clip.index: clip.samples
        for clip in clips.each(Manifest(tuple(rows), tmp_path), RATE, report=problems.append)
    }
    assert sorted(found) == list(range(302)) and [problem.start_s for problem in problems] == [59.0]
    for index, part in found.items():
        row = rows[index]
        stop = len(samples) if row.end_s is None else round(row.end_s * RATE)
        np.testing.assert_array_equal(part * 32768, samples[round(row.start_s * RATE) : stop])
