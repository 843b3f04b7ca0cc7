"""wav2vec 2.0 through transformers: whole, or its convolutional feature extractor alone.

Baevski et al. 2020 (arXiv:2006.11477). Seven convolutions over samples at 16 kHz (400 samples for a frame, one every
320: 20 ms), then a transformer. ``part="extractor"`` stops after the convolutions.

Each input is brought to zero mean and unit variance first, as published (``normalise``); with that, with the group
normalisation of the base models, or with the transformer, a frame depends on the whole input. The extractor of the
large models (``feat_extract_norm="layer"``) without ``normalise`` is valid in time, and said to be poolable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from sonoscope.errors import lookup, optional
from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.masking import by_length
from sonoscope.networks.backbones.protocol import Backbone, Wants, numbered, parameters_of
from sonoscope.networks.checkpoints import LoadReport
from sonoscope.networks.hub import from_pretrained

PARTS = {"whole": True, "extractor": False}


class Wav2Vec2(Backbone):
    """Samples to frames of embedding.

    Parameters
    ----------
    n_bins, channels : int
        Not used: samples have neither.
    weights : path or name
        A folder as transformers saves it, or a name of its hub
        (``m3hrdadfi/wav2vec2-base-100k-gtzan-music-genres``).
    part : {"whole", "extractor"}
    normalise : bool
        Zero mean and unit variance for each input, as published.
    **config
        Fields of transformers' ``Wav2Vec2Config``, without ``weights``.

    Raises
    ------
    UsageError
        If transformers is not installed.
    BadCheckpoint
        If ``weights`` lack a key or have another shape.
    UnknownName
        If ``part`` is neither.
    """

    def __init__(
        self,
        n_bins: int = 1,
        *,
        channels: int = 1,
        weights: str | Path = "",
        part: str = "whole",
        normalise: bool = True,
        **config: Any,
    ) -> None:
        super().__init__()
        transformers = optional("transformers", "hf", "the backbone 'wav2vec2'")
        self.report: LoadReport | None = None
        if weights:
            model, self.report = from_pretrained(transformers.Wav2Vec2Model, weights)
        else:
            # Masking is a task of pre-training; without it there is no embedding for what is masked.
            quiet = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "layerdrop": 0.0}
            model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**{**quiet, **config}))
        sizes = model.config
        self.whole, self.normalise = lookup(PARTS, part, "part of wav2vec2"), normalise
        # SpecAugment inside the network would draw other masks than the ones that training asks for.
        sizes.apply_spec_augment = False
        self.model = model if self.whole else None
        self.extractor = model.feature_extractor if not self.whole else None
        self.dim = sizes.hidden_size if self.whole else sizes.conv_dim[-1]
        self.field = Field.of(Step(k, s) for k, s in zip(sizes.conv_kernel, sizes.conv_stride, strict=True))
        self.local = not self.whole and not normalise and sizes.feat_extract_norm == "layer"
        self.wants = Wants(kind="samples", sample_rate=16000)

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, n) samples to (batch, 1 + (n - 400) // 320, dim)."""
        self.check_lengths(x.shape[1], lengths)
        return by_length(self._rows, x, lengths, axis=1)

    def _rows(self, x: torch.Tensor) -> torch.Tensor:
        if self.normalise:
            mean, variance = x.mean(dim=1, keepdim=True), x.var(dim=1, keepdim=True, unbiased=False)
            x = (x - mean) / torch.sqrt(variance + 1e-7)
        if self.model is not None:
            return self.model(x).last_hidden_state
        assert self.extractor is not None
        return self.extractor(x).transpose(1, 2)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        extractor = self.model.feature_extractor if self.model is not None else self.extractor
        assert extractor is not None
        named = numbered("conv", extractor.conv_layers)
        if self.model is not None:
            encoder = self.model.encoder
            # The stand-in for what is masked in pre-training has no part in the output.
            masked = getattr(self.model, "masked_spec_embed", None)
            named["projection"] = parameters_of(self.model.feature_projection, masked)
            named["positions"] = parameters_of(encoder.pos_conv_embed, encoder.layer_norm)
            named |= numbered("layer", encoder.layers)
        return named
