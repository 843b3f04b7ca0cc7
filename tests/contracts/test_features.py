"""What every feature of the table keeps, whoever wrote it.

A leaf whose defaults suit the tests needs nothing here; ``EXAMPLES`` adds parameters worth looping over.
"""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from sonoscope import features
from sonoscope.errors import UnknownName

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
    ]
}
CASES = [
    pytest.param(kind(**parameters), id=f"{name}-{number}")
    for name, kind in features.FEATURES.items()
    for number, parameters in enumerate(EXAMPLES.get(name, [{}]))
]
streamable = [case for case in CASES if case.values[0].streamable]
portable = [case for case in CASES if not case.values[0].numpy_only]


def signal(n: int, seed: int = 1) -> np.ndarray:
    return 0.3 * np.random.default_rng(seed).standard_normal(n).astype(np.float32)


@pytest.mark.parametrize("feature", CASES)
@pytest.mark.parametrize("n", [0, 1, 600, 4095, 24_000])
def test_declared_shape_is_the_real_one_in_float32(feature, n: int) -> None:
    frames = feature(signal(n))
    assert frames.shape == feature.shape(n)
    assert frames.shape[-1] == feature.n_bins
    assert frames.dtype == np.float32


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
def test_the_input_is_left_alone(feature) -> None:
    samples = signal(9000)
    before = samples.copy()
    samples.flags.writeable = False
    feature(samples)
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize("feature", CASES)
def test_a_frame_depends_on_its_declared_context_only(feature) -> None:
    samples, k = signal(24_000), 9
    centre = k * feature.hop_samples
    first, stop = centre - feature.left_context, centre + feature.right_context
    assert 0 <= first < stop <= samples.size
    other = signal(24_000, seed=2)
    other[first:stop] = samples[first:stop]
    np.testing.assert_array_equal(feature(other)[k], feature(samples)[k])


@pytest.mark.parametrize("feature", streamable)
@pytest.mark.parametrize("block", [1000, 4096, 65_536])
def test_streamed_is_whole_to_the_bit(feature, block: int) -> None:
    samples = signal(50_001)
    stream = feature.stream()
    parts = [stream.push(samples[i : i + block]) for i in range(0, samples.size, block)]
    np.testing.assert_array_equal(np.concatenate([*parts, stream.close()]), feature(samples))


@pytest.mark.train
@pytest.mark.parametrize("feature", portable)
def test_torch_gives_numpys_frames_and_a_gradient(feature) -> None:
    torch = pytest.importorskip("torch")
    batch = np.stack([signal(12_000, seed) for seed in range(2)])
    samples = torch.from_numpy(batch).requires_grad_()
    frames = feature(samples)
    assert frames.dtype == torch.float32
    np.testing.assert_allclose(frames.detach().numpy(), feature(batch), atol=1e-3)
    frames.sum().backward()
    assert torch.isfinite(samples.grad).all()
    assert samples.grad.abs().sum() > 0
    # Nothing is brought back to the CPU on the way.
    elsewhere = feature(torch.zeros(batch.shape, device="meta"))
    assert (elsewhere.device.type, elsewhere.shape) == ("meta", frames.shape)
    doubles = feature(torch.from_numpy(batch.astype(np.float64)))
    assert doubles.dtype == torch.float64
    np.testing.assert_allclose(doubles.numpy(), feature(batch), atol=1e-3)


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


def test_the_name_in_the_table_is_the_leafs_own() -> None:
    assert {name: kind.name for name, kind in features.FEATURES.items()} == {n: n for n in features.FEATURES}


def test_unknown_names_and_parameters_name_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown feature 'logmell'\. Did you mean 'logmel'\?"):
        features.from_dict({"name": "logmell"})
    with pytest.raises(
        UnknownName, match=r"unknown parameter 'n_mel' of feature 'logmel'\. Did you mean 'n_mels'\?"
    ):
        features.from_dict({"name": "logmel", "n_mel": 3})
