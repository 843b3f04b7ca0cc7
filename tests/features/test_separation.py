"""Harmonic-percussive separation and PCEN: clicks and tones, steady noise and onsets, naive forms, librosa."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.features import Hpss, LogMel, Pcen, Stft
from sonoscope.features.channels import split
from sonoscope.features.hpss import running_median, separate, soft_mask
from sonoscope.features.pcen import pcen, smoothing


def spectrogram(samples: np.ndarray) -> np.ndarray:
    return Stft(n_fft=1024, hop_samples=256, output="magnitude", floor=1e-20)(samples)


# ---- harmonic and percussive -------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 5, 31])
@pytest.mark.parametrize("shape", [(1, 40), (7, 33), (40, 16)])
def test_running_medians_are_medians_of_mirrored_neighbours(
    rng: np.random.Generator, shape: tuple[int, int], length: int
) -> None:
    rows = rng.standard_normal(shape)
    padded = np.pad(rows, ((0, 0), (length // 2, length)), mode="symmetric")
    expected = [[sorted(row[i : i + length])[length // 2] for i in range(shape[1])] for row in padded]
    np.testing.assert_array_equal(running_median(rows, length), expected)


def test_a_tone_is_harmonic_and_a_click_is_percussive(make_tone) -> None:
    sound = make_tone(1000.0, 22_050, 2.0, 0.3)
    sound[22_050] += 1.0
    harmonic, percussive = separate(spectrogram(sound))
    tone_bin, click = round(1000 * 1024 / 22_050), 22_050 // 256
    assert harmonic[40, tone_bin] > 100 * percussive[40, tone_bin]
    assert percussive[click, 300] > 100 * harmonic[click, 300]


def test_the_parts_add_up_and_a_margin_leaves_a_rest(music: np.ndarray) -> None:
    magnitude = spectrogram(music)
    np.testing.assert_allclose(sum(separate(magnitude)), magnitude, rtol=1e-5, atol=1e-9)
    assert (sum(separate(magnitude, margin=3.0)) <= magnitude * 1.0001).all()
    assert sum(separate(magnitude, margin=3.0)).sum() < 0.95 * magnitude.sum()


def test_one_median_is_along_time_and_the_other_along_frequency(rng: np.random.Generator) -> None:
    magnitude = rng.random((20, 30))
    lasting, striking = running_median(magnitude.T, 5).T, running_median(magnitude, 9)
    share = lasting**3 / (lasting**3 + striking**3)
    harmonic, percussive = separate(magnitude, n_frames=5, n_bins=9, power=3.0)
    np.testing.assert_allclose(harmonic, magnitude * share, rtol=1e-9)
    np.testing.assert_allclose(percussive, magnitude * (1 - share), rtol=1e-9)


def test_a_harder_mask_and_empty_cells() -> None:
    ours, theirs = np.array([3.0, 0.0, 1.0]), np.array([1.0, 0.0, 1.0])
    np.testing.assert_allclose(soft_mask(ours, theirs, 2.0, split_zeros=True), [0.9, 0.5, 0.5])
    np.testing.assert_allclose(soft_mask(ours, theirs, 2.0, split_zeros=False), [0.9, 0.0, 0.5])
    assert soft_mask(ours, theirs, 20.0, split_zeros=True)[0] > 0.999


def test_the_feature_is_both_parts_of_the_spectrogram(music: np.ndarray) -> None:
    feature = Hpss(n_fft=1024, hop_samples=256, output="magnitude")
    harmonic, percussive = split(feature(music), feature.parts)
    # Away from the ends, where zeros lie outside instead of mirrored frames.
    inner = slice(15, -15)
    for ours, expected in zip((harmonic, percussive), separate(spectrogram(music)), strict=True):
        np.testing.assert_allclose(ours[inner], np.maximum(expected, 1e-5)[inner], rtol=1e-3, atol=1e-4)


# ---- PCEN --------------------------------------------------------------------------------------------------


def test_pcen_is_its_formula(rng: np.random.Generator) -> None:
    energy = rng.random((50, 4)) * 100
    found, state = pcen(energy, weight=0.1, gain=0.8, bias=3.0, power=0.3, eps=1e-3)
    smooth = energy[0].copy()
    for row, expected in zip(energy, found, strict=True):
        smooth = 0.9 * smooth + 0.1 * row
        np.testing.assert_allclose(
            expected, (row / (1e-3 + smooth) ** 0.8 + 3.0) ** 0.3 - 3.0**0.3, rtol=1e-6
        )
    np.testing.assert_allclose(state, smooth)


def test_in_pieces_it_gives_the_same_bits(rng: np.random.Generator) -> None:
    energy = rng.random((3, 100, 5)).astype(np.float32)
    whole, last = pcen(energy, weight=0.05)
    parts, state = [], None
    for first, stop in ((0, 1), (1, 40), (40, 100)):
        part, state = pcen(energy[:, first:stop], weight=0.05, state=state)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    np.testing.assert_array_equal(state, last)
    assert whole.dtype == np.float32


def test_loudness_falls_away_and_onsets_stay(rng: np.random.Generator) -> None:
    noise = 0.1 * rng.standard_normal(3 * 22_050).astype(np.float32)
    feature = Pcen(gain=1.0)
    loud, soft = feature(noise), feature(0.1 * noise)
    np.testing.assert_allclose(loud[50:], soft[50:], rtol=1e-2)
    noise[2 * 22_050 :] *= 10
    frames = feature(noise).mean(axis=1)
    onset = 2 * 22_050 // 256
    assert frames[onset + 1 : onset + 4].max() > 2 * frames[50:onset].max()


def test_the_feature_is_the_function_of_mel_energies(music: np.ndarray) -> None:
    feature = Pcen()
    logmel = LogMel(22_050, 1024, 256, 64, 50.0, 11_025.0, 1e-20)
    energy = 10 ** (logmel(music).astype(np.float64) / 10) * 2.0**31
    expected, _ = pcen(energy, weight=smoothing(0.4 * 22_050 / 256))
    np.testing.assert_allclose(feature(music), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pcen(np.ones((2, 2)), weight=0.0), r"weight=0.0 must lie in \(0, 1\]"),
        (lambda: pcen(np.ones((2, 2)), weight=0.1, eps=0.0), "eps=0.0 greater than 0"),
        (lambda: Pcen(power=0.0), "power=0.0 must be greater than 0"),
        (lambda: Pcen(gain=-1.0), "gain=-1.0 must be at least 0"),
        (lambda: Pcen(time_constant_s=0.0), "time_constant_s=0.0 must be greater than 0"),
        (lambda: separate(np.ones((2, 2)), n_bins=0), "n_bins=0 must be at least 1"),
        (lambda: separate(np.ones((2, 2)), margin=0.5), "margin=0.5 at least 1"),
        (lambda: Hpss(n_frames=4), "n_frames=4 must be odd"),
        (lambda: Hpss(margin=0.5), "margin=0.5 must lie in 1..100"),
    ],
)
def test_parameters_out_of_range_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
class TestAgainstLibrosa:
    @pytest.mark.parametrize("margin", [1.0, 2.0])
    def test_separation_is_librosas(self, librosa, music: np.ndarray, margin: float) -> None:
        magnitude = spectrogram(music)
        theirs = librosa.decompose.hpss(magnitude.T, margin=margin)
        for ours, expected in zip(separate(magnitude, margin=margin), theirs, strict=True):
            np.testing.assert_allclose(ours, expected.T, rtol=1e-5, atol=1e-7)

    def test_pcen_is_librosas(self, librosa, music: np.ndarray) -> None:
        energy = spectrogram(music) ** 2 * 2.0**31
        expected = librosa.pcen(energy.T, sr=22_050, hop_length=256).T
        found, _ = pcen(energy, weight=smoothing(0.4 * 22_050 / 256), state=np.ones(513))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
