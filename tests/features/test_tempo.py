"""Tempo: clicks and drum patterns at stated tempos, and what has none."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.features import tempo

RATE = 22_050


def clicks(bpm: float, seconds: float = 12.0, *, swing: float = 0.0, seed: int = 0) -> np.ndarray:
    """A click on each beat, up to ``swing`` seconds early or late, over faint noise."""
    rng = np.random.default_rng(seed)
    sound = 1e-3 * rng.standard_normal(int(seconds * RATE))
    for beat in np.arange(0.2, seconds - 0.1, 60 / bpm):
        at = int((beat + rng.uniform(-swing, swing)) * RATE)
        sound[at : at + 1000] += np.exp(-np.arange(1000) / 150) * rng.standard_normal(1000)
    return sound.astype(np.float32)


def drums(bpm: float, seconds: float = 12.0) -> np.ndarray:
    """Bass drum on one and three, snare on two and four, hi-hat on eighths."""
    rng, sound = np.random.default_rng(1), np.zeros(int(seconds * RATE))
    n = np.arange(2000)
    hits = {
        "kick": np.sin(2 * np.pi * 60 * n / RATE) * np.exp(-n / 600),
        "snare": 0.6 * rng.standard_normal(n.size) * np.exp(-n / 400),
        "hat": 0.15 * np.diff(rng.standard_normal(n.size + 1)) * np.exp(-n / 100),
    }
    for eighth, at_s in enumerate(np.arange(0.05, seconds - 0.2, 30 / bpm)):
        at = int(at_s * RATE)
        for name in ["hat"] + (["kick"] if eighth % 4 == 0 else ["snare"] if eighth % 4 == 2 else []):
            sound[at : at + n.size] += hits[name]
    return (0.3 * sound).astype(np.float32)


@pytest.mark.parametrize("bpm", [62, 77, 90, 100, 117.3, 128, 140, 155])
def test_clicks_have_their_tempo_to_half_a_percent(bpm: float) -> None:
    found = tempo.tempo(clicks(bpm), RATE)
    assert found is not None and found.beats_per_minute == pytest.approx(bpm, rel=0.005)
    assert 0.3 < found.strength <= 1


@pytest.mark.parametrize("bpm", [44, 170, 185, 200, 230])
def test_very_slow_and_fast_ones_may_be_an_octave_off(bpm: float) -> None:
    found = tempo.tempo(clicks(bpm), RATE)
    assert found is not None
    assert min(abs(found.beats_per_minute * k / bpm - 1) for k in (0.5, 1, 2)) < 0.005


@pytest.mark.parametrize("bpm", [80, 95, 110, 125, 140])
def test_a_drum_pattern_has_the_tempo_of_its_beats(bpm: float) -> None:
    found = tempo.tempo(drums(bpm), RATE)
    assert found is not None and found.beats_per_minute == pytest.approx(bpm, rel=0.01)


def test_players_need_not_be_exact_and_the_level_does_not_matter() -> None:
    found = tempo.tempo(clicks(104, swing=0.015), RATE)
    assert found is not None and found.beats_per_minute == pytest.approx(104, rel=0.02)
    quiet = tempo.tempo(1e-2 * clicks(104), RATE)
    assert quiet is not None and quiet.beats_per_minute == pytest.approx(104, rel=0.005)


def test_onset_strength_is_high_where_something_begins() -> None:
    sound = np.zeros(2 * RATE, np.float32)
    n = np.arange(8000)
    sound[RATE : RATE + n.size] = 0.3 * np.sin(2 * np.pi * 500 * n / RATE) * np.exp(-n / 1000)
    strength, per_second = tempo.onset_strength(sound, RATE)
    assert strength.shape == (1 + sound.size // round(0.01 * RATE),) and strength.min() >= 0
    # A frame hears the onset from half its length on.
    assert abs(strength.argmax() / per_second - 1.0) < tempo.FRAME_S


def test_what_is_short_silent_or_steady_has_no_tempo_or_a_weak_one(rng: np.random.Generator) -> None:
    assert tempo.tempo(clicks(120, 3.9), RATE) is None
    assert tempo.tempo(np.zeros(10 * RATE, np.float32), RATE) is None
    noise = tempo.tempo(rng.standard_normal(10 * RATE).astype(np.float32), RATE)
    assert noise is not None and noise.strength < 0.25
