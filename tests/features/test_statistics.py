"""Statistics: tones and noise of known shape, librosa's numbers, and the columns that tables promise."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.features import statistics, timbre

RATE = 22_050


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """Three seconds: a chord, a sweep, noise, and silence before them."""
    rng, t = np.random.default_rng(3), np.arange(3 * RATE) / RATE
    sound = 0.2 * np.sin(2 * np.pi * 440 * t) + 0.1 * np.sin(2 * np.pi * 554.37 * t)
    sound += 0.1 * np.sin(2 * np.pi * 1000 * t**1.3) + 0.01 * rng.standard_normal(t.size)
    sound[: RATE // 4] = 0
    return sound.astype(np.float32)


def tone(hz: float, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def test_columns_begin_and_end_as_promised_and_none_is_there_twice() -> None:
    columns = statistics.COLUMNS
    assert columns[:2] == ("spectral_centroid", "spectral_bandwidth")
    assert columns[-10:] == tuple(f"mfcc_{k}" for k in range(1, 11))
    assert len(columns) == len(set(columns)) == 48
    for name in ("zero_crossing_rate", "rms", "spectral_rolloff", "spectral_flatness", "hjorth_mobility"):
        assert name in columns


def test_every_column_is_explained() -> None:
    families = statistics.FAMILIES
    for column in statistics.COLUMNS:
        named = [
            name for name in families if column == name or (name.endswith("_") and column.startswith(name))
        ]
        assert len(named) == 1, column
    for name in families:
        assert any(
            column == name or (name.endswith("_") and column.startswith(name))
            for column in statistics.COLUMNS
        )


@pytest.mark.parametrize(
    "samples",
    [np.zeros(RATE), np.zeros(1), np.ones(3), np.eye(1, 5000, 2500)[0], np.ones(RATE), -np.ones(700)],
    ids=["silence", "one", "three", "impulse", "full scale", "short"],
)
def test_every_clip_has_every_column_and_finite_numbers(samples: np.ndarray) -> None:
    found = statistics.describe(samples.astype(np.float32), RATE)
    assert tuple(found) == statistics.COLUMNS
    assert all(isinstance(value, float) and np.isfinite(value) for value in found.values())


def test_a_tone_is_where_it_is() -> None:
    found = statistics.describe(tone(1000.0, 2.0), RATE)
    assert found["spectral_centroid"] == pytest.approx(1000, rel=0.05)
    assert found["spectral_rolloff"] == pytest.approx(1000, rel=0.05)
    assert found["zero_crossing_rate"] == pytest.approx(2000 / RATE, rel=0.02)
    assert found["rms"] == pytest.approx(0.5 / np.sqrt(2), rel=0.03)
    assert found["spectral_flatness"] < 0.01 and found["spectral_entropy"] < 0.2
    chroma = [found[f"chroma_{name}"] for name in statistics.PITCH_CLASSES]
    assert np.argmax(chroma) == statistics.PITCH_CLASSES.index("b"), "1000 Hz is a B, 21 cents sharp"


def test_noise_is_flat_and_twice_the_level_is_six_decibels(rng: np.random.Generator) -> None:
    noise = 0.1 * rng.standard_normal(2 * RATE).astype(np.float32)
    one, two = statistics.describe(noise, RATE), statistics.describe(2 * noise, RATE)
    # The geometric mean of exponentially distributed powers is exp(-0.5772) of their mean.
    assert one["spectral_flatness"] == pytest.approx(0.56, abs=0.02)
    assert one["spectral_centroid"] == pytest.approx(RATE / 4, rel=0.02)
    assert one["spectral_entropy"] > 0.99 and one["permutation_entropy"] > 0.999
    # Ten times log 4 in each of 128 bands of an orthonormal transform.
    assert two["mfcc_1"] - one["mfcc_1"] == pytest.approx(10 * np.log10(4) * np.sqrt(128), rel=1e-3)
    for column in set(statistics.COLUMNS) - {"mfcc_1", "rms"}:
        assert two[column] == pytest.approx(one[column], rel=1e-3, abs=2e-3), column


def test_chroma_follows_pitch_and_octaves_do_not_count() -> None:
    for octave in (0.5, 1, 2):
        found = timbre.chroma(timbre.magnitudes(tone(440 * octave)), RATE)[10:-10]
        assert (found.argmax(axis=1) == 9).all() and (found.max(axis=1) == pytest.approx(1.0))
    on_c, on_g = np.eye(12)[0], np.eye(12)[7]
    # A fifth is one step on the circle of fifths, whose angle is 7/6 of pi a semitone.
    fifths = timbre.tonnetz(np.stack([on_c, on_g]))[:, :2]
    angle = np.arctan2(*fifths[1]) - np.arctan2(*fifths[0])
    assert abs((angle - 7 * 7 / 6 * np.pi + np.pi) % (2 * np.pi) - np.pi) < 1e-9


def test_the_naive_sums_give_the_same(clip: np.ndarray) -> None:
    magnitude = timbre.magnitudes(clip)
    k, hz = 60, np.arange(1025) * RATE / 2048
    padded = np.pad(clip, 1024).astype(np.float64)
    frame = padded[k * 512 : k * 512 + 2048] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048))
    naive = np.abs(np.fft.rfft(frame))
    np.testing.assert_allclose(magnitude[k], naive, atol=1e-4)
    centre = (naive * hz).sum() / naive.sum()
    assert timbre.centroid(magnitude, RATE)[k] == pytest.approx(centre, rel=1e-4)
    spread = np.sqrt((naive * (hz - centre) ** 2).sum() / naive.sum())
    assert timbre.bandwidth(magnitude, RATE)[k] == pytest.approx(spread, rel=1e-4)
    signs = padded[k * 512 : k * 512 + 2048] < 0
    assert statistics.zero_crossing_rate(clip)[k] == np.count_nonzero(signs[1:] != signs[:-1]) / 2048


@pytest.mark.slow
def test_numbers_are_those_of_librosa(clip: np.ndarray) -> None:
    librosa = pytest.importorskip("librosa")
    feature, magnitude = librosa.feature, timbre.magnitudes(clip)
    chroma = timbre.chroma(magnitude, RATE)
    # Largest difference allowed, relative to the largest value: float32 sums of a thousand bins in another order;
    # decibels of nearly silent bins differ most.
    pairs = [
        (magnitude, np.abs(librosa.stft(clip)).T, 1e-6),
        (timbre.centroid(magnitude, RATE), feature.spectral_centroid(y=clip, sr=RATE)[0], 1e-5),
        (timbre.bandwidth(magnitude, RATE), feature.spectral_bandwidth(y=clip, sr=RATE)[0], 1e-5),
        (timbre.rolloff(magnitude, RATE), feature.spectral_rolloff(y=clip, sr=RATE)[0], 1e-6),
        (timbre.flatness(magnitude), feature.spectral_flatness(y=clip)[0], 1e-5),
        (timbre.contrast(magnitude, RATE), feature.spectral_contrast(y=clip, sr=RATE).T, 1e-3),
        (timbre.cepstrum(magnitude, RATE), feature.mfcc(y=clip, sr=RATE, n_mfcc=10).T, 1e-5),
        (chroma, feature.chroma_stft(y=clip, sr=RATE, tuning=0).T, 1e-5),
        (timbre.tonnetz(chroma), feature.tonnetz(chroma=chroma.T).T, 1e-5),
        (statistics.zero_crossing_rate(clip), feature.zero_crossing_rate(clip)[0], 1e-12),
        (statistics.rms(clip), feature.rms(y=clip)[0], 1e-6),
    ]
    for number, (ours, theirs, tolerance) in enumerate(pairs):
        assert ours.shape == theirs.shape, number
        assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max(), number


def test_what_cannot_be_described_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(0,\)"):
        statistics.describe(np.zeros(0, np.float32), RATE)
    with pytest.raises(ValueError, match="sample_rate=8000 must be at least 12801"):
        statistics.describe(np.zeros(8000, np.float32), 8000)
    assert statistics.describe(np.zeros(9000, np.float32), 16_000)["rms"] == 0
