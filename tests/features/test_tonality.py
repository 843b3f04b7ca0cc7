"""Keys: all 24 of them played, mistuned, and in chords of harmonic tones; what has no key."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.errors import UnknownName
from sonoscope.features import tonality

RATE = 22_050
#: Chords of a cadence, I IV V I and i iv V i, in semitones above the tonic.
CADENCE = {
    "major": [(0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7)],
    "minor": [(0, 3, 7), (5, 8, 12), (7, 11, 14), (0, 3, 7)],
}


def played(tonic: int, mode: str, *, cents: float = 0.0, chord_s: float = 0.6, seed: int = 0) -> np.ndarray:
    """A cadence over a bass note, each tone with eight falling harmonics, and some noise."""
    rng, t = np.random.default_rng(seed), np.arange(int(chord_s * RATE)) / RATE
    parts = []
    for chord in CADENCE[mode]:
        pitches = [48 + tonic + step for step in chord] + [36 + tonic + chord[0]]
        hz = 440 * 2 ** ((np.array(pitches) - 69 + cents / 100) / 12)
        tones = [np.sin(2 * np.pi * f * k * t + rng.uniform(0, 6)) / k for f in hz for k in range(1, 9)]
        parts.append(np.sum(tones, axis=0) * np.exp(-2 * t))
    sound = np.concatenate(parts)
    return (0.05 * sound + 0.002 * rng.standard_normal(sound.size)).astype(np.float32)


@pytest.mark.parametrize("profiles", tonality.PROFILES)
def test_all_keys_are_found(profiles: str) -> None:
    wrong = [
        (tonic, mode)
        for tonic in range(12)
        for mode in tonality.MODES
        if (found := tonality.key(played(tonic, mode, seed=tonic), RATE, profiles=profiles)) is None
        or (found.tonic, found.mode) != (tonic, mode)
    ]
    assert not wrong


@pytest.mark.parametrize("cents", [-45, -20, 20, 45])
def test_a_mistuned_instrument_has_the_same_key(cents: float) -> None:
    found = tonality.key(played(2, "minor", cents=cents), RATE)
    assert str(found) == "D minor"


def test_level_rate_and_speed_do_not_matter() -> None:
    sound = played(6, "major")
    assert str(tonality.key(1e-3 * sound, RATE)) == "F# major"
    assert str(tonality.key(played(6, "major", chord_s=0.9), RATE)) == "F# major"
    assert str(tonality.key(sound[::2], RATE // 2)) == "F# major"


def test_pitch_classes_say_what_sounds() -> None:
    t = np.arange(RATE) / RATE
    sound = np.sin(2 * np.pi * 440 * t) + np.sin(2 * np.pi * 659.26 * t)
    classes = tonality.pitch_classes(sound.astype(np.float32), RATE)
    assert classes.sum() == pytest.approx(1) and classes[[9, 4]].sum() > 0.95
    assert classes[9] == pytest.approx(classes[4], rel=0.1)


def test_profiles_turn_with_the_tonic_and_are_found_in_themselves() -> None:
    for name, table in tonality.PROFILES.items():
        for mode, profile in zip(tonality.MODES, table, strict=True):
            for tonic in range(12):
                found = tonality.key_of(np.roll(profile, tonic), profiles=name)
                assert found is not None and (found.tonic, found.mode) == (tonic, mode)
                assert found.correlation == pytest.approx(1.0) and found.margin > 0


def test_silence_has_no_key_and_noise_an_unsure_one(rng: np.random.Generator) -> None:
    assert tonality.key(np.zeros(RATE, np.float32), RATE) is None
    assert tonality.key(np.zeros(0, np.float32), RATE) is None
    noise = tonality.key(rng.standard_normal(3 * RATE).astype(np.float32), RATE)
    sure = tonality.key(played(0, "major"), RATE)
    assert noise is not None and sure is not None and noise.correlation < 0.6 < sure.correlation


def test_what_is_unknown_is_refused() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'temperley'"):
        tonality.key_of(np.arange(12.0), profiles="temperly")
    with pytest.raises(ValueError, match="sample_rate=2000 must be at least 4000"):
        tonality.key(np.zeros(100, np.float32), 2000)
