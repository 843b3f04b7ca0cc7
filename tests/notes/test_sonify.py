"""Notes made heard: the right frequency at the right time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.errors import UsageError
from sonoscope.notes import sonify
from sonoscope.values import Event

RATE = 16_000


def note(start_s: float, end_s: float, pitch: float | None, velocity: int | None = 100) -> Event:
    return Event(start_s, end_s, "note", 1.0, pitch=pitch, velocity=velocity)


@pytest.mark.parametrize(
    ("pitch", "hertz"), [(69, 440.0), (60, 261.626), (69.5, 452.893), (33, 55.0), (108, 4186.0)]
)
def test_the_lowest_and_loudest_is_the_pitch(pitch: float, hertz: float) -> None:
    sound = sonify.sonify([note(0.5, 1.5, pitch)], RATE, 2.0)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 17))
    assert np.argmax(spectrum) * RATE / (1 << 17) == pytest.approx(hertz, abs=1.0)


def test_it_sounds_when_the_note_does_and_dies_away() -> None:
    sound = sonify.sonify([note(0.5, 1.5, 60), note(5.0, 6.0, 60), note(1.9, 4.0, None)], RATE, 2.0)
    assert sound.dtype == np.float32 and len(sound) == 2 * RATE
    assert not sound[: RATE // 2].any() and not sound[round(1.54 * RATE) :].any()
    early, late = (np.abs(sound[round(t * RATE) : round((t + 0.1) * RATE)]).max() for t in (0.52, 1.35))
    assert np.abs(sound).max() == pytest.approx(0.5) and 0.2 < late / early < 0.6


def test_velocity_is_loudness_and_nothing_folds_back() -> None:
    both = sonify.sonify([note(0.0, 0.5, 60, 127), note(1.0, 1.5, 60, 32)], RATE, 2.0)
    assert np.abs(both[RATE:]).max() / np.abs(both[:RATE]).max() == pytest.approx(32 / 127, rel=0.01)
    high = sonify.sonify([note(0.0, 1.0, 108)], 12_000, 1.0)
    spectrum = np.abs(np.fft.rfft(high * np.hanning(len(high))))
    assert spectrum[:3500].max() < 0.01 * spectrum.max()


def test_silence_and_wrong_use() -> None:
    assert not sonify.sonify([], RATE, 1.0).any()
    with pytest.raises(UsageError, match=r"sample_rate=0, duration_s=1\.0"):
        sonify.sonify([], 0, 1.0)
    with pytest.raises(UsageError, match=r"beside='left': either 'stereo' or 'mixed'"):
        sonify.beside(np.zeros(3), np.zeros(3), "left")  # type: ignore[arg-type]


def test_beside_the_recording(tmp_path: Path) -> None:
    recording, notes = np.full(100, -0.1), sonify.sonify([note(0.0, 0.5, 60)], RATE, 1.0)
    both = sonify.beside(recording, notes)
    assert both.shape == (RATE, 2) and np.abs(both).max(axis=0) == pytest.approx([0.5, 0.5])
    assert np.array_equal(both[:, 1], notes) and not both[100:, 0].any()
    assert np.array_equal(sonify.beside(recording, notes, "mixed"), both.sum(axis=1))
    sonify.write(tmp_path / "both.wav", both, RATE)
    again, rate = soundfile.read(tmp_path / "both.wav")
    assert rate == RATE and np.abs(again - both).max() < 1e-4
