"""What every feature of the table keeps, whoever wrote it.

A leaf whose defaults suit the tests needs nothing here; ``EXAMPLES`` adds parameters worth looping over.
"""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from sonoscope import features
from sonoscope.errors import UnknownName, UsageError

SMALL_CQT = {"name": "cqt", "sample_rate": 8000, "hop_samples": 80, "f_min_hz": 110.0, "n_bins": 60}
EXAMPLES: dict[str, list[dict]] = {
    "logmel": [
        {},
        {
            "sample_rate": 8000,
            "n_fft": 255,
            "hop_samples": 81,
            "n_mels": 13,
            "f_max_hz": 4000.0,
            "f_min_hz": 90.0,
        },
    ],
    "stft": [
        {},
        {"n_fft": 255, "hop_samples": 81, "window": "blackman", "window_samples": 200, "output": "magnitude"},
    ],
    "multiband": [{}, {"sample_rate": 16_000, "bands": [[0, 500, 600], [500, 8000, 111]], "output": "power"}],
    "mfcc": [{}, {"n_mfcc": 13, "n_mels": 40, "lifter": 22, "hop_samples": 300}],
    "chroma": [{}, {"n_chroma": 24, "norm": "none", "n_fft": 2048, "hop_samples": 441}],
    "logfreq": [
        {},
        {"sample_rate": 8000, "n_fft": 1024, "hop_samples": 99, "n_bins": 50, "bins_per_octave": 12},
    ],
    # A hop that cannot be halved, and windows of variable Q.
    "cqt": [{}, {**SMALL_CQT, "hop_samples": 81, "gamma_hz": 5.0, "output": "magnitude"}],
    "hcqt": [
        {},
        {"transform": SMALL_CQT, "harmonics": [1, 1.5, 3], "n_pitches": 20, "step": 3},
        {"transform": {"name": "logfreq"}, "harmonics": [0.5, 1, 7], "step": 1},
    ],
    "morlet": [{}, {"hop_samples": 81, "bandwidth": 4.0, "f_min_hz": 100.0, "n_bins": 60, "output": "power"}],
    "fbank": [
        {},
        {"window": "povey", "gain": 32768.0, "n_mels": 40, "preemphasis": 0.0, "remove_mean": False},
    ],
    "hpss": [{}, {"n_fft": 255, "hop_samples": 100, "n_frames": 5, "median_bins": 7, "margin": 2.0}],
    "channels": [
        {},
        {
            "features": [
                {"name": "multiband"},
                {"name": "channels", "features": [{"name": "stft"}, {"name": "hcqt"}]},
            ],
            "height": 100,
        },
        {"features": [{"name": "pcen"}, {"name": "stft"}]},
    ],
}
CASES = [
    pytest.param(features.from_dict({**parameters, "name": name}), id=f"{name}-{number}")
    for name in features.FEATURES
    for number, parameters in enumerate(EXAMPLES.get(name, [{}]))
]
streamable = [case for case in CASES if case.values[0].streamable]
portable = [case for case in CASES if not case.values[0].numpy_only]
#: What is given in decibels, and how far below the loudest of its row a cell may lie for 1e-3 dB. float32 rounds a
#: spectrum to some 1e-7 of its largest value: 1e-2 of the power 100 dB below.
NEAR_DB, DEEP_TOLERANCE_DB = 50.0, 0.5


def signal(n: int, seed: int = 1) -> np.ndarray:
    return 0.3 * np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def assert_same(frames, expected, feature) -> None:
    """Equal to 1e-3 dB, or to 1e-4 of the largest value of the row for what is not in decibels."""
    frames, expected = np.asarray(frames, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert frames.shape == expected.shape
    if np.max(feature.silence) > -10:
        atol = 1e-4 * np.abs(expected).max(axis=-1, keepdims=True) + 1e-6
        assert (np.abs(frames - expected) <= atol).all(), np.abs(frames - expected).max()
        return
    near = expected.max(axis=-1, keepdims=True) - expected < NEAR_DB
    np.testing.assert_allclose(frames[near], expected[near], rtol=1e-6, atol=1e-3)
    np.testing.assert_allclose(frames, expected, rtol=1e-5, atol=DEEP_TOLERANCE_DB)


@pytest.mark.parametrize("feature", CASES)
def test_it_keeps_the_protocol(feature) -> None:
    assert isinstance(feature, features.Feature)
    assert sum(feature.parts) == feature.n_bins
    assert min(feature.left_context, feature.right_context - 1) >= 0
    assert feature.hop_samples <= feature.left_context + feature.right_context


@pytest.mark.parametrize("feature", CASES)
@pytest.mark.parametrize("n", [0, 1, 600, 4095, 24_000])
def test_declared_shape_is_the_real_one_in_float32(feature, n: int) -> None:
    frames = feature(signal(n))
    assert frames.shape == feature.shape(n)
    assert frames.shape[-1] == feature.n_bins
    assert frames.dtype == np.float32


@pytest.mark.parametrize("feature", CASES)
def test_silence_is_what_is_declared(feature) -> None:
    frames = feature(np.zeros(8000, dtype=np.float32))
    np.testing.assert_allclose(frames, np.broadcast_to(feature.silence, frames.shape), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("feature", CASES)
def test_silence_an_impulse_and_full_scale_are_finite(feature) -> None:
    n = 3 * feature.hop_samples + feature.left_context + feature.right_context
    impulse = np.zeros(n, dtype=np.float32)
    impulse[n // 2] = 1.0
    square = np.where(np.arange(n) // 20 % 2, 1.0, -1.0).astype(np.float32)
    for samples in (np.zeros(n, dtype=np.float32), impulse, square, np.ones(n, dtype=np.float32)):
        assert np.isfinite(feature(samples)).all()


@pytest.mark.parametrize("feature", CASES)
def test_a_batch_is_the_stack_of_its_members(feature) -> None:
    batch = np.stack([signal(9000, seed) for seed in range(3)])
    expected = np.stack([feature(samples) for samples in batch])
    np.testing.assert_array_equal(feature(batch), expected)
    np.testing.assert_array_equal(feature(batch[None]), expected[None])


@pytest.mark.parametrize("feature", CASES)
def test_the_input_is_left_alone_and_given_frames_stay(feature) -> None:
    samples = signal(9000)
    before = samples.copy()
    samples.flags.writeable = False
    frames = feature(samples)
    kept = frames.copy()
    feature(-samples[::-1].copy())
    np.testing.assert_array_equal(samples, before)
    np.testing.assert_array_equal(frames, kept)


@pytest.mark.parametrize("feature", streamable)
def test_a_frame_sees_its_declared_context_and_nothing_else(feature) -> None:
    k = -(-feature.left_context // feature.hop_samples) + 3
    centre = k * feature.hop_samples
    first, stop = centre - feature.left_context, centre + feature.right_context
    n = stop + 2000
    samples, other = signal(n), signal(n, seed=2)
    frame = feature(samples)[k]
    other[first:stop] = samples[first:stop]
    # To rounding: a transform of a whole piece mixes all of it, and cancels what lies outside.
    assert_same(feature(other)[k], frame, feature)
    for inside in (centre - feature.left_context // 8, centre + feature.right_context // 8):
        changed = samples.copy()
        changed[inside] += 100.0
        assert np.abs(feature(changed)[k] - frame).max() > 1e-4


@pytest.mark.parametrize("feature", streamable)
@pytest.mark.parametrize("block", [1000, 65_536, 0], ids=["1000", "65536", "random"])
def test_streamed_is_whole_to_the_bit(feature, block: int) -> None:
    samples, rng = signal(50_001), np.random.default_rng(block)
    stream, parts, taken = feature.stream(), [], 0
    while taken < samples.size:
        size = block or int(rng.integers(0, 9000))
        parts.append(stream.push(samples[taken : taken + size]))
        taken += size
    np.testing.assert_array_equal(np.concatenate([*parts, stream.close()]), feature(samples))


@pytest.mark.parametrize("feature", streamable)
def test_other_batches_give_the_same_frames(feature) -> None:
    samples = signal(12_000)
    stream = feature.stream(batch_frames=5)
    assert_same(np.concatenate([stream.push(samples), stream.close()]), feature(samples), feature)


@pytest.mark.parametrize("feature", [case for case in CASES if case not in streamable])
def test_what_cannot_be_streamed_says_so(feature) -> None:
    for refused in (feature.stream, lambda: feature.kernel(4)):
        with pytest.raises(
            UsageError, match=f"feature '{feature.name}' is not streamable: its rows depend on"
        ):
            refused()


@pytest.mark.train
@pytest.mark.parametrize("feature", portable)
def test_torch_gives_numpys_frames_and_a_gradient(feature) -> None:
    torch = pytest.importorskip("torch")
    batch = np.stack([signal(12_000, seed) for seed in range(2)])
    samples = torch.from_numpy(batch).requires_grad_()
    frames = feature(samples)
    assert frames.dtype == torch.float32
    assert_same(frames.detach().numpy(), feature(batch), feature)
    frames.sum().backward()
    assert torch.isfinite(samples.grad).all()
    assert samples.grad.abs().sum() > 0
    # Nothing is brought back to the CPU on the way.
    elsewhere = feature(torch.zeros(batch.shape, device="meta"))
    assert (elsewhere.device.type, elsewhere.shape) == ("meta", frames.shape)
    doubles = feature(torch.from_numpy(batch.astype(np.float64)))
    assert doubles.dtype == torch.float64
    assert_same(doubles.numpy(), feature(batch), feature)


@pytest.mark.train
@pytest.mark.parametrize("feature", portable)
def test_the_gradient_of_silence_is_finite(feature) -> None:
    torch = pytest.importorskip("torch")
    samples = torch.zeros(6000, requires_grad=True)
    feature(samples).sum().backward()
    assert torch.isfinite(samples.grad).all()


@pytest.mark.train
@pytest.mark.parametrize("feature", [case for case in CASES if case.values[0].numpy_only])
def test_what_is_for_numpy_only_refuses_tensors(feature) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="computes on NumPy arrays only, got Tensor: compute it beforehand"):
        feature(torch.zeros(6000))


@pytest.mark.parametrize("feature", CASES)
def test_json_keeps_everything(feature) -> None:
    spec = json.loads(json.dumps(features.to_dict(feature)))
    assert spec["name"] == feature.name
    assert features.from_dict(spec) == feature
    assert hash(features.from_dict(spec)) == hash(feature)


@pytest.mark.parametrize("feature", CASES)
def test_parameters_are_frozen(feature) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(feature, fields(feature)[0].name, 1)


@pytest.mark.parametrize("feature", CASES)
def test_a_hop_of_nothing_and_less_than_a_frame_are_refused(feature) -> None:
    if any(field.name == "hop_samples" for field in fields(feature)):
        with pytest.raises(ValueError, match="hop_samples=0 must be at least 1"):
            features.from_dict({**features.to_dict(feature), "hop_samples": 0})
    needed = feature.left_context + feature.right_context
    assert feature.valid(signal(needed)).shape == (1, feature.n_bins)
    with pytest.raises(ValueError, match=f"needs as many samples, got {needed - 1}"):
        feature.valid(signal(needed - 1))


def test_the_name_in_the_table_is_the_leafs_own() -> None:
    assert {name: kind.name for name, kind in features.FEATURES.items()} == {n: n for n in features.FEATURES}


def test_unknown_names_and_parameters_name_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown feature 'logmell'\. Did you mean 'logmel'\?"):
        features.from_dict({"name": "logmell"})
    with pytest.raises(
        UnknownName, match=r"unknown parameter 'n_mel' of feature 'logmel'\. Did you mean 'n_mels'\?"
    ):
        features.from_dict({"name": "logmel", "n_mel": 3})
    with pytest.raises(UnknownName, match=r"unknown parameter 'n_ft' of feature 'stft'"):
        features.from_dict({"name": "channels", "features": [{"name": "stft", "n_ft": 3}]})
