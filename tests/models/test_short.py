"""What is shorter than a window: repeated where the bundle says so, the same in any blocks and in the fused graph."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonoscope import models, pipeline
from sonoscope.errors import BadBundle
from sonoscope.models.bundle import Bundle, open_bundle
from sonoscope.models.runtime import Runtime
from sonoscope.models.scorers import prompt_scorer
from sonoscope.models.short import filled, least_period


@pytest.fixture(scope="module")
def silent() -> Runtime:
    shipped = models.load("instruments")
    return Runtime(Bundle(shipped.path, {**shipped.spec, "short": "silence"}))


@pytest.fixture(scope="module")
def repeating() -> Runtime:
    shipped = models.load("instruments")
    return Runtime(Bundle(shipped.path, {**shipped.spec, "short": "repeat"}))


def noise(n: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(n).standard_normal(n)).astype(np.float32)


def scored(scorer, samples: np.ndarray, cuts: tuple[int, ...] = ()) -> np.ndarray:
    """Logits of the samples pushed in pieces, whose memory is used again."""
    parts = []
    for piece in np.split(samples, sorted(cut for cut in cuts if cut < samples.size)):
        lent = piece.copy()
        parts.append(scorer.push(lent)[0])
        lent[:] = np.nan
    return np.concatenate([*parts, scorer.close()[0]])


@pytest.mark.parametrize("n", [1, 2_000, 5_000, 16_000, 23_999])
def test_a_short_recording_is_heard_as_if_it_went_on(n: int, silent: Runtime, repeating: Runtime) -> None:
    window, hop = repeating.bundle.window_samples, repeating.bundle.hop_samples
    samples = noise(n)
    whole = filled(samples, window, least_period(repeating.bundle))
    assert whole.size == window
    np.testing.assert_array_equal(whole[:n], samples)
    found = scored(repeating.scorer(hop), samples)
    assert len(found) == 1
    np.testing.assert_array_equal(found, scored(silent.scorer(hop), whole))
    np.testing.assert_allclose(found, scored(prompt_scorer(repeating, hop), samples), atol=1e-5)


def test_clicks_do_not_become_a_tone() -> None:
    period = least_period(models.load("instruments"))
    whole = filled(np.ones(3, dtype=np.float32), 24_000, period)
    assert period == 4_800
    np.testing.assert_array_equal(np.flatnonzero(whole), [k * period + j for k in range(5) for j in range(3)])


@pytest.mark.parametrize("n", [24_000, 24_001, 60_000])
def test_what_fills_a_window_is_left_alone(n: int, silent: Runtime, repeating: Runtime) -> None:
    samples, hop = noise(n), repeating.bundle.hop_samples
    np.testing.assert_array_equal(
        scored(repeating.scorer(hop), samples, (7_000, 23_000)), scored(silent.scorer(hop), samples)
    )


@given(n=st.integers(1, 30_000), cuts=st.tuples(st.integers(1, 30_000), st.integers(1, 30_000)))
def test_blocks_change_nothing(n: int, cuts: tuple[int, int], repeating: Runtime) -> None:
    samples, hop = noise(n), repeating.bundle.hop_samples
    np.testing.assert_array_equal(
        scored(repeating.scorer(hop), samples, cuts), scored(repeating.scorer(hop), samples)
    )


def test_nothing_has_no_window(repeating: Runtime) -> None:
    assert len(scored(repeating.scorer(repeating.bundle.hop_samples), noise(0))) == 0


def test_the_recording_keeps_its_length_and_says_what_was_done(repeating: Runtime) -> None:
    found = pipeline.score_samples(noise(8_000), 24_000, repeating.bundle, repeating)
    assert found.note == "shorter than the model's window of 1 s: repeated"
    assert found.duration_s == pytest.approx(1 / 3)
    assert found.scores.n_samples == 8_000


def test_a_bundle_that_wants_something_else_is_refused(tmp_path: Path) -> None:
    shipped = models.load("instruments")
    (tmp_path / "model.onnx").write_bytes(shipped.graph.read_bytes())
    (tmp_path / "bundle.json").write_text(json.dumps({**shipped.spec, "short": "mirror"}))
    with pytest.raises(BadBundle, match="short='mirror' must be 'silence' or 'repeat'"):
        open_bundle(tmp_path)


@pytest.mark.train
def test_the_fused_graph_repeats_as_well(repeating: Runtime, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("torch")
    fused = pytest.importorskip("sonoscope.networks.fused")
    path = tmp_path / "fused.onnx"
    assert fused.write_fused(repeating.bundle, path) <= 1e-4
    graph = onnxruntime.InferenceSession(path)
    for n in (1, 3_000, 11_000, 23_999, 24_000, 24_001, 50_000):
        samples = noise(n)
        (scores,) = graph.run(["scores"], {"samples": samples})
        expected = fused.expected_scores(repeating, samples, repeating.bundle.hop_samples)
        np.testing.assert_allclose(scores, expected, atol=1e-4)
