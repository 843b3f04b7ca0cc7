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


# ---- stretch by stretch --------------------------------------------------------------------------------------------


def test_a_player_plays_the_same_in_any_stretches() -> None:
    notes = [note(0.0, 0.4, 60), note(0.3, 1.7, 64), note(1.95, 2.5, 67), note(0.2, 0.3, None)]
    whole = sonify.Player(notes, RATE).next(2 * RATE)
    player = sonify.Player(reversed(notes), RATE)
    parts = np.concatenate([player.next(size) for size in (1, 5000, 777, 2 * RATE - 5778)])
    assert np.array_equal(parts, whole) and player.place == 2 * RATE
    assert 0.1 < np.abs(whole).max() <= 0.5


def test_a_crowd_of_notes_is_bent_and_not_clipped() -> None:
    crowd = [note(0.0, 1.0, pitch, 127) for pitch in range(40, 80)]
    assert np.abs(sonify.Player(crowd, RATE).next(RATE)).max() <= 0.5


@pytest.mark.parametrize(("how", "channels"), [("notes", 1), ("stereo", 2), ("mixed", 1)])
def test_a_file_is_as_long_as_the_recording(tmp_path: Path, how: sonify.How, channels: int) -> None:
    recording = np.linspace(-0.5, 0.5, RATE, dtype=np.float32)
    with open(tmp_path / "a.wav", "wb") as file:
        # The recording is cut short: silence follows.
        sonify.write_played(
            file, [note(0.2, 0.9, 69)], RATE, 1.5, how=how, recording=np.split(recording, [700, 9000])
        )
    read, rate = soundfile.read(tmp_path / "a.wav", always_2d=True)
    assert rate == RATE and read.shape == (round(1.5 * RATE), channels)
    played = sonify.Player([note(0.2, 0.9, 69)], RATE).next(len(read))
    padded = np.pad(recording, (0, len(read) - RATE))
    expected = {
        "notes": played[:, None],
        "stereo": np.stack([padded, played], 1),
        "mixed": (padded + played)[:, None] / 2,
    }
    assert np.abs(read - expected[how]).max() < 1e-4


def test_what_a_file_cannot_hold(tmp_path: Path) -> None:
    with open(tmp_path / "a.wav", "wb") as file:
        with pytest.raises(UsageError, match="more than a WAV file holds"):
            sonify.write_played(file, [], 24_000, 30 * 3600.0)
        with pytest.raises(UsageError, match="audio='left': one of notes, stereo, mixed"):
            sonify.write_played(file, [], 24_000, 1.0, how="left")  # type: ignore[arg-type]
