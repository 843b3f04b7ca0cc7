"""Log-mel against a naive recomputation in float64, closed forms, and librosa."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.features.logmel import LogMel, hz_to_mel, mel_filterbank, mel_to_hz

SMALL = LogMel(sample_rate=8000, n_fft=256, hop_samples=80, n_mels=20, f_min_hz=50.0, f_max_hz=4000.0)
#: How far below the loudest band of its frame a cell may lie for the tolerance in dB that follows. float32
#: rounds the amplitude of every bin to some 1e-7 of the largest one: 1e-4 of the power 60 dB below, 1e-2 100
#: dB below.
TOLERANCES_DB = ((70.0, 1e-3), (100.0, 0.05))


def naive(feature: LogMel, samples: np.ndarray) -> np.ndarray:
    """The definition, frame by frame, in float64."""
    bank = mel_filterbank(
        feature.sample_rate, feature.n_fft, feature.n_mels, feature.f_min_hz, feature.f_max_hz
    ).astype(np.float64)
    k = np.arange(feature.n_fft)
    window = 0.5 * (1.0 - np.cos(2.0 * np.pi * k / feature.n_fft))
    half = feature.n_fft // 2
    padded = np.concatenate([np.zeros(half), samples, np.zeros(feature.n_fft)])
    powers = []
    for centre in range(0, samples.size + 1, feature.hop_samples):
        spectrum = np.fft.rfft(padded[centre : centre + feature.n_fft] * window)
        powers.append(bank @ np.abs(spectrum) ** 2)
    return 10.0 * np.log10(np.maximum(powers, feature.floor))


def assert_same_db(frames: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Equal to the tolerance that float32 allows at each depth below the frame's loudest band."""
    assert frames.shape == expected.shape, what
    depth = expected.max(axis=1, keepdims=True) - expected
    for below, tolerance in TOLERANCES_DB:
        near = depth < below
        np.testing.assert_allclose(frames[near], expected[near], rtol=0, atol=tolerance, err_msg=what)


def signals(sample_rate: int) -> dict[str, np.ndarray]:
    """Noise, a loud and a faint tone, an impulse, a square wave and a fade: 0.7 s each, float32."""
    rng = np.random.default_rng(3)
    time_s = np.arange(int(0.7 * sample_rate)) / sample_rate
    impulse = np.zeros(time_s.size)
    impulse[1000] = 1.0
    tone = np.sin(2 * np.pi * 441.3 * time_s)
    made = {
        "noise": 0.1 * rng.standard_normal(time_s.size),
        "tone": 0.9 * tone,
        "faint tone": 1e-3 * tone,
        "impulse": impulse,
        "square": np.sign(np.sin(2 * np.pi * 1234.5 * time_s)),
        "fade": np.exp(-8 * time_s) * rng.standard_normal(time_s.size),
    }
    return {name: samples.astype(np.float32) for name, samples in made.items()}


FEATURES = [
    LogMel(),
    SMALL,
    LogMel(sample_rate=16_000, n_fft=400, hop_samples=160, n_mels=40, f_min_hz=0.0, f_max_hz=8000.0),
    LogMel(sample_rate=8000, n_fft=255, hop_samples=255, n_mels=16, f_min_hz=100.0, f_max_hz=3000.0),
    # One group of filters over more bins than BLAS would multiply on one thread.
    LogMel(sample_rate=44_100, n_fft=16_384, hop_samples=4096, n_mels=8, f_min_hz=20.0, f_max_hz=22_050.0),
]


@pytest.mark.parametrize(
    "feature", FEATURES, ids=lambda f: f"{f.sample_rate}-{f.n_fft}-{f.hop_samples}-{f.n_mels}"
)
def test_frames_equal_the_definition_computed_naively(feature: LogMel) -> None:
    for name, samples in signals(feature.sample_rate).items():
        frames = feature(samples)
        assert frames.dtype == np.float32
        assert_same_db(frames, naive(feature, samples), name)


def test_an_impulse_has_the_area_of_each_filter_in_the_frame_that_it_is_centred_in() -> None:
    samples = np.zeros(4 * SMALL.hop_samples, dtype=np.float32)
    samples[2 * SMALL.hop_samples] = 1.0
    bank = mel_filterbank(8000, 256, 20, 50.0, 4000.0)
    expected = 10.0 * np.log10(bank.sum(axis=1, dtype=np.float64))
    np.testing.assert_allclose(SMALL(samples)[2], expected, atol=1e-4)


@pytest.mark.parametrize("frequency_hz", [100.0, 440.0, 1000.0, 2345.0, 3600.0])
def test_a_tone_is_loudest_in_the_filter_around_it(frequency_hz: float) -> None:
    time_s = np.arange(8000) / 8000
    frames = SMALL(np.sin(2 * np.pi * frequency_hz * time_s).astype(np.float32))
    edges_hz = mel_to_hz(np.linspace(hz_to_mel(50.0), hz_to_mel(4000.0), 22))
    loudest = frames[20:-20].argmax(axis=1)
    assert len(set(loudest)) == 1
    assert edges_hz[loudest[0]] < frequency_hz < edges_hz[loudest[0] + 2]


def test_ten_times_the_amplitude_is_twenty_decibels_more(rng: np.random.Generator) -> None:
    samples = 0.05 * rng.standard_normal(4000).astype(np.float32)
    np.testing.assert_allclose(SMALL(samples * 10) - SMALL(samples), 20.0, atol=1e-3)


def test_silence_is_exactly_what_is_declared() -> None:
    for feature in (LogMel(), LogMel(floor=1e-8), LogMel(floor=3.3e-7)):
        frames = feature(np.zeros(30_000, dtype=np.float32))
        assert (frames == np.float32(feature.silence)).all()
        assert frames[0, 0] == pytest.approx(10.0 * np.log10(feature.floor), abs=1e-4)


def test_a_shift_by_one_hop_shifts_the_frames_by_one(rng: np.random.Generator) -> None:
    samples = rng.standard_normal(6000).astype(np.float32)
    later = np.concatenate([np.zeros(SMALL.hop_samples, dtype=np.float32), samples])
    np.testing.assert_allclose(SMALL(later)[1:], SMALL(samples), atol=1e-4)


def test_a_frame_sees_its_declared_context_and_nothing_else(rng: np.random.Generator) -> None:
    samples = rng.standard_normal(4000).astype(np.float32)
    frame, hop = 20, SMALL.hop_samples
    first, stop = frame * hop - SMALL.left_context, frame * hop + SMALL.right_context
    whole = SMALL(samples)[frame]
    elsewhere = rng.standard_normal(4000).astype(np.float32)
    elsewhere[first:stop] = samples[first:stop]
    np.testing.assert_array_equal(SMALL(elsewhere)[frame], whole)
    for inside in (first + 2, stop - 2):
        changed = samples.copy()
        changed[inside] += 50.0
        assert np.abs(SMALL(changed)[frame] - whole).max() > 1e-6


def test_valid_needs_no_padding_and_refuses_less_than_a_frame(rng: np.random.Generator) -> None:
    samples = rng.standard_normal(256 + 5 * 80 + 79).astype(np.float32)
    frames = SMALL.valid(samples)
    assert frames.shape == (6, 20)
    # Its first frame begins, rather than is centred, at the first sample.
    np.testing.assert_allclose(frames[2:], SMALL(samples[SMALL.left_context :])[2:6], atol=1e-4)
    with pytest.raises(ValueError, match="a frame of length=256 needs as many samples, got 255"):
        SMALL.valid(samples[:255])


def test_integers_and_doubles_are_taken_as_their_values(rng: np.random.Generator) -> None:
    integers = rng.integers(-100, 100, 2000)
    expected = SMALL(integers.astype(np.float32))
    for dtype in (np.int16, np.float64):
        frames = SMALL(integers.astype(dtype))
        assert frames.dtype == np.float32
        np.testing.assert_array_equal(frames, expected)


def test_mel_scale_is_linear_to_1_khz_and_logarithmic_above() -> None:
    assert hz_to_mel(1000.0) == pytest.approx(15.0)
    np.testing.assert_allclose(hz_to_mel([0.0, 200.0, 400.0]), [0.0, 3.0, 6.0])
    assert hz_to_mel(6400.0) == pytest.approx(15.0 + 27.0)
    hz = np.linspace(0, 20_000, 999)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, atol=1e-6)


def test_filters_have_unit_area_and_touch_their_neighbours_centres() -> None:
    bank = mel_filterbank(24_000, 2**15, 30, 100.0, 10_000.0)
    bins_hz = np.fft.rfftfreq(2**15, 1 / 24_000)
    np.testing.assert_allclose(bank.sum(axis=1) * bins_hz[1], 1.0, rtol=1e-3)
    edges_hz = mel_to_hz(np.linspace(hz_to_mel(100.0), hz_to_mel(10_000.0), 32))
    for row, low, centre, high in zip(bank, edges_hz, edges_hz[1:], edges_hz[2:], strict=False):
        used = bins_hz[row > 0]
        assert low < used[0] < low + 1.5
        assert high - 1.5 < used[-1] < high
        assert bins_hz[row.argmax()] == pytest.approx(centre, abs=1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"f_max_hz": 12_001.0}, r"f_max_hz=12001.0 must satisfy 0 <= f_min_hz < f_max_hz <= 12000.0"),
        ({"f_min_hz": -1.0}, "f_min_hz=-1.0"),
        ({"f_min_hz": 11_000.0}, "f_min_hz=11000.0"),
        ({"n_mels": 0}, "n_mels=0 must be at least 1"),
        ({"hop_samples": 0}, "hop_samples=0 must be at least 1"),
        ({"hop_samples": 2049}, "hop_samples=2049 must not exceed n_fft=2048"),
        ({"floor": 0.0}, "floor=0.0 must lie in"),
        ({"floor": 1e-50}, "float32 has no smaller power"),
        ({"n_mels": 1000}, r"n_mels=1000 leaves \d+ filters \(the first is number \d+\) between two bins"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogMel(**changes)


@pytest.fixture(scope="module")
def librosa():
    return pytest.importorskip("librosa")


@pytest.mark.slow
class TestAgainstLibrosa:
    """Marked slow because librosa's first call in an environment compiles for half a minute."""

    @pytest.mark.parametrize("feature", FEATURES[:3], ids=lambda f: f"{f.sample_rate}")
    def test_frames_are_librosas(self, librosa, feature: LogMel) -> None:
        for name, samples in signals(feature.sample_rate).items():
            power = librosa.feature.melspectrogram(
                y=samples, sr=feature.sample_rate, n_fft=feature.n_fft, hop_length=feature.hop_samples,
                center=True, pad_mode="constant", n_mels=feature.n_mels, fmin=feature.f_min_hz,
                fmax=feature.f_max_hz,
            )  # fmt: skip
            expected = librosa.power_to_db(power, ref=1.0, amin=feature.floor, top_db=None).T
            assert_same_db(feature(samples), expected, name)

    def test_filters_and_scale_are_librosas(self, librosa) -> None:
        for feature in FEATURES[:3]:
            ours = mel_filterbank(
                feature.sample_rate, feature.n_fft, feature.n_mels, feature.f_min_hz, feature.f_max_hz
            )
            theirs = librosa.filters.mel(
                sr=feature.sample_rate, n_fft=feature.n_fft, n_mels=feature.n_mels, fmin=feature.f_min_hz,
                fmax=feature.f_max_hz,
            )  # fmt: skip
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-9)
        hz = np.linspace(0, 20_000, 500)
        np.testing.assert_allclose(hz_to_mel(hz), librosa.hz_to_mel(hz))
