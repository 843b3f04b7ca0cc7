"""MFCC against SciPy's cosine transform and librosa; chroma against tones and librosa."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.features import Chroma, Mfcc
from sonoscope.features.chroma import chroma_filters


def test_coefficients_are_scipys_cosine_transform(music: np.ndarray) -> None:
    import scipy.fft

    feature = Mfcc(n_mfcc=20)
    expected = scipy.fft.dct(feature.logmel(music), axis=-1, norm="ortho")[:, :20]
    np.testing.assert_allclose(feature(music), expected, atol=2e-3)


def test_more_loudness_is_more_of_the_first_coefficient_only(music: np.ndarray) -> None:
    feature = Mfcc(n_mels=64, floor=1e-20)
    change = feature(10 * music) - feature(music)
    np.testing.assert_allclose(change[:, 0], 20.0 * np.sqrt(64), rtol=1e-4)
    np.testing.assert_allclose(change[:, 1:], 0.0, atol=2e-2)


def test_the_lifter_weighs_by_order(music: np.ndarray) -> None:
    plain, lifted = Mfcc(n_mfcc=13)(music), Mfcc(n_mfcc=13, lifter=22)(music)
    weights = 1 + 11 * np.sin(np.pi * np.arange(1, 14) / 22)
    np.testing.assert_allclose(lifted, plain * weights, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("key", range(36, 88))
def test_a_tone_is_its_pitch_class_in_every_octave(make_tone, key: int) -> None:
    """From A3 on at 4096 samples: below, neighbouring semitones share a bin."""
    frames = Chroma()(make_tone(27.5 * 2 ** (key / 12), 22_050))[8:-8]
    assert (frames.argmax(axis=1) == (key + 9) % 12).all()
    np.testing.assert_allclose(frames.max(axis=1), 1.0, rtol=1e-6)


def test_octaves_are_one_class_and_fifths_are_not(make_tone) -> None:
    feature = Chroma(octave_width=0.0)
    low, octave, fifth = (feature(make_tone(hz, 22_050))[20] for hz in (440.0, 880.0, 660.0))
    assert np.corrcoef(low, octave)[0, 1] > 0.95
    assert np.corrcoef(low, fifth)[0, 1] < 0.5


def test_tuning_moves_the_classes(make_tone) -> None:
    sharp = make_tone(440.0 * 2 ** (0.5 / 12), 22_050)
    frame = Chroma(tuning=0.5)(sharp)[20]
    assert frame.argmax() == 9
    assert frame[8] + frame[10] < 0.9 < 2 * Chroma()(sharp)[20][[9, 10]].min()


def test_twice_as_many_classes_hold_quarter_tones(make_tone) -> None:
    frames = Chroma(n_chroma=24)(make_tone(880.0 * 2 ** (1 / 24), 22_050))[8:-8]
    assert (frames.argmax(axis=1) == 19).all()


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (Mfcc, {"n_mfcc": 129}, "n_mfcc=129 must lie in 1..128"),
        (Mfcc, {"n_mfcc": 0}, "n_mfcc=0 must lie in 1..128"),
        (Mfcc, {"lifter": -1}, "lifter=-1 must be at least 0"),
        (Mfcc, {"f_max_hz": 20_000.0}, "f_max_hz=20000.0 must satisfy"),
        (Chroma, {"n_chroma": 13}, "n_chroma=13 must be a multiple of 12"),
        (Chroma, {"norm": "l2"}, "norm='l2' must be one of max, none"),
        (Chroma, {"octave_width": -1.0}, "octave_width=-1.0 must be at least 0"),
        (Chroma, {"tuning": 7.0}, "tuning=7.0 must lie in -6..6"),
        (Chroma, {"n_fft": 256}, "hop_samples=512 must not exceed n_fft=256"),
    ],
)
def test_parameters_out_of_range_are_refused(kind, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**changes)


@pytest.mark.slow
class TestAgainstLibrosa:
    @pytest.mark.parametrize("lifter", [0, 22])
    def test_coefficients_are_librosas(self, librosa, music: np.ndarray, lifter: int) -> None:
        feature = Mfcc(lifter=lifter)
        expected = librosa.feature.mfcc(S=feature.logmel(music).T, n_mfcc=40, lifter=lifter).T
        np.testing.assert_allclose(feature(music), expected, atol=5e-3)

    @pytest.mark.parametrize(("n_chroma", "tuning"), [(12, 0.0), (24, 0.3)])
    def test_filters_are_librosas(self, librosa, n_chroma: int, tuning: float) -> None:
        expected = librosa.filters.chroma(sr=22_050, n_fft=4096, n_chroma=n_chroma, tuning=tuning)
        np.testing.assert_allclose(
            chroma_filters(22_050, 4096, n_chroma, tuning, 5.0, 2.0), expected, atol=1e-6
        )

    def test_chroma_is_librosas(self, librosa, music: np.ndarray) -> None:
        power = np.abs(librosa.stft(music, n_fft=4096, hop_length=512, pad_mode="constant")) ** 2
        expected = librosa.feature.chroma_stft(S=power, n_fft=4096, tuning=0.0).T
        np.testing.assert_allclose(Chroma()(music), expected, atol=1e-4)
