"""Kaldi's filter banks against their definition in float64, frame by frame, and the extractor of AST."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sonoscope.features import Fbank, Waveform
from sonoscope.features.fbank import kaldi_filterbank

RATE = 16_000
BEATS = {"window": "povey", "gain": 32_768.0}


def naive(feature: Fbank, samples: np.ndarray) -> np.ndarray:
    """kaldi/src/feat/feature-window.cc and mel-computations.cc, loops and all, without dither."""
    length, n_fft = feature.window_samples, 512
    window = [0.5 - 0.5 * math.cos(2 * math.pi * i / (length - 1)) for i in range(length)]
    if feature.window == "povey":
        window = [w**0.85 for w in window]

    def mel(hz: float) -> float:
        return 1127.0 * math.log(1.0 + hz / 700.0)

    low, high = mel(feature.f_min_hz), mel(feature.top_hz)
    step = (high - low) / (feature.n_mels + 1)
    rows = []
    for start in range(0, samples.size - length + 1, feature.hop_samples):
        x = samples[start : start + length].astype(np.float64) * feature.gain
        x -= x.mean()
        for i in range(length - 1, 0, -1):
            x[i] -= feature.preemphasis * x[i - 1]
        x[0] -= feature.preemphasis * x[0]
        power = np.abs(np.fft.rfft(x * window, n_fft)) ** 2
        row = []
        for number in range(feature.n_mels):
            left, centre, right = (low + (number + k) * step for k in range(3))
            energy = 0.0
            for i in range(n_fft // 2):
                m = mel(RATE / n_fft * i)
                if left < m < right:
                    energy += power[i] * ((m - left) if m <= centre else (right - m)) / step
            row.append(math.log(max(energy, feature.floor)))
        rows.append(row)
    return np.array(rows)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """A fifth of a second: a gliding buzz with an offset, and noise that grows."""
    time_s = np.arange(RATE // 5) / RATE
    buzz = np.sign(np.sin(2 * np.pi * (150 + 100 * time_s) * time_s))
    noise = time_s * np.random.default_rng(4).standard_normal(time_s.size)
    return (0.2 * buzz + 0.3 * noise + 0.05).astype(np.float32)


@pytest.mark.parametrize(
    "feature", [Fbank(), Fbank(**BEATS), Fbank(n_mels=40, f_max_hz=7600.0)], ids=["AST", "BEATs", "40"]
)
def test_frames_are_kaldis(speech: np.ndarray, feature: Fbank) -> None:
    frames = feature.valid(speech)
    assert frames.shape == (1 + (speech.size - 400) // 160, feature.n_mels)
    np.testing.assert_allclose(frames, naive(feature, speech), atol=1e-3)


def test_an_offset_changes_nothing(speech: np.ndarray) -> None:
    np.testing.assert_allclose(Fbank()(speech)[3:-3], Fbank()(speech + 0.25)[3:-3], atol=1e-2)


def test_gain_is_a_level_and_rows_are_centred(speech: np.ndarray) -> None:
    one, two = (Fbank(n_mels=40, floor=1e-30, gain=gain) for gain in (1.0, 2.0))
    np.testing.assert_allclose(two(speech) - one(speech), 2 * math.log(2), atol=1e-4)
    np.testing.assert_array_equal(one(speech)[2], one.valid(speech[2 * 160 - 200 :])[0])


def test_the_filter_that_no_bin_falls_into_stays_at_the_floor(speech: np.ndarray) -> None:
    """128 filters at 16 kHz leave one between two bins; networks were trained with it."""
    frames = Fbank()(speech)
    np.testing.assert_array_equal(np.flatnonzero((frames == np.float32(Fbank().silence)).all(axis=0)), [3])


def test_filters_touch_over_mels() -> None:
    bank = kaldi_filterbank(RATE, 512, 20, 20.0, 8000.0)
    covered = bank.sum(axis=0)
    inner = bank.argmax(axis=1)
    # Between the middles of the first and the last filter the triangles add up to 1.
    np.testing.assert_allclose(covered[inner[0] + 1 : inner[-1]], 1.0)
    assert not bank[:, -1].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preemphasis": 1.5}, "preemphasis=1.5 must lie in 0..1"),
        ({"gain": 0.0}, "gain=0.0 must be greater than 0"),
        ({"hop_samples": 401}, "hop_samples=401 must not exceed window_samples=400"),
        ({"f_min_hz": 8000.0}, "f_min_hz=8000.0 and f_max_hz=8000.0 must satisfy"),
        ({"floor": 0.0}, "floor=0.0 must lie in"),
        ({"window_samples": 1}, "window_samples=1 must be at least 2"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fbank(**changes)


@pytest.mark.slow
def test_frames_are_those_of_the_extractor_of_ast(speech: np.ndarray) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.ASTFeatureExtractor(do_normalize=False, max_length=18)(
        speech, sampling_rate=RATE, return_tensors="np"
    ).input_values[0]
    ours = Fbank().valid(speech)
    np.testing.assert_allclose(ours, theirs[: len(ours)], atol=1e-3)


def test_a_waveform_in_rows_is_the_waveform(rng: np.random.Generator) -> None:
    samples = rng.standard_normal(10_001).astype(np.float32)
    for hop in (1, 7, 320):
        rows = Waveform(hop_samples=hop)(samples).reshape(-1)
        np.testing.assert_array_equal(rows[: samples.size], samples)
        assert not rows[samples.size :].any() and rows.size < samples.size + hop + 1


@pytest.mark.train
def test_the_gradient_of_a_waveform_is_one() -> None:
    torch = pytest.importorskip("torch")
    samples = torch.randn(3, 1000, requires_grad=True)
    Waveform()(samples).sum().backward()
    assert (samples.grad == 1).all()
