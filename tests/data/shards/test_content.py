"""What is stored of samples and frames: exact where it can be, bounded where not."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.data import shards
from sonoscope.data.shards.content import Content
from sonoscope.errors import UsageError
from sonoscope.features import LogMel, Pcen, Stft


def back(content: Content, samples: np.ndarray) -> np.ndarray:
    found = content.convert(samples)
    return found.rows * np.float32(found.scale / 32_768)


def test_16_bit_sound_comes_back_bit_for_bit(rng: np.random.Generator):
    steps = rng.integers(-32_768, 32_768, 5000).astype(np.int16)
    steps[:2] = -32_768, 32_767
    samples = steps.astype(np.float32) / 32_768
    found = shards.audio(8000).convert(samples)
    assert found.scale == 1.0 and np.array_equal(found.rows, steps)
    assert np.array_equal(back(shards.audio(8000), samples), samples)


@pytest.mark.parametrize("peak", [0.001, 0.9, 1.0, 1.00001, 1.7, 40.0, -40.0])
def test_louder_than_full_scale_is_stored_softer_and_read_as_loud_as_it_was(
    peak: float, rng: np.random.Generator
):
    samples = rng.uniform(-1, 1, 4000).astype(np.float32)
    samples *= np.float32(peak / np.abs(samples).max())
    error = np.abs(back(shards.audio(8000), samples) - samples).max()
    assert error <= 0.51 * max(abs(peak), 1.0) / 32_767 + 1e-7 * abs(peak) or (
        1.0 <= abs(peak) <= 1.0001 and error <= 1.01 / 32_768
    )


def test_frames_are_those_of_the_feature_and_go_on_until_nothing_is_heard(rng: np.random.Generator):
    feature = LogMel(8000, n_fft=512, hop_samples=100, n_mels=20, f_max_hz=4000.0)
    samples = rng.standard_normal(2345).astype(np.float32)
    found = shards.frames(feature, "float32").convert(samples)
    assert found.count == len(feature(samples)) == 24 and found.n_samples == 2345
    assert np.array_equal(found.rows[:24], feature(samples))
    # As if the silence after the end had been recorded too.
    longer = feature(np.concatenate([samples, np.zeros(1000, np.float32)]))
    np.testing.assert_allclose(found.rows, longer[: len(found.rows)], atol=1e-4)
    assert (longer[len(found.rows) :] == feature.silence).all(), "no frame that hears the sound is left out"
    assert (longer[len(found.rows) - 2] > feature.silence).any(), (
        "and (but for a window that begins at 0) none more"
    )


def test_float16_loses_at_most_its_rounding(rng: np.random.Generator):
    feature = LogMel(8000, n_fft=512, hop_samples=100, n_mels=20, f_max_hz=4000.0)
    samples = rng.standard_normal(4000).astype(np.float32)
    exact, stored = (shards.frames(feature, dtype).convert(samples).rows for dtype in ("float32", "float16"))
    assert stored.dtype == np.float16
    assert (np.abs(stored.astype(np.float32) - exact) <= np.abs(exact) / 2048 + 1e-7).all()


def test_a_feature_that_sees_everything_at_once_is_stored_whole(rng: np.random.Generator):
    feature = Pcen()
    assert not feature.streamable
    samples = rng.standard_normal(feature.sample_rate).astype(np.float32)
    found = shards.frames(feature, "float32").convert(samples)
    assert found.count == len(found.rows) and np.array_equal(found.rows, feature(samples))


def test_values_that_float16_cannot_hold_are_refused_with_a_remedy():
    content = shards.frames(Stft(8000, 512, 100, output="power"))
    with pytest.raises(
        UsageError, match=r"value of stft is 7[0-9.]+, which float16 cannot hold.*--dtype float32"
    ):
        content.convert(np.sin(np.arange(4000, dtype=np.float32)) * 100)


def test_contents_survive_json():
    for content in (shards.audio(22_050), shards.frames(LogMel(), "float32"), shards.frames(Stft())):
        again = Content.from_dict(content.to_dict())
        assert again == content and again.row_shape == content.row_shape


@pytest.mark.parametrize(("make", "said"), [
    (lambda: shards.audio(0), "sample_rate=0 Hz must be at least 1"),
    (lambda: shards.frames(LogMel(), "int8"), "dtype='int8' must be one of float16, float32"),
])  # fmt: skip
def test_what_cannot_be_is_refused(make, said: str):
    with pytest.raises(UsageError, match=said):
        make()
