"""Spectrogram and multi-band spectrogram: naive transforms, tones, each band against the single one, librosa."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.errors import UnknownName
from sonoscope.features import Multiband, Stft
from sonoscope.features.multiband import Band
from sonoscope.features.powers import bins_between
from sonoscope.features.tapers import TAPERS, taper


def naive(samples: np.ndarray, window: np.ndarray, hop: int) -> np.ndarray:
    """Squared magnitudes frame by frame in float64, (t, bins)."""
    half = window.size // 2
    padded = np.concatenate([np.zeros(half), samples, np.zeros(window.size)])
    return np.array(
        [
            np.abs(np.fft.rfft(padded[k : k + window.size] * window)) ** 2
            for k in range(0, samples.size + 1, hop)
        ]
    )


@pytest.mark.parametrize("window", TAPERS)
def test_power_is_the_definition(rng: np.random.Generator, window: str) -> None:
    samples = rng.standard_normal(3000).astype(np.float32)
    feature = Stft(n_fft=256, hop_samples=100, window=window, output="power")
    expected = naive(samples, taper(window, 256), 100)
    np.testing.assert_allclose(feature(samples), expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_a_shorter_window_lies_in_the_middle_of_the_transform(rng: np.random.Generator) -> None:
    samples = rng.standard_normal(3000).astype(np.float32)
    window = np.zeros(256)
    window[28:228] = taper("hann", 200)
    frames = Stft(n_fft=256, window_samples=200, hop_samples=100, output="power")(samples)
    expected = naive(samples, window, 100)
    np.testing.assert_allclose(frames, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_outputs_are_three_ways_to_say_one_thing(music: np.ndarray) -> None:
    db, power, magnitude = (Stft(output=output)(music) for output in ("db", "power", "magnitude"))
    np.testing.assert_allclose(10 * np.log10(power), db, atol=1e-4)
    np.testing.assert_allclose(magnitude**2, power, rtol=1e-5)
    assert power.min() >= np.float32(1e-10)


def test_a_band_is_a_part_of_the_whole(music: np.ndarray) -> None:
    whole, part = Stft(), Stft(f_min_hz=1000.0, f_max_hz=4000.0)
    chosen = (whole.frequencies_hz >= 1000.0) & (whole.frequencies_hz < 4000.0)
    np.testing.assert_array_equal(part(music), whole(music)[:, chosen])
    np.testing.assert_array_equal(part.frequencies_hz, whole.frequencies_hz[chosen])


@pytest.mark.parametrize(("f_min", "f_max", "count"), [(0, 1000, 47), (1000, 4000, 69), (4000, 11_025, 82)])
def test_bands_take_each_bin_once(f_min: float, f_max: float, count: int) -> None:
    n_fft = {0: 1024, 1000: 512, 4000: 256}[f_min]
    bins = bins_between(22_050, n_fft, f_min, f_max)
    hz = np.fft.rfftfreq(n_fft, 1 / 22_050)
    assert bins.stop - bins.start == count == ((hz >= f_min) & ((hz < f_max) | (f_max == 11_025))).sum()


def test_the_founding_bands_are_the_defaults() -> None:
    feature = Multiband()
    assert [str(band) for band in feature.bands] == [
        "0-1000Hz_fft1024",
        "1000-4000Hz_fft512",
        "4000-11025Hz_fft256",
    ]
    assert feature.parts == (47, 69, 82)
    assert feature.frequencies_hz.size == feature.n_bins == 198


def test_each_band_is_the_spectrogram_of_its_length(music: np.ndarray) -> None:
    feature = Multiband(hop_samples=512)
    first, frames = 0, feature(music)
    for band, width in zip(feature.bands, feature.parts, strict=True):
        top = min(band.n_fft, 512)
        single = Stft(n_fft=band.n_fft, hop_samples=top, f_min_hz=band.f_min_hz, f_max_hz=band.f_max_hz)
        np.testing.assert_array_equal(
            frames[:, first : first + width], single(music)[:: 512 // top][: len(frames)]
        )
        first += width


@pytest.mark.parametrize("frequency_hz", [100.0, 900.0, 1500.0, 3900.0, 5000.0, 10_000.0])
def test_a_tone_is_loudest_in_its_band_and_bin(make_tone, frequency_hz: float) -> None:
    feature = Multiband()
    frames = feature(make_tone(frequency_hz, 22_050))[20:60]
    width = [22_050 / band.n_fft for band in feature.bands if band.f_min_hz <= frequency_hz][-1]
    # Levels grow with the square of a transform's length: within the band that holds the tone.
    ends = np.cumsum(feature.parts)
    band = int(np.searchsorted(ends, np.argmin(np.abs(feature.frequencies_hz - frequency_hz)), side="right"))
    inside = slice(ends[band] - feature.parts[band], ends[band])
    found = feature.frequencies_hz[inside][frames[:, inside].argmax(axis=1)]
    assert np.abs(found - frequency_hz).max() <= width / 2 + 1e-6


def test_bands_are_given_in_three_ways() -> None:
    bands = (Band(0.0, 500.0, 2048), Band(500.0, 8000.0, 512))
    as_lists = [[0.0, 500.0, 2048], [500.0, 8000.0, 512]]
    as_mappings = [{"f_min_hz": b.f_min_hz, "f_max_hz": b.f_max_hz, "n_fft": b.n_fft} for b in bands]
    assert Multiband(bands=bands) == Multiband(bands=as_lists) == Multiband(bands=as_mappings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (Stft, {"n_fft": 1}, "n_fft=1 must be at least 2"),
        (Stft, {"hop_samples": 1025}, "hop_samples=1025 must not exceed the window=1024"),
        (Stft, {"window_samples": 1025}, "window_samples=1025 must lie in 1..1024"),
        (Stft, {"f_max_hz": 12_000.0}, "f_max_hz=12000.0 must satisfy 0 <= f_min_hz < f_max_hz <= 11025.0"),
        (Stft, {"f_min_hz": 30.0, "f_max_hz": 40.0}, "lie between two bins of n_fft=1024"),
        (Stft, {"output": "dB"}, "output='dB' must be one of db, power, magnitude"),
        (Stft, {"floor": 0.0}, "floor=0.0 must lie in"),
        (Multiband, {"bands": ()}, r"bands=\(\) must hold one band or more"),
        (Multiband, {"bands": [[0, 1000]]}, r"a band needs f_min_hz, f_max_hz, n_fft, got \[0, 1000\]"),
        (
            Multiband,
            {"bands": [[0, 20, 512]], "hop_samples": 600},
            "hop_samples=600 must not exceed the longest",
        ),
        (Multiband, {"bands": [[50, 60, 256]]}, "the band 50-60Hz_fft256 lies between two bins"),
        (Multiband, {"bands": [[500, 400, 256]]}, "f_min_hz=500 and f_max_hz=400 must satisfy"),
    ],
)
def test_parameters_out_of_range_are_refused(kind, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**changes)


def test_an_unknown_window_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown window 'blackmn'\. Did you mean 'blackman'\?"):
        Stft(window="blackmn")


@pytest.mark.slow
def test_power_is_librosas(librosa, music: np.ndarray) -> None:
    expected = np.abs(librosa.stft(music, n_fft=1024, hop_length=256, pad_mode="constant")).T ** 2
    np.testing.assert_allclose(Stft(output="power")(music), expected, rtol=1e-3, atol=1e-6 * expected.max())
