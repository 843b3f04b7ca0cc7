"""The classical vector as a feature: its columns are those of ``describe`` and of librosa, windows are alone."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope import features
from sonoscope.features import entropies, statistics, timbre
from sonoscope.features.joined import Joined
from sonoscope.features.logmel import LogMel
from sonoscope.features.stft import Stft
from sonoscope.features.waveform import Waveform
from sonoscope.features.window_statistics import Statistics

RATE = 22_050


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """Three seconds of a chord that fades, and noise."""
    rng, t = np.random.default_rng(3), np.arange(3 * RATE) / RATE
    sound = 0.2 * np.sin(2 * np.pi * 440 * t) + 0.1 * np.sin(2 * np.pi * 554.37 * t)
    return (sound * np.exp(-t) + 0.01 * rng.standard_normal(t.size)).astype(np.float32)


def row_of(samples: np.ndarray, **parameters: object) -> dict[str, float]:
    feature = Statistics(**parameters)
    return dict(zip(feature.columns(), feature.valid(samples)[0].tolist(), strict=True))


def test_thirty_entropies_and_every_column_of_the_table(clip: np.ndarray) -> None:
    found, table = row_of(clip, floor=0.0), statistics.describe(clip, RATE)
    assert len(found) == Statistics().n_bins == 159
    for name, value in table.items():
        assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    over_time = [value for name, value in found.items() if name.startswith("entropy_")]
    np.testing.assert_allclose(over_time, entropies.over_time(clip, RATE), rtol=1e-5)
    assert len(over_time) == 30


def test_spreads_are_standard_deviations_over_frames(clip: np.ndarray) -> None:
    found = row_of(clip, floor=0.0)
    magnitude = timbre.magnitudes(clip)
    assert found["spectral_centroid_std"] == pytest.approx(timbre.centroid(magnitude, RATE).std(), rel=1e-4)
    cepstrum = timbre.cepstrum(magnitude, RATE, n_mfcc=20)
    for k in (1, 12, 20):
        assert found[f"mfcc_{k}"] == pytest.approx(cepstrum[:, k - 1].mean(), rel=1e-3, abs=1e-3)
        assert found[f"mfcc_{k}_std"] == pytest.approx(cepstrum[:, k - 1].std(), rel=1e-3, abs=1e-3)
        steps = np.abs(cepstrum[1:, k - 1] - cepstrum[:-1, k - 1])
        assert found[f"mfcc_{k}_change"] == pytest.approx(steps.mean(), rel=1e-3, abs=1e-3)


def test_the_other_usual_frames_can_be_had(clip: np.ndarray) -> None:
    found = row_of(clip[: 2 * 16_000], sample_rate=16_000, window_samples=32_000, n_fft=400, frame_hop=400)
    assert len([name for name in found if name.startswith("entropy_")]) == 20
    assert all(np.isfinite(value) for value in found.values())


def test_a_floor_hides_what_rounding_to_16_bits_does(clip: np.ndarray) -> None:
    """A band-limited sound: above 4 kHz there is nothing but rounding."""
    spectrum = np.fft.rfft(clip)
    spectrum[np.fft.rfftfreq(clip.size, 1 / RATE) > 4000] = 0
    pure = np.fft.irfft(spectrum, clip.size).astype(np.float32)
    rounded = (np.round(pure * 32767) / 32767).astype(np.float32)
    moved = {}
    for floor in (0.0, 1e-4):
        one, other = row_of(pure, floor=floor), row_of(rounded, floor=floor)
        moved[floor] = abs(one["mfcc_1"] - other["mfcc_1"]) + abs(
            one["spectral_contrast_7"] - other["spectral_contrast_7"]
        )
    assert moved[0.0] > 2 and moved[1e-4] < 0.2, moved


def test_the_floor_is_white_noise_of_its_level() -> None:
    silence = np.zeros(3 * RATE, dtype=np.float32)
    noise = 0.01 * np.random.default_rng(0).standard_normal(silence.size).astype(np.float32)
    floored, heard = row_of(silence, floor=0.01), row_of(noise, floor=0.0)
    # To one decibel in each of 128 bands: the mean of a logarithm lies below the logarithm of the mean.
    assert floored["mfcc_1"] == pytest.approx(heard["mfcc_1"], abs=np.sqrt(128))
    assert floored["spectral_centroid"] == pytest.approx(heard["spectral_centroid"], rel=0.01)
    assert floored["spectral_entropy"] == pytest.approx(heard["spectral_entropy"], abs=0.01)


def test_windows_are_rows_and_know_nothing_of_each_other(clip: np.ndarray) -> None:
    feature = Statistics(window_samples=RATE)
    rows = feature.valid(clip)
    assert rows.shape == (3, feature.n_bins)
    for k in range(3):
        np.testing.assert_array_equal(feature.valid(clip[k * RATE : (k + 1) * RATE])[0], rows[k])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sample_rate": 8000}, "sample_rate=8000 must be at least 12801"),
        ({"n_mfcc": 5}, r"n_mfcc=5 must lie in 10\.\.40"),
        ({"frame_hop": 4000}, "frame_hop|hop_samples=4000 must not exceed n_fft=2048"),
        ({"piece_s": 1e-5}, "piece_s=1e-05 must be 0, or at least four samples"),
        ({"floor": -1.0}, "floor=-1.0 must lie in"),
    ],
)
def test_out_of_range_is_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Statistics(**parameters)


# ---- several features of a window ---------------------------------------------------------------------------


def test_joined_rows_are_those_of_the_features_one_after_the_other() -> None:
    window = 24_000
    parts = (LogMel(), Waveform(24_000, window), Statistics(sample_rate=24_000, window_samples=window))
    joined = Joined(parts, window)
    samples = 0.1 * np.random.default_rng(0).standard_normal(2 * window).astype(np.float32)
    rows = joined(samples)
    assert rows.shape == joined.shape(2 * window) == (2, sum(joined.parts))
    first, second, third = np.split(rows[1], np.cumsum(joined.parts)[:-1])
    alone = samples[window:]
    np.testing.assert_array_equal(first.reshape(40, 96), LogMel()(alone)[:40])
    np.testing.assert_array_equal(second, alone)
    np.testing.assert_array_equal(third, parts[2].valid(alone)[0])


def test_joined_takes_as_many_rows_as_asked_and_fills_up_the_last_window() -> None:
    joined = Joined((LogMel(),), 24_000, rows=(41,))
    samples = 0.1 * np.random.default_rng(0).standard_normal(30_000).astype(np.float32)
    rows = joined(samples)
    assert rows.shape == (2, 41 * 96)
    np.testing.assert_array_equal(rows[0].reshape(41, 96), LogMel()(samples[:24_000]))
    padded = np.pad(samples[24_000:], (0, 18_000))
    np.testing.assert_array_equal(rows[1].reshape(41, 96), LogMel()(padded))
    assert features.from_dict(features.to_dict(joined)) == joined


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((),), "features is empty"),
        (((LogMel(), Stft()), 72_000), r"must have one sample_rate, got \[22050, 24000\]"),
        (((LogMel(),), 1000), "window_samples=1000 must be a multiple of the hop_samples=600 of 'logmel'"),
        (((LogMel(),), 1200, (1, 2)), r"rows=\(1, 2\) must be 1 numbers"),
    ],
)
def test_what_cannot_be_joined_says_why(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Joined(*arguments)
