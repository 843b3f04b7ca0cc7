"""Rooms, microphones and codecs: what they do to sound, and that nothing moves in time."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.data import damage, rooms
from sonoscope.data.damage import Damage
from sonoscope.errors import UnknownName

RATE = 24_000


@pytest.fixture(scope="module")
def plucked() -> np.ndarray:
    """Six seconds of tones that begin at once and die away, every 0.4 s, 300 to 1500 Hz."""
    out = np.zeros(6 * RATE)
    for k, at in enumerate(onsets()):
        time_s = np.arange(RATE // 3) / RATE
        tone = np.sin(2 * np.pi * (300 + 90 * k) * time_s) * np.exp(-8 * time_s)
        out[at : at + tone.size] += 0.3 * tone
    return out.astype(np.float32)


def onsets() -> np.ndarray:
    return (np.arange(14) * 0.4 * RATE + 0.15 * RATE).astype(int)


def begins(samples: np.ndarray) -> np.ndarray:
    """Where each tone first reaches a fifth of the loudest it gets within 50 ms, in samples from its true onset."""
    found = []
    for at in onsets():
        part = np.abs(samples[at - RATE // 50 : at + RATE // 20])
        found.append(int(np.argmax(part > 0.2 * part.max())) - RATE // 50)
    return np.array(found)


CODINGS = [
    (name, rate, bits)
    for name, codec in damage.CODECS.items()
    for rate in codec.sample_rates
    for bits in (codec.bit_rates[0], codec.bit_rates[-1])
]


@pytest.mark.parametrize(("codec", "rate", "bits"), sorted(set(CODINGS)))
def test_a_codec_moves_nothing(plucked: np.ndarray, codec: str, rate: int, bits: int) -> None:
    back = damage.coded(plucked, RATE, codec, rate, bits)
    assert back.shape == plucked.shape
    assert back.dtype == np.float32
    # Coders smear an onset over some ms before it; on the whole it stays where it was.
    moved = begins(back) - begins(plucked)
    assert abs(np.median(moved)) <= 0.004 * RATE, moved
    # Waveforms that stay in phase agree better where they are than a millisecond off.
    shift = RATE // 1000
    there = np.dot(plucked, back)
    assert there > np.dot(plucked[:-shift], back[shift:])
    assert there > np.dot(plucked[shift:], back[:-shift])
    assert np.corrcoef(plucked, back)[0, 1] > 0.8


def test_codecs_that_are_late_are_found_out() -> None:
    assert damage.lag("aac", 24_000, 48_000, RATE) == 1024  # a frame of AAC, no edit list in ADTS
    assert damage.lag("telephone", 8_000, 64_000, RATE) == 0


def test_what_is_heard_in_a_room_begins_when_it_began(plucked: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        room = rooms.draw_room(rng)
        impulse = rooms.response(room, RATE, rng)
        assert impulse[0] == pytest.approx(1.0, abs=0.05)
        dry = np.zeros(RATE, np.float32)
        dry[1000] = 1.0
        wet = rooms.reverberated(dry, impulse)
        assert wet.shape == dry.shape
        assert np.abs(wet[:1000]).max() < 1e-5
        assert wet[1000] == pytest.approx(impulse[0], abs=1e-5)


def test_a_room_dies_away_in_its_time() -> None:
    rng = np.random.default_rng(1)
    room = rooms.Room((8.0, 6.0, 3.0), (2.0, 3.0, 1.5), (6.0, 2.0, 1.5), 1.0, 0.0)
    energy = rooms.response(room, RATE, rng).astype(float) ** 2
    decay = 10 * np.log10(np.cumsum(energy[::-1])[::-1] / energy.sum())
    first, last = np.argmax(decay < -10), np.argmax(decay < -30)
    assert 3 * (last - first) / RATE == pytest.approx(1.0, rel=0.15)


def test_the_first_reflection_comes_from_the_nearest_wall() -> None:
    room = rooms.Room((10.0, 8.0, 4.0), (5.0, 4.0, 0.5), (7.0, 4.0, 0.5), 0.3, 0.0)
    impulse = rooms.response(room, RATE, np.random.default_rng(0))
    # Source and microphone half a metre above the floor, two apart: sqrt(2² + 1²) m by way of the floor.
    expected = round((np.hypot(2.0, 1.0) - 2.0) / 343.0 * RATE)
    assert int(np.argmax(np.abs(impulse[1:]))) + 1 == expected


def test_noise_has_its_level_and_a_microphone_its_curve(plucked: np.ndarray) -> None:
    noisy = damage.apply(plucked, RATE, Damage(snr_db=20.0, seed=3)) - plucked
    frames = plucked[: plucked.size // 1200 * 1200].reshape(-1, 1200)
    loud = np.percentile(np.mean(frames.astype(float) ** 2, axis=1), 95)
    assert 10 * np.log10(loud / np.mean(noisy**2)) == pytest.approx(20.0, abs=0.2)

    sine = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE).astype(np.float32)
    heard = damage.apply(sine, RATE, Damage(equaliser_db=(-6.0,) * 9))
    middle = slice(RATE // 2, -RATE // 2)
    assert np.abs(heard[middle] - 10 ** (-6 / 20) * sine[middle]).max() < 1e-3


def test_overload_cuts_off(plucked: np.ndarray) -> None:
    cut = damage.apply(plucked, RATE, Damage(drive_db=6.0))
    assert np.abs(cut).max() == pytest.approx(np.abs(plucked).max() * 10 ** (-6 / 20), rel=1e-4)


def test_drawn_damage_is_repeatable_and_keeps_onsets(plucked: np.ndarray) -> None:
    kinds = set()
    for seed in range(12):
        drawn = damage.choose(np.random.default_rng(seed))
        kinds |= {
            name for name in ("room", "codec", "drive_db", "equaliser_db", "snr_db") if getattr(drawn, name)
        }
        out = damage.apply(plucked, RATE, drawn)
        assert out.shape == plucked.shape
        assert np.isfinite(out).all()
        assert drawn == damage.choose(np.random.default_rng(seed))
        if seed < 3:
            np.testing.assert_array_equal(out, damage.apply(plucked, RATE, drawn))
    assert kinds == {"room", "codec", "drive_db", "equaliser_db", "snr_db"}


def test_an_unknown_codec_is_named(plucked: np.ndarray) -> None:
    with pytest.raises(UnknownName, match="mp3"):
        damage.coded(plucked, RATE, "mp33", 24_000, 64_000)


def test_nothing_stays_as_it_is(plucked: np.ndarray) -> None:
    np.testing.assert_array_equal(damage.apply(plucked, RATE, Damage()), plucked)
