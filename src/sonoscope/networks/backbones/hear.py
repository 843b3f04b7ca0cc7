"""Modules of the HEAR API as backbones: ``hear:hearbaseline.wav2vec2``, ``hear:hear21passt.base`` …

Turian et al. 2022, "HEAR: Holistic evaluation of audio representations" (arXiv:2203.03022). A module has
``load_model(path) -> model`` and ``get_timestamp_embeddings(audio, model) -> (embeddings, timestamps in ms)``, and
``get_scene_embeddings(audio, model)``; the model has ``sample_rate`` and the sizes of both embeddings. ``audio`` is
(n_sounds, n_samples) in -1..1.

Embeddings that are published in this form need no code of ours. The model is frozen unless ``learn`` asks for
gradients, which not every module lets through.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from sonoscope.errors import UsageError
from sonoscope.networks.backbones.field import Field, Step, measured
from sonoscope.networks.backbones.masking import by_length
from sonoscope.networks.backbones.protocol import Backbone, Wants, parameters_of
from sonoscope.plugins import import_from

NEEDED = ("load_model", "get_timestamp_embeddings", "get_scene_embeddings")
#: Seconds of silence that the frames are measured on.
PROBE_S = 2


class Hear(Backbone):
    """Samples to frames of embedding, or with ``clip`` to the scene's.

    Parameters
    ----------
    n_bins, channels : int
        Not used: samples have neither.
    module : str
        An importable name, or the path of a ``.py`` file.
    weights : path
        What ``load_model`` is given; empty: its own default.
    clip : bool
        ``get_scene_embeddings`` rather than ``get_timestamp_embeddings``.
    learn : bool
        Let gradients into the model.

    Raises
    ------
    UsageError
        If the module cannot be imported, lacks a function of the API, or gives frames at irregular steps.
    """

    variant: ClassVar[str] = "module"
    local = False
    exportable = False

    def __init__(
        self,
        n_bins: int = 1,
        *,
        channels: int = 1,
        module: str,
        weights: str | Path = "",
        clip: bool = False,
        learn: bool = False,
    ) -> None:
        super().__init__()
        self.module, self.api = module, import_from(module)
        lacking = [name for name in NEEDED if not callable(getattr(self.api, name, None))]
        if lacking:
            raise UsageError(f"{module}: is no module of the HEAR API, it lacks {', '.join(lacking)}")
        self.model = self.api.load_model(str(weights)) if weights else self.api.load_model()
        self.clip, self.learn = clip, learn
        rate = int(self.model.sample_rate)
        self.dim = int(self.model.scene_embedding_size if clip else self.model.timestamp_embedding_size)
        self.wants = Wants(kind="samples", sample_rate=rate)
        self.field = Field.of([Step(1, 1) if clip else self._step(rate)])
        if isinstance(self.model, nn.Module):
            self.model.requires_grad_(learn)

    def __getstate__(self) -> dict[str, Any]:
        """Without the module, which cannot be copied."""
        return {**self.__dict__, "api": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "api": import_from(state["module"])})

    @torch.no_grad()
    def _step(self, rate: int) -> Step:
        """How frames follow from samples, measured on silence: the API leaves it open."""
        step = measured(lambda n: int(self._rows(torch.zeros(1, n)).shape[1]), PROBE_S * rate)
        if step is None:
            raise UsageError(f"{self.module}: its frames do not follow at regular steps; use clip=true")
        return step

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, n) samples to (batch, frames', dim), or with ``clip`` (batch, 1, dim)."""
        self.check_lengths(x.shape[1], lengths)
        with torch.set_grad_enabled(self.learn and torch.is_grad_enabled()):
            return by_length(self._rows, x, lengths, axis=1)

    def _rows(self, x: torch.Tensor) -> torch.Tensor:
        if self.clip:
            return torch.as_tensor(self.api.get_scene_embeddings(x, self.model))[:, None]
        return torch.as_tensor(self.api.get_timestamp_embeddings(x, self.model)[0])

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return {"model": parameters_of(self.model)} if isinstance(self.model, nn.Module) else {}
