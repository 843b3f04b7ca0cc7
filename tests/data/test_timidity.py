"""TiMidity++ and freepats: what is played, when, and what is said when they are not there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sonoscope.data.rendering import music, octaves, orchestra, timidity
from sonoscope.data.rendering.music import NoteEvent, Score
from sonoscope.data.rendering.synth import NoSynthesizer
from sonoscope.errors import UsageError

RATE = 24_000
here = pytest.mark.skipif(
    shutil.which("timidity") is None or not timidity.FREEPATS.is_file(), reason="needs timidity and freepats"
)


def score_of(*notes: NoteEvent) -> Score:
    composed = music.compose(orchestra.find("piano"), np.random.default_rng(0), 3.0)
    return replace(composed, notes=notes, controls=(), duration_s=3.0)


@here
def test_notes_begin_when_they_are_written() -> None:
    onsets = (0.5, 1.2345, 2.0)
    played = score_of(*(NoteEvent(at, at + 0.3, 60 + k, 100) for k, at in enumerate(onsets)))
    samples = timidity.render(played, 0, RATE)
    assert samples.shape == (3 * RATE,)
    assert samples.dtype == np.float32
    for at in onsets:
        before = np.abs(samples[round((at - 0.1) * RATE) : round((at - 0.001) * RATE)]).max()
        after = np.abs(samples[round(at * RATE) : round((at + 0.02) * RATE)])
        assert after.max() > 3 * before
        assert np.argmax(after > 0.2 * after.max()) < 0.008 * RATE


@here
def test_pitches_are_those_of_the_keys() -> None:
    for pitch, hz in ((69, 440.0), (76, 659.26)):  # an ocarina is nearly a sine
        samples = timidity.render(score_of(NoteEvent(0.1, 1.6, pitch, 100)), 79, RATE)
        part = samples[RATE // 2 : 3 * RATE // 2]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(part.size), 1 << 17))
        assert np.argmax(spectrum) * RATE / (1 << 17) == pytest.approx(hz, rel=0.01)


@here
def test_a_church_organ_is_heard_an_octave_lower() -> None:
    assert octaves.judged(timidity.render(octaves.alone(72), 19, RATE), RATE, 72) == -12
    assert octaves.judged(timidity.render(octaves.alone(72), 71, RATE), RATE, 72) == 0


@here
def test_a_program_without_a_patch_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no program 3\..*It has: 0, 1, 2"):
        timidity.render(score_of(NoteEvent(0.1, 0.5, 60, 90)), 3, RATE)


def test_absent_patches_are_named(tmp_path: Path) -> None:
    with pytest.raises(NoSynthesizer, match="apt install timidity freepats"):
        timidity.programs(tmp_path / "none.cfg")
