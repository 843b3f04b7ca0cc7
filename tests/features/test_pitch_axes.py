"""Features on a logarithmic axis: tones at every key of a piano, direct sums, librosa, PyWavelets."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.features import Cqt, Hcqt, LogFreq, Morlet
from sonoscope.features.cqt import HALF_TAPS, half_band, halved
from sonoscope.features.logfreq import interpolation

RATE = 22_050
KEYS_HZ = 27.5 * 2.0 ** (np.arange(88) / 12)
HALF_DB = 20 * np.log10(0.5)


def middle(feature, samples: np.ndarray) -> np.ndarray:
    """The row in the middle of a signal."""
    frames = feature(samples)
    return frames[len(frames) // 2]


# ---- tones -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", range(88))
def test_every_key_of_a_piano_has_its_bin_of_a_constant_q(make_tone, key: int) -> None:
    row = middle(Cqt(), make_tone(KEYS_HZ[key], RATE, 2.5))
    assert row.argmax() == 3 * key
    assert row.max() == pytest.approx(HALF_DB, abs=0.01)


@pytest.mark.parametrize("key", range(0, 88, 3))
def test_every_key_has_its_bin_of_a_harmonic_constant_q(make_tone, key: int) -> None:
    feature = Hcqt()
    row = middle(feature, make_tone(KEYS_HZ[key], RATE, 2.5))
    for harmonic, part in zip(feature.harmonics, row.reshape(6, 264), strict=True):
        # A tone is the h-th harmonic of the pitch h times below.
        expected = 3 * key - 36 * np.log2(harmonic)
        if 1 <= expected <= 262:
            assert abs(part.argmax() - expected) <= 0.5 + 0.5 / feature.step
            # Half a bin beside the middle of the nearest one a Hann window has lost 1.4 dB.
            assert HALF_DB - 1.5 < part.max() < HALF_DB + 0.1


@pytest.mark.parametrize("key", range(10, 88))
def test_every_key_from_where_it_resolves_has_its_bin_of_a_log_frequency_spectrogram(
    make_tone, key: int
) -> None:
    feature = LogFreq()
    row = middle(feature, make_tone(KEYS_HZ[key], RATE, 1.0))
    off_hz = feature.frequencies_hz[row.argmax()] - KEYS_HZ[key]
    # Half a bin of the transform, or half one of the axis.
    assert abs(off_hz) <= max(0.5 * RATE / 8192, 0.5 * KEYS_HZ[key] * (2 ** (1 / 36) - 1)) + 1e-6


@pytest.mark.parametrize("key", range(3, 88))
def test_every_key_has_its_bin_of_a_scalogram(make_tone, key: int) -> None:
    row = middle(Morlet(f_min_hz=27.5), make_tone(KEYS_HZ[key], RATE, 1.0))
    assert row.argmax() == key
    assert row.max() == pytest.approx(HALF_DB, abs=0.05)


def test_a_harmonic_sound_is_in_all_parts_at_its_pitch(make_tone) -> None:
    sound = sum(make_tone(220.0 * h, RATE, 2.0, 1.0 / h) for h in range(1, 6))
    feature = Hcqt(harmonics=(1, 2, 3, 4, 5))
    parts = middle(feature, sound).reshape(5, 264)
    expected = HALF_DB - 20 * np.log10(np.arange(1, 6))
    np.testing.assert_allclose(parts[:, 108], expected, atol=0.5)
    assert parts.sum(axis=0).argmax() == 108


def test_what_lies_outside_the_transform_is_silence(music: np.ndarray) -> None:
    feature = Hcqt(harmonics=(0.5, 1, 5))
    low, same, high = np.split(feature(music), 3, axis=1)
    assert (low[:, :36] == np.float32(feature.silence)).all()
    np.testing.assert_array_equal(low[:, 36:], same[:, :-36])
    # 5 f reaches the top of the transform, 9.8 kHz, at 1.96 kHz.
    assert (high[:, feature.frequencies_hz * 5 > 10_000] == np.float32(feature.silence)).all()


# ---- definitions -------------------------------------------------------------------------------------------


def test_interpolation_is_linear_below_and_an_average_above() -> None:
    weights = interpolation(np.array([100.3, 101.0, 3900.0]), 2 ** (1 / 12), 8000, 512)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    bin_hz = 8000 / 512
    below = int(100.3 // bin_hz)
    np.testing.assert_allclose(weights[0, below + 1], 100.3 / bin_hz - below)
    assert (weights[0] > 0).sum() == 2
    centres = np.arange(257) * bin_hz
    wide = interpolation(np.array([3000.0]), 2 ** (1 / 12), 8000, 512)[0]
    assert (wide > 0).sum() == pytest.approx(3000 * (2 ** (1 / 12) - 2 ** (-1 / 12)) / bin_hz, abs=1)
    assert (wide * centres).sum() == pytest.approx(3000, rel=0.01)


def test_log_frequency_is_the_spectrogram_at_those_frequencies(music: np.ndarray) -> None:
    feature = LogFreq(output="power", n_fft=4096)
    power = np.abs(np.fft.rfft(np.hanning(4097)[:-1] * music[10_240 - 2048 : 10_240 + 2048])) ** 2
    row = feature(music)[40]
    # At low pitches, by numpy's own interpolation.
    expected = np.interp(feature.frequencies_hz[:60], np.arange(2049) * RATE / 4096, power)
    np.testing.assert_allclose(row[:60], expected, rtol=1e-3, atol=1e-6 * power.max())


@pytest.mark.parametrize(
    "feature",
    [
        Cqt(output="magnitude"),
        Cqt(output="magnitude", hop_samples=441, n_bins=120, f_min_hz=220.0),
        Cqt(output="magnitude", bins_per_octave=12, n_bins=84, gamma_hz=10.0, filter_scale=0.7),
        Cqt(
            output="magnitude",
            sample_rate=8000,
            hop_samples=64,
            bins_per_octave=24,
            n_bins=160,
            f_min_hz=40.0,
        ),
    ],
    ids=["default", "hop 441", "variable Q", "to Nyquist"],
)
def test_constant_q_is_the_direct_sum(rng: np.random.Generator, feature: Cqt) -> None:
    rate = feature.sample_rate
    samples = rng.standard_normal(3 * rate)
    k = 1 + rate * 3 // 2 // feature.hop_samples
    time_s = (np.arange(samples.size) - k * feature.hop_samples) / rate
    row = feature(samples.astype(np.float32))[k]
    for number in range(0, feature.n_bins, 7):
        hz, length_s = feature.frequencies_hz[number], feature.window_s[number]
        window = np.where(
            np.abs(time_s) < length_s / 2, 0.5 + 0.5 * np.cos(2 * np.pi * time_s / length_s), 0.0
        )
        expected = abs((samples * window * np.exp(-2j * np.pi * hz * time_s)).sum()) / window.sum()
        # Sampled windows at the lower rates add up to within 1e-3 of the same; noise at the foot of a filter
        # is no less than a hundredth of what surrounds it.
        assert row[number] == pytest.approx(expected, rel=5e-3, abs=1e-4), number


def test_halving_keeps_what_is_low_and_takes_what_would_fold() -> None:
    hz, taps = np.linspace(0, 0.5, 501), half_band()
    response = np.abs(np.exp(-2j * np.pi * hz[:, None] * np.arange(taps.size)) @ taps)
    assert np.abs(response[hz <= 0.175] - 1).max() < 3e-5
    assert response[hz >= 0.325].max() < 3e-5
    samples = np.random.default_rng(0).standard_normal(1001).astype(np.float32)
    expected = np.convolve(samples, taps, mode="valid")[::2]
    np.testing.assert_allclose(halved(samples), expected[: (1001 - 2 * HALF_TAPS + 1) // 2], atol=1e-5)


def test_a_scalogram_is_the_direct_sum(rng: np.random.Generator) -> None:
    feature = Morlet(output="magnitude", sample_rate=8000, hop_samples=100, n_bins=72, f_min_hz=50.0)
    samples = rng.standard_normal(16_000)
    frames = feature(samples.astype(np.float32))
    for k in (0, 37, 160):
        time_s = (np.arange(samples.size) - 100 * k) / 8000
        for number in range(0, 72, 5):
            stretch = feature.centre / feature.frequencies_hz[number]
            scaled_s = time_s / stretch
            wavelet = np.exp(-(scaled_s**2) / feature.bandwidth + 2j * np.pi * feature.centre * scaled_s)
            wavelet /= np.sqrt(np.pi * feature.bandwidth) * stretch * 8000
            expected = abs((samples * np.conj(wavelet)).sum())
            assert frames[k, number] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_more_bandwidth_is_finer_in_pitch_and_coarser_in_time(make_tone) -> None:
    tone, click = make_tone(440.0, RATE), np.zeros(RATE, dtype=np.float32)
    click[RATE // 2] = 1.0
    coarse, fine = Morlet(), Morlet(bandwidth=20.0)
    assert fine.left_context > 3 * coarse.left_context
    # Within 6 dB of the largest.
    wide = [(middle(f, tone) > middle(f, tone).max() - 6).sum() for f in (coarse, fine)]
    long = [(f(click)[:, 30] > f(click)[:, 30].max() - 6).sum() for f in (coarse, fine)]
    assert wide[0] > 2 * wide[1] and 2 * long[0] < long[1]


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (
            LogFreq,
            {"n_bins": 400},
            r"n_bins=400 from f_min_hz=27.5 reach to 59669.0 Hz, above 11025, half the",
        ),
        (LogFreq, {"f_min_hz": 0.0}, "f_min_hz=0.0 must be greater than 0: an octave below 0 Hz has no end"),
        (Cqt, {"n_bins": 0}, "n_bins=0 must be at least 1"),
        (Cqt, {"filter_scale": 0.0}, "filter_scale=0.0 must lie in 0.05..10"),
        (Cqt, {"gamma_hz": -1.0}, "gamma_hz=-1.0 must be at least 0"),
        (Cqt, {"floor": 2.0}, "floor=2.0 must lie in"),
        (Hcqt, {"harmonics": ()}, r"harmonics=\(\) must be one multiple or more, all greater than 0"),
        (Hcqt, {"harmonics": (1, 0)}, r"harmonics=\(1, 0\) must be"),
        (Hcqt, {"n_pitches": 400}, "n_pitches=400 at step=2 need 799 bins, the transform has n_bins=612"),
        (Hcqt, {"transform": Morlet()}, "must be a cqt or a logfreq"),
        (Morlet, {"bandwidth": 0.1}, r"sees constants: bandwidth \* centre\^2 must be at least 0.92"),
        (Morlet, {"centre": 0.0}, "centre=0.0 must lie in 0.01..1000"),
        (Morlet, {"n_bins": 120}, "n_bins=120 from f_min_hz=32.703 reach to"),
    ],
)
def test_parameters_out_of_range_are_refused(kind, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**changes)


# ---- other implementations ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_constant_q_is_librosas(librosa, rng: np.random.Generator) -> None:
    samples = (0.1 * rng.standard_normal(4 * RATE)).astype(np.float32)
    feature = Cqt(n_bins=252, output="magnitude")
    theirs = np.abs(
        librosa.cqt(
            samples, sr=RATE, hop_length=256, fmin=27.5, n_bins=252, bins_per_octave=36, pad_mode="constant",
            sparsity=0.0,
        )
    ).T  # fmt: skip
    ours = feature(samples) * np.sqrt(feature.window_s * RATE)
    inside = slice(120, -120)
    assert ours.shape == theirs.shape
    # Its resampling and its windows, of whole samples at low rates, differ by some thousandths.
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=0.01 * theirs.max())
    assert np.corrcoef(ours[inside].ravel(), theirs[inside].ravel())[0, 1] > 0.9999


def test_a_scalogram_is_pywavelets(music: np.ndarray) -> None:
    pywt = pytest.importorskip("pywt")
    feature = Morlet(output="magnitude")
    scales = feature.centre / feature.frequencies_hz * RATE
    wavelet = pywt.ContinuousWavelet("cmor1.5-1.0")
    theirs, hz = pywt.cwt(music.astype(np.float64), scales, wavelet, 1 / RATE, method="fft", precision=16)
    np.testing.assert_allclose(hz, feature.frequencies_hz, rtol=1e-6)
    theirs = np.abs(theirs)[:, ::256].T / np.sqrt(scales)
    ours = feature(music)
    # PyWavelets integrates a tabulated wavelet, cut off at 8 periods.
    low = scales > 20
    np.testing.assert_allclose(ours[: len(theirs), low], theirs[:, low], atol=0.01 * theirs.max())
    assert np.corrcoef(ours[: len(theirs)].ravel(), theirs.ravel())[0, 1] > 0.999
