"""Our bundles as a module of the HEAR API, for benchmarks and programs that take embeddings in that form.

Turian et al. 2022, "HEAR: Holistic evaluation of audio representations" (arXiv:2203.03022), the common API of the HEAR
2021 NeurIPS challenge: ``load_model``, ``get_scene_embeddings`` and ``get_timestamp_embeddings``. Needs the train
extra (torch). Sound is (n_sounds, n_samples) in -1..1 at ``model.sample_rate``.

>>> from sonoscope import hear                                        # doctest: +SKIP
>>> model = hear.load_model("field")                                  # doctest: +SKIP
>>> scenes = hear.get_scene_embeddings(audio, model)                  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sonoscope import models, pipeline
from sonoscope.embeddings import Embedder
from sonoscope.errors import optional
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime

if TYPE_CHECKING:
    import torch

#: Timestamps are at most so far apart, as the specification recommends.
STEP_S = 0.05


def load_model(model_file_path: str = "") -> Any:
    """A module with ``sample_rate``, ``scene_embedding_size`` and ``timestamp_embedding_size``.

    Parameters
    ----------
    model_file_path : str
        The name of a model, or the folder of a bundle; empty: ``field``.

    Raises
    ------
    UsageError
        If torch is not installed, or the model gives no embeddings.
    """
    nn = optional("torch.nn", "train", "the HEAR API")
    bundle = models.load(model_file_path or "field", labels=False)
    module = nn.Module()
    module.sample_rate = bundle.sample_rate
    module.scene_embedding_size = module.timestamp_embedding_size = Embedder(bundle).size
    module.bundle, module.runtime = bundle, Runtime(bundle)
    return module


def get_scene_embeddings(audio: torch.Tensor, model: Any) -> torch.Tensor:
    """One embedding for each sound: the mean over its windows, float32 (n_sounds, size)."""
    torch = optional("torch", "train", "the HEAR API")
    scenes = [_vectors(sound, model, None).mean(axis=0) for sound in _sounds(audio)]
    return torch.from_numpy(np.stack(scenes)).to(audio.device)


def get_timestamp_embeddings(audio: torch.Tensor, model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings of windows centred on timestamps, from 0 to the end, every 50 ms or a little less.

    Outside the sound there are zeros. Gives embeddings (n_sounds, n_timestamps, size) and timestamps in
    milliseconds (n_sounds, n_timestamps), float32 both.
    """
    torch = optional("torch", "train", "the HEAR API")
    bundle, sounds = model.bundle, _sounds(audio)
    hop, before = _step(bundle), bundle.window_samples // 2
    count = 1 + sounds.shape[1] // hop
    padded = np.pad(sounds, ((0, 0), (before, bundle.window_samples)))
    vectors = np.stack([_vectors(sound, model, hop / bundle.sample_rate)[:count] for sound in padded])
    stamps = torch.arange(count, dtype=torch.float32) * (1000 * hop / bundle.sample_rate)
    return torch.from_numpy(vectors).to(audio.device), stamps.repeat(len(sounds), 1).to(audio.device)


def _sounds(audio: torch.Tensor) -> np.ndarray:
    """The sounds as an array; raises ``ValueError`` for another shape."""
    if audio.ndim != 2 or 0 in audio.shape:
        raise ValueError(f"audio must have shape (n_sounds, n_samples), neither 0, got {tuple(audio.shape)}")
    return audio.detach().cpu().float().numpy()


def _vectors(sound: np.ndarray, model: Any, hop_s: float | None) -> np.ndarray:
    """Embeddings of the windows of a sound, (n, size)."""
    heard = pipeline.score_samples(
        sound, model.sample_rate, model.bundle, model.runtime, hop_s=hop_s, embeddings=True
    )
    assert heard.scores.embeddings is not None
    return heard.scores.embeddings


def _step(bundle: Bundle) -> int:
    """The greatest distance up to :data:`STEP_S` at which windows share features, and the trunk if it can be."""
    most = int(STEP_S * bundle.sample_rate)
    feature = bundle.feature.hop_samples if bundle.feature is not None else 1
    for unit in (feature * max(bundle.trunk_stride, 1), feature):
        if unit <= most:
            return most // unit * unit
    return most
