"""The shipped model of notes with sound that is hard on it: silence, a telephone's rate, another tuning, noise."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from sonoscope import api, models

RATE = 44_100
SCALE = (60, 62, 64, 65, 67, 69, 71, 72, 76, 79)
STEP_S = 0.45

pytestmark = pytest.mark.skipif("notes" not in models.names(), reason="no model of notes is shipped here")


@pytest.fixture(autouse=True)
def shipped_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SONOSCOPE_MODELS", raising=False)


def plucked(rate: int, cents: float = 0.0, pitches: tuple[int, ...] = SCALE) -> np.ndarray:
    """Strings that are plucked one after another: harmonics below half the rate that die away, float32."""
    sound = np.zeros(round((0.5 + STEP_S * len(pitches)) * rate))
    time_s = np.arange(round(0.42 * rate)) / rate
    fade = np.minimum(1.0, (0.42 - time_s) / 0.02)
    for number, pitch in enumerate(pitches):
        hertz = 440 * 2 ** ((pitch - 69 + cents / 100) / 12)
        partials = [h for h in range(1, 12) if h * hertz < 0.45 * rate]
        tone = sum(np.sin(2 * np.pi * hertz * h * time_s) * np.exp(-2 * h * time_s) / h for h in partials)
        first = round((0.3 + STEP_S * number) * rate)
        sound[first : first + time_s.size] += 0.2 * tone * fade
    return sound.astype(np.float32)


def heard(samples: np.ndarray, rate: int, **options: object):
    return api.load("notes").analyze(samples, sample_rate=rate, **options)


def share_found(result) -> float:
    """How many notes of the scale were heard when they are played."""
    found = {(round((n.start_s - 0.3) / STEP_S), n.pitch) for n in result.notes}
    return sum((k, pitch) in found for k, pitch in enumerate(SCALE)) / len(SCALE)


def test_a_scale_is_heard() -> None:
    result = heard(plucked(RATE), RATE)
    assert share_found(result) == 1.0 and len(result.notes) <= len(SCALE) + 2
    assert result.cents == 0 and result.note == ""


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_silence_is_a_valid_midi_file_without_notes(level: float, tmp_path: Path) -> None:
    samples = (np.random.default_rng(0).standard_normal(3 * RATE) * level).astype(np.float32)
    soundfile.write(tmp_path / "silent.wav", samples, RATE, subtype="FLOAT")
    result = api.load("notes").analyze(tmp_path / "silent.wav")
    assert result.notes == ()
    result.to_midi(tmp_path / "silent.mid")
    file = mido.MidiFile(tmp_path / "silent.mid")
    assert file.type == 1 and not [m for track in file.tracks for m in track if m.type == "note_on"]


def test_telephone_sound_works_and_says_up_to_which_note() -> None:
    result = heard(plucked(8000), 8000)
    assert share_found(result) >= 0.9
    assert result.note == "sampled at 8,000 Hz: nothing above 4,000 Hz, no note above B7"


@pytest.mark.parametrize("cents", [-40, 40])
def test_a_tuning_40_cents_off_is_followed(cents: int) -> None:
    result = heard(plucked(RATE, cents), RATE)
    assert result.cents == pytest.approx(cents, abs=5) and "followed" in result.note
    assert share_found(result) == 1.0


def test_white_noise_has_hardly_a_note() -> None:
    noise = (np.random.default_rng(1).standard_normal(10 * RATE) * 0.1).astype(np.float32)
    assert len(heard(noise, RATE).notes) <= 1
