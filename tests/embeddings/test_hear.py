"""The HEAR API: what its specification asks of attributes, shapes and timestamps, and that values are ours."""

from __future__ import annotations

import numpy as np
import pytest

import sonoscope
from sonoscope import hear

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def model():
    return hear.load_model("instruments")


@pytest.fixture(scope="module")
def audio(model):
    """Two sounds of 3.21 s: silence, then noise from 2 s on; and noise."""
    sounds = 0.1 * np.random.default_rng(1).standard_normal((2, int(3.21 * model.sample_rate)))
    sounds[0, : 2 * model.sample_rate] = 0
    return torch.from_numpy(sounds.astype(np.float32))


def test_scenes_are_means_of_what_analyze_gives(model, audio) -> None:
    scenes = hear.get_scene_embeddings(audio, model)
    assert isinstance(model, torch.nn.Module)
    assert scenes.shape == (2, model.scene_embedding_size) and scenes.dtype == torch.float32
    ours = sonoscope.load("instruments").analyze(
        audio[1].numpy(), sample_rate=model.sample_rate, embeddings=True
    )
    np.testing.assert_allclose(scenes[1], ours.scores.embeddings.mean(axis=0), atol=1e-6)


def test_timestamps_are_centres_up_to_the_end(model, audio) -> None:
    vectors, stamps = hear.get_timestamp_embeddings(audio, model)
    assert vectors.shape == (2, stamps.shape[1], model.timestamp_embedding_size)
    steps = np.diff(stamps[0].numpy())
    assert stamps[0, 0] == 0 and steps.max() <= 50.01 and np.ptp(steps) < 0.01
    assert 3210 - 50 < stamps[0, -1] <= 3210
    # Far from the noise nothing of it is heard; as soon as a window reaches it, something is.
    half = 500 * model.bundle.window_samples / model.sample_rate
    moved = (vectors[0] - vectors[0, 0]).abs().amax(dim=1).numpy()
    assert moved[stamps[0].numpy() > 2000].min() > 1e-3
    if half < 1900:
        inside = (stamps[0].numpy() > half) & (stamps[0].numpy() < 1900 - half)
        assert np.ptp(vectors[0].numpy()[inside], axis=0).max(initial=0) < 1e-3


def test_other_shapes_are_refused(model) -> None:
    with pytest.raises(ValueError, match=r"\(n_sounds, n_samples\)"):
        hear.get_scene_embeddings(torch.zeros(100), model)
