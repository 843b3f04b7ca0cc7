"""AST, the audio spectrogram transformer, through transformers.

Gong, Chung, Glass 2021 (arXiv:2104.01778); ``MIT/ast-finetuned-audioset-10-10-0.4593`` and its siblings, from a
folder or a name that transformers finds. Patches of 16×16 every 10 frames and 10 bins of a Kaldi filter bank of 128
bands (16 kHz, every 10 ms), at most 1,024 frames: 10.23 s.

The input is the filter bank itself, normalised here by the published constants. Shorter input is not padded to the
longest: it takes the first columns of the position table, so that it costs what it is long and does not depend on
padding. A frame of output is the mean of the patches of one column; with ``clip`` it is the published embedding, the
mean of the two leading tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from sonoscope.errors import optional
from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.masking import by_length
from sonoscope.networks.backbones.protocol import Backbone, TokenGrid, Wants, numbered, parameters_of
from sonoscope.networks.checkpoints import LoadReport
from sonoscope.networks.hub import from_pretrained
from sonoscope.signatures import Size

FBANK_MEAN, FBANK_STD = -4.2677393, 4.5689974
#: The feature that published weights were trained on: the bank of torchaudio with a Hann window.
PUBLISHED_FEATURE = {"name": "fbank", "sample_rate": 16000, "window": "hanning", "gain": 1.0}
#: Learned tokens before the patches: class and distillation.
LEADING = 2


class AST(Backbone):
    """Filter-bank maps to frames of embedding.

    Parameters
    ----------
    n_bins, channels : int
        Bins of an input frame (128 as published); one map.
    weights : path or name
        A folder as transformers saves it, or a name of its hub.
    longest : int
        Frames that the position table covers.
    clip : bool
        One embedding for the whole input, from the leading tokens.
    **config
        Fields of transformers' ``ASTConfig`` (``hidden_size``, ``num_hidden_layers`` …), without ``weights``.

    Raises
    ------
    UsageError
        If transformers is not installed.
    BadCheckpoint
        If ``weights`` lack a key or have another shape.
    """

    local = False
    published_rows = True

    def __init__(
        self,
        n_bins: int = 128,
        *,
        channels: int = 1,
        weights: str | Path = "",
        longest: Size = 1024,
        clip: bool = False,
        **config: Any,
    ) -> None:
        super().__init__()
        transformers = optional("transformers", "hf", "the backbone 'ast'")
        if channels != 1:
            raise ValueError(f"channels={channels}: AST reads one map, the Kaldi filter bank")
        self.report: LoadReport | None = None
        if weights:
            self.model, self.report = from_pretrained(transformers.ASTModel, weights)
        else:
            made = transformers.ASTConfig(num_mel_bins=n_bins, max_length=longest, **config)
            self.model = transformers.ASTModel(made)
        sizes = self.model.config
        if sizes.num_mel_bins != n_bins:
            raise ValueError(f"n_bins={n_bins}, but the weights are for {sizes.num_mel_bins} bins")
        self.dim, self.clip = sizes.hidden_size, clip
        self.field = Field.of([Step(sizes.patch_size, sizes.time_stride)])
        self.rows = (n_bins - sizes.patch_size) // sizes.frequency_stride + 1
        self.token_grid = TokenGrid(self.rows, LEADING, bins_first=True, answers_leading=clip)
        self.wants = Wants(
            sample_rate=16000, channels=1, bins=n_bins, longest=sizes.max_length, feature=PUBLISHED_FEATURE
        )

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, 1, time, bins) to (batch, (time - 16) // 10 + 1, dim), or with ``clip`` (batch, 1, dim)."""
        self.check_lengths(x.shape[2], lengths)
        return by_length(self._rows, x, lengths, axis=2)

    def _rows(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.model.layernorm(self._encode((x[:, 0] - FBANK_MEAN) / (2.0 * FBANK_STD)))
        if self.clip:
            return tokens[:, :LEADING].mean(dim=1, keepdim=True)
        return tokens[:, LEADING:].unflatten(1, (self.rows, -1)).mean(dim=1)

    def _encode(self, frames: torch.Tensor) -> torch.Tensor:
        """(batch, time, bins) to all tokens; the position table is cut to the columns there are."""
        parts = self.model.embeddings
        patches = parts.patch_embeddings(frames)
        table = parts.position_embeddings
        columns = patches.shape[1] // self.rows
        grid = table[:, LEADING:].unflatten(1, (self.rows, -1))[:, :, :columns].flatten(1, 2)
        leading = torch.cat([parts.cls_token, parts.distillation_token], dim=1) + table[:, :LEADING]
        tokens = torch.cat([leading.expand(frames.shape[0], -1, -1), patches + grid], dim=1)
        tokens = parts.dropout(tokens)
        for layer in self.model.layers:
            tokens = layer(tokens, None)
        return tokens

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "patches": parameters_of(self.model.embeddings),
            **numbered("layer", self.model.layers),
            "norm": parameters_of(self.model.layernorm),
        }
