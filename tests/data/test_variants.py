"""Variants of a recording against physics: pitch, decay, harmonics, bands."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from sonoscope.data.mix.variants import Variant, apply, choose

RATE = 16_000


def tone(frequency_hz: float, seconds: float = 1.0, amplitude: float = 0.5) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def level_db(samples: np.ndarray, frequency_hz: float) -> float:
    """Level of one frequency in the middle half of a signal."""
    middle = samples[samples.size // 4 : 3 * samples.size // 4].astype(np.float64)
    window = np.hanning(middle.size)
    turn = np.exp(-2j * np.pi * frequency_hz * np.arange(middle.size) / RATE)
    return float(20 * np.log10(2 * np.abs(np.sum(middle * window * turn)) / window.sum() + 1e-12))


def test_the_default_changes_nothing(rng: np.random.Generator) -> None:
    samples = rng.standard_normal(3000).astype(np.float32)
    out = apply(samples, RATE, Variant())
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, samples)


@pytest.mark.parametrize("semitones", [-1.5, 1.0])
def test_speed_moves_pitch_and_length_together(semitones: float) -> None:
    speed = 2 ** (semitones / 12)
    out = apply(tone(1000.0, 2.0), RATE, Variant(speed=speed))
    assert out.size == pytest.approx(2 * RATE / speed, abs=2)
    assert level_db(out, 1000.0 * speed) == pytest.approx(20 * np.log10(0.5), abs=0.1)
    assert level_db(out, 1000.0) < -60


def test_overdrive_adds_odd_harmonics_and_keeps_the_peak() -> None:
    samples = tone(300.0)
    out = apply(samples, RATE, Variant(drive_db=18.0))
    assert np.abs(out).max() == pytest.approx(np.abs(samples).max(), rel=1e-3)
    assert level_db(samples, 900.0) < -80
    assert level_db(out, 900.0) > level_db(out, 300.0) - 15
    assert level_db(out, 600.0) < -60
    assert apply(np.zeros(100, np.float32), RATE, Variant(drive_db=18.0)).max() == 0


def test_a_room_decays_by_sixty_decibels_in_its_time() -> None:
    impulse = np.zeros(RATE, dtype=np.float32)
    impulse[0] = 1.0
    out = apply(impulse, RATE, Variant(room_s=0.5, wet_db=0.0, seed=3))
    assert out[0] == 1.0
    assert np.abs(out[1 : int(0.003 * RATE)]).max() < 1e-6
    # Half the energy is the room's; the late part decays at least as fast as the room (its treble faster).
    room = out[1:].astype(np.float64)
    assert np.sum(room**2) == pytest.approx(1.0, rel=0.01)
    steps = np.array([np.sum(room[k : k + 800] ** 2) for k in range(800, 6400, 800)])
    slope = np.polyfit(np.arange(steps.size) * 800 / RATE, 10 * np.log10(steps), 1)[0]
    assert -60 / 0.5 * 1.5 < slope < -60 / 0.5 * 0.9


def test_a_room_is_heard_after_the_sound_and_its_seed_is_its_noise() -> None:
    samples = tone(500.0, 0.25)
    rooms = [apply(samples, RATE, Variant(room_s=1.0, wet_db=-6.0, seed=seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(rooms[0], rooms[1])
    assert np.abs(rooms[0] - rooms[2]).max() > 1e-3
    assert rooms[0].size == samples.size + RATE // 2
    assert np.abs(rooms[0][samples.size + 100 :]).max() > 1e-3


@pytest.mark.parametrize(
    ("variant", "passed_hz", "stopped_hz"),
    [(Variant(low_cut_hz=300.0), 1200.0, 75.0), (Variant(high_cut_hz=3000.0), 750.0, 6500.0)],
)
def test_band_limits_pass_and_stop(variant: Variant, passed_hz: float, stopped_hz: float) -> None:
    assert level_db(apply(tone(passed_hz), RATE, variant), passed_hz) == pytest.approx(
        20 * np.log10(0.5), abs=0.1
    )
    # Fourth order: 24 dB an octave.
    assert level_db(apply(tone(stopped_hz), RATE, variant), stopped_hz) < -45


def test_a_limit_beyond_the_band_is_no_limit() -> None:
    samples = tone(1000.0)
    np.testing.assert_array_equal(apply(samples, RATE, Variant(high_cut_hz=9000.0)), samples)


def test_choices_stay_in_their_ranges_and_follow_the_generator() -> None:
    drawn = [choose(np.random.default_rng(seed)) for seed in range(300)]
    assert drawn == [choose(np.random.default_rng(seed)) for seed in range(300)]
    assert all(2 ** (-1.5 / 12) <= v.speed <= 2 ** (1.5 / 12) for v in drawn)
    assert all(v.room_s == 0 or 0.15 <= v.room_s <= 1.4 for v in drawn)
    assert all(v.low_cut_hz == 0 or 40 <= v.low_cut_hz <= 350 for v in drawn)
    assert all(v.high_cut_hz == 0 or 3000 <= v.high_cut_hz <= 10_000 for v in drawn)
    for field in ("room_s", "low_cut_hz", "high_cut_hz", "drive_db"):
        some = sum(getattr(v, field) > 0 for v in drawn)
        assert 0 < some < len(drawn), field


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 50)])
def test_the_share_of_overdrive_is_the_one_asked_for(share: float, expected: int) -> None:
    rng = np.random.default_rng(0)
    assert sum(choose(rng, overdrive=share).drive_db > 0 for _ in range(50)) == expected


def test_the_share_of_codecs_is_the_one_asked_for_and_changes_nothing_else() -> None:
    plain, coded = (
        [choose(np.random.default_rng(seed), coded=share) for seed in range(30)] for share in (0.0, 0.5)
    )
    assert not any(variant.codec for variant in plain)
    assert 5 < sum(bool(variant.codec) for variant in coded) < 25
    assert [replace(variant, codec="", coded_rate=0, bit_rate=0) for variant in coded] == plain


def test_everything_at_once_is_finite_for_any_length(rng: np.random.Generator) -> None:
    variant = replace(
        choose(rng, coded=1.0), speed=1.05, room_s=0.3, drive_db=12.0, low_cut_hz=100.0, high_cut_hz=4000.0
    )
    assert all(getattr(variant, field.name) != getattr(Variant(), field.name) for field in fields(Variant))
    for n in (1, 17, 5000):
        out = apply(rng.standard_normal(n).astype(np.float32), RATE, variant)
        assert np.isfinite(out).all()
        assert out.dtype == np.float32
