"""Recordings longer than one run of the graph: the same scores, to the bit, however they arrive and end."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope import models
from sonoscope.models import scorers
from sonoscope.models.runtime import Runtime
from sonoscope.models.scorers import LONG_RUN
from sonoscope.windows import Grid


@pytest.fixture(scope="module")
def shipped() -> Runtime:
    return Runtime(models.load("instruments"))


def sound(n: int) -> np.ndarray:
    """Noise whose loudness changes, float32."""
    noise = np.random.default_rng(3).standard_normal(n)
    return (0.1 * noise * np.exp(np.sin(np.arange(n) / 9000.0))).astype(np.float32)


def score(runtime: Runtime, samples: np.ndarray, hop: int, block: int) -> np.ndarray:
    scorer = runtime.scorer(hop)
    parts = [scorer.push(samples[first : first + block])[0] for first in range(0, samples.size, block)]
    return np.concatenate([*parts, scorer.close()[0]])


def hops(runtime: Runtime) -> dict[str, int]:
    """A hop for each way: trunk shared; windows apart; features shared only; features of its own."""
    bundle = runtime.bundle
    assert bundle.feature is not None
    frame = bundle.feature.hop_samples
    return {
        "default": bundle.hop_samples,
        "no overlap": bundle.window_samples,
        "off the stride": frame * (bundle.trunk_stride * 2 + 1),
        "off the frames": bundle.hop_samples + 7,
    }


def sizes(runtime: Runtime) -> list[int]:
    """Samples that end just before, at and after one and two long runs of frames, and somewhere."""
    feature = runtime.bundle.feature
    assert feature is not None
    run = LONG_RUN * feature.hop_samples
    return [run - 1, run, run + feature.hop_samples * runtime.bundle.receptive_field, 2 * run + 12_345]


@pytest.mark.parametrize("way", ["default", "no overlap", "off the stride", "off the frames"])
def test_long_runs_give_what_short_ones_give(
    shipped: Runtime, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    hop = hops(shipped)[way]
    for n in sizes(shipped)[-2:]:
        samples = sound(n)
        long = score(shipped, samples, hop, 100_000)
        assert len(long) == Grid(shipped.bundle.window_samples, hop).count(n)
        with monkeypatch.context() as patch:
            patch.setattr(scorers, "LONG_RUN", 60)
            short = score(shipped, samples, hop, 100_000)
        np.testing.assert_allclose(long, short, rtol=0, atol=1e-5)


@pytest.mark.parametrize("way", ["default", "no overlap"])
def test_blocks_of_any_size_give_the_same_bits(shipped: Runtime, way: str) -> None:
    hop = hops(shipped)[way]
    for n in sizes(shipped):
        samples = sound(n)
        expected = score(shipped, samples, hop, n)
        np.testing.assert_array_equal(score(shipped, samples, hop, 35_664), expected)


def test_a_window_scores_the_same_alone_and_far_into_a_recording(shipped: Runtime) -> None:
    """The score of a window in the middle of a long run is that of the same sound cut out with its context."""
    bundle = shipped.bundle
    hop = bundle.hop_samples
    samples = sound(sizes(shipped)[-1])
    whole = score(shipped, samples, hop, 50_000)
    for i in (40, 50, 80):
        first = (i - 1) * hop
        alone = score(shipped, samples[first : first + 4 * bundle.window_samples], hop, 10_000)
        np.testing.assert_allclose(alone[1], whole[i], rtol=0, atol=1e-5)


def test_the_trunk_is_shared_where_that_is_cheaper(shipped: Runtime) -> None:
    found = hops(shipped)
    ways = {name: type(shipped.way(hop)).__name__ for name, hop in found.items()}
    assert ways == {
        "default": "SharedTrunk",
        "no overlap": "SharedFeatures",
        "off the stride": "SharedFeatures",
        "off the frames": "OwnFeatures",
    }
