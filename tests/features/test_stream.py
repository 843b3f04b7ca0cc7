"""Streamed frames: the same bits for any blocks, in constant memory, and never touched again."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from sonoscope.features.logmel import LogMel
from sonoscope.features.stream import BATCH_FRAMES, FrameStream

FEATURE = LogMel(sample_rate=8000, n_fft=256, hop_samples=80, n_mels=20, f_min_hz=50.0, f_max_hz=4000.0)


def streamed(stream: FrameStream, samples: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Frames of ``samples`` pushed in blocks of ``sizes``, repeated as often as needed."""
    parts, taken = [], 0
    while taken < samples.size:
        for size in sizes:
            parts.append(stream.push(samples[taken : taken + size]))
            taken += size
    return np.concatenate([*parts, stream.close()])


@pytest.mark.parametrize("n", [0, 1, 79, 80, 127, 128, 2560, 2608, 2609, 20_001])
@pytest.mark.parametrize("sizes", [[10**9], [997], [1, 0, 80, 255, 4096]], ids=["whole", "997", "mixed"])
def test_any_blocks_give_the_bits_of_the_whole(rng: np.random.Generator, n: int, sizes: list[int]) -> None:
    samples = rng.standard_normal(n).astype(np.float32)
    frames = streamed(FEATURE.stream(), samples, sizes)
    assert frames.shape == FEATURE.shape(n)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, FEATURE(samples))


def test_single_samples_give_the_bits_of_the_whole(rng: np.random.Generator) -> None:
    samples = rng.standard_normal(3000).astype(np.float32)
    np.testing.assert_array_equal(streamed(FEATURE.stream(), samples, [1]), FEATURE(samples))


@pytest.mark.parametrize("batch_frames", [1, 2, 7, 33, 500])
def test_other_batches_answer_earlier_or_later_with_the_same_frames(
    rng: np.random.Generator, batch_frames: int
) -> None:
    samples = rng.standard_normal(9001).astype(np.float32)
    reference = streamed(FEATURE.stream(batch_frames), samples, [10**9])
    np.testing.assert_array_equal(streamed(FEATURE.stream(batch_frames), samples, [613]), reference)
    np.testing.assert_allclose(reference, FEATURE(samples), atol=1e-3)


def test_frames_come_as_soon_as_their_batch_is_complete(rng: np.random.Generator) -> None:
    stream = FEATURE.stream(batch_frames=1)
    assert len(stream.push(rng.standard_normal(FEATURE.right_context - 1))) == 0
    assert len(stream.push(rng.standard_normal(1))) == 1
    assert len(stream.push(rng.standard_normal(79))) == 0
    assert len(stream.push(rng.standard_normal(1 + 3 * 80))) == 4
    assert stream.n_samples == FEATURE.right_context + 4 * 80


@pytest.mark.parametrize("n", [0, 100, 5000])
@pytest.mark.parametrize("total", [0, 1, 31, 32, 33, 200])
def test_close_tops_up_to_the_frames_that_are_wanted(rng: np.random.Generator, n: int, total: int) -> None:
    samples = rng.standard_normal(n).astype(np.float32)
    stream = FEATURE.stream()
    ready = stream.push(samples)
    frames = np.concatenate([ready, stream.close(total)])
    assert len(frames) == max(total, len(ready))
    longer = np.concatenate([samples, np.zeros(total * 80, dtype=np.float32)])
    np.testing.assert_array_equal(frames, FEATURE(longer)[: len(frames)])


def test_frames_given_and_samples_taken_stay_as_they_were(rng: np.random.Generator) -> None:
    samples = rng.standard_normal(8000).astype(np.float32)
    before = samples.copy()
    stream = FEATURE.stream()
    first = stream.push(samples)
    kept = first.copy()
    stream.push(-samples)
    stream.close()
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(samples, before)
    # Nor does it matter that the caller overwrites its block.
    stream, block = FEATURE.stream(), np.empty(500, dtype=np.float32)
    parts = []
    for i in range(0, 8000, 500):
        block[:] = samples[i : i + 500]
        parts.append(stream.push(block))
        block[:] = np.nan
    np.testing.assert_array_equal(np.concatenate([*parts, stream.close()]), FEATURE(samples))


def test_two_streams_of_one_feature_do_not_meet(rng: np.random.Generator) -> None:
    one, other = (rng.standard_normal(6000).astype(np.float32) for _ in range(2))
    streams = FEATURE.stream(), FEATURE.stream()
    parts: tuple[list, list] = ([], [])
    for i in range(0, 6000, 700):
        for stream, samples, part in zip(streams, (one, other), parts, strict=True):
            part.append(stream.push(samples[i : i + 700]))
    for stream, samples, part in zip(streams, (one, other), parts, strict=True):
        np.testing.assert_array_equal(np.concatenate([*part, stream.close()]), FEATURE(samples))


def test_memory_does_not_grow_with_the_signal() -> None:
    feature, block = LogMel(), np.zeros(65_536, dtype=np.float32)
    stream = feature.stream()
    stream.push(block)
    tracemalloc.start()
    for _ in range(40):
        stream.push(block)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    frames_of_a_block = 65_536 // feature.hop_samples + BATCH_FRAMES
    assert peak < 2 * frames_of_a_block * feature.n_bins * 4 + 100_000


def test_a_batch_of_no_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_frames=0 must be at least 1"):
        FEATURE.stream(batch_frames=0)


def test_a_hop_beyond_the_frame_is_refused() -> None:
    class Gappy:
        hop_samples, left_context, right_context, n_bins = 300, 128, 128, 1

    with pytest.raises(ValueError, match="hop_samples=300 must not exceed the frame length 256"):
        FrameStream(Gappy())  # type: ignore[arg-type]
