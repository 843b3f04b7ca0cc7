"""CNN14 of the PANNs, whole: twelve convolutions, with the published names of the weights.

Kong et al. 2020, "PANNs: Large-scale pretrained audio neural networks for audio pattern recognition"
(arXiv:1912.10211), class ``Cnn14`` of the repository qiuqiangkong/audioset_tagging_cnn, ``pytorch/models.py``.
Six blocks of two 3×3 convolutions with batch normalisation and ReLU, 2×2 average pooling after the first five;
then the mean over bins, maximum plus mean over time, and a linear layer with ReLU: an embedding of 2048.

``Cnn14_mAP=0.431.pth`` (32 kHz), ``Cnn14_16k_mAP=0.438.pth`` and ``Cnn14_8k_mAP=0.416.pth`` load by path. The
spectrogram (``spectrogram_extractor.*``, ``logmel_extractor.*``) is a feature here, not a layer, and the 527
classes of AudioSet (``fc_audioset.*``) are a head that is left out unless ``classes`` asks for it; the report says
so. The input is the published log-mel: 10 log10 of the power (no reference, floor 1e-10), 64 bands: the feature
``logmel`` with :func:`published_feature`, which differs in the frames at the very ends only (zeros there, where the
published one mirrors the signal).

With ``frames`` the maximum and mean are taken over three neighbouring frames, as in ``Cnn14_DecisionLevelMax``
(``Cnn14_DecisionLevelMax_mAP=0.385.pth`` has the same names), and there is an embedding every 32 input frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.masking import batch_norm, frame_mask, zero_behind
from sonoscope.networks.backbones.protocol import Backbone, Wants, check_width, parameters_of
from sonoscope.networks.checkpoints import LoadReport, load_weights
from sonoscope.signatures import Count, Positive

WIDTHS = (64, 128, 256, 512, 1024, 2048)
#: What is a feature or a head here and a layer in the published file.
NOT_LAYERS = ("spectrogram_extractor.*", "logmel_extractor.*")
#: The published log-mel by sample rate: window and hop in samples, upper edge in Hz.
PUBLISHED = {32000: (1024, 320, 14000.0), 16000: (512, 160, 8000.0), 8000: (256, 80, 4000.0)}


def published_feature(sample_rate: int) -> dict[str, Any]:
    """Name and parameters of the log-mel of the weights for ``sample_rate`` (32000, 16000 or 8000 Hz)."""
    n_fft, hop, f_max = PUBLISHED[sample_rate]
    return {
        "name": "logmel",
        "sample_rate": sample_rate,
        "n_fft": n_fft,
        "hop_samples": hop,
        "n_mels": 64,
        "f_min_hz": 50.0,
        "f_max_hz": f_max,
    }


class ConvBlock(nn.Module):
    """Two 3×3 convolutions, normalised and rectified, then average pooling."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        for layer in (self.conv1, self.conv2):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, maps: torch.Tensor, lengths: torch.Tensor | None, pool: int) -> torch.Tensor:
        maps = zero_behind(functional.relu(batch_norm(self.bn1, self.conv1(maps), lengths)), lengths)
        maps = zero_behind(functional.relu(batch_norm(self.bn2, self.conv2(maps), lengths)), lengths)
        return functional.avg_pool2d(maps, pool) if pool > 1 else maps


class CNN14(Backbone):
    """Log-mel maps to the published embedding.

    Parameters
    ----------
    n_bins, channels : int
        64 and 1 for published weights; at least 32 bins.
    weights : path
        A published checkpoint, or one of this module's own.
    sample_rate : int
        Of the published weights: 32000, 16000 or 8000 Hz.
    frames : bool
        Embeddings of frames rather than of the whole input.
    classes : int
        Keep the classifier ``fc_audioset`` of so many classes (527 as published); :meth:`tags` gives its logits.
    width : float
        Multiplies every layer's size.
    strict : bool
        Refuse ``weights`` that lack a key or have another shape; else they are in ``report``.

    Raises
    ------
    BadCheckpoint
        If ``weights`` do not fit; the message lists what is missing and what mismatches.
    """

    published_rows = True

    def __init__(
        self,
        n_bins: int = 64,
        *,
        channels: int = 1,
        weights: str | Path = "",
        sample_rate: int = 32000,
        frames: bool = False,
        classes: Count = 0,
        width: Positive = 1.0,
        strict: bool = True,
    ) -> None:
        super().__init__()
        check_width(width)
        if n_bins < 32:
            raise ValueError(f"n_bins={n_bins} must be at least 32: bins are halved five times")
        if sample_rate not in PUBLISHED:
            raise ValueError(f"sample_rate={sample_rate} must be one of {', '.join(map(str, PUBLISHED))}")
        sizes = [max(1, round(size * width)) for size in WIDTHS]
        self.dim = sizes[-1]
        self.bn0 = nn.BatchNorm2d(n_bins)
        for i, size in enumerate(sizes, start=1):
            self.add_module(f"conv_block{i}", ConvBlock(channels, size))
            channels = size
        self.fc1 = nn.Linear(self.dim, self.dim)
        self.fc_audioset = nn.Linear(self.dim, classes) if classes else None
        for layer in (self.fc1, self.fc_audioset):
            if layer is not None:
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        self.clip = not frames
        block = (Step(3, 1, 1), Step(3, 1, 1))
        steps = [*(*block, Step(2, 2)) * 5, *block]
        self.field = Field.of(steps if self.clip else [*steps, Step(3, 1, 1)])
        self.wants = Wants(channels=1, bins=64, feature=published_feature(sample_rate))
        self.report: LoadReport | None = None
        if weights:
            self.report = self.load_published(weights, strict=strict)

    def load_published(self, weights: str | Path | Mapping[str, Any], *, strict: bool = True) -> LoadReport:
        """Take the weights of a published checkpoint; see :func:`checkpoints.load_weights`."""
        left_out = NOT_LAYERS if self.fc_audioset is not None else (*NOT_LAYERS, "fc_audioset.*")
        return load_weights(self, weights, leave_out=left_out, strict=strict)

    def blocks(self) -> list[ConvBlock]:
        """The six blocks, input side first."""
        found = [getattr(self, f"conv_block{i}") for i in range(1, len(WIDTHS) + 1)]
        return [block for block in found if isinstance(block, ConvBlock)]

    def maps(
        self, x: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mean over bins of the last maps, (batch, channels, time // 32), and the rows' lengths."""
        self.check_lengths(x.shape[2], lengths)
        # Bins are the channels of the first normalisation: each is shifted and scaled by itself.
        maps = batch_norm(self.bn0, zero_behind(x, lengths).transpose(1, 3), lengths).transpose(1, 3)
        maps = zero_behind(maps, lengths)
        blocks = self.blocks()
        for block in blocks:
            pool = 1 if block is blocks[-1] else 2
            maps = functional.dropout(block(maps, lengths, pool), 0.2, self.training)
            lengths = None if lengths is None else lengths // pool
            maps = zero_behind(maps, lengths)
        return maps.mean(dim=3), lengths

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, 1, time, 64) to (batch, 1, 2048), or with ``frames`` (batch, time // 32, 2048)."""
        maps, lengths = self.maps(x, lengths)
        if self.clip:
            if lengths is None:
                pooled = maps.amax(dim=2) + maps.mean(dim=2)
            else:
                mask = frame_mask(lengths.to(maps.device), maps.shape[2])[:, None]
                count = mask.sum(dim=2)
                # Maps are rectified: zeros behind a row's end do not change its maximum.
                pooled = maps.amax(dim=2) + maps.sum(dim=2) / count
            pooled = pooled[:, None]
        else:
            # Zeros beyond the edge are below any rectified value, so they never are the maximum.
            near = functional.max_pool1d(maps, 3, 1, 1) + functional.avg_pool1d(maps, 3, 1, 1)
            pooled = near.transpose(1, 2)
        pooled = functional.relu(self.fc1(functional.dropout(pooled, 0.5, self.training)))
        return functional.dropout(pooled, 0.5, self.training)

    def tags(self, embedding: torch.Tensor) -> torch.Tensor:
        """Logits of the checkpoint's own classes from embeddings; needs ``classes``."""
        if self.fc_audioset is None:
            raise ValueError("this CNN14 has no classifier: build it with classes=527")
        return self.fc_audioset(embedding)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        named = {"bn0": parameters_of(self.bn0)}
        named |= {f"conv_block{i}": parameters_of(block) for i, block in enumerate(self.blocks(), start=1)}
        named["fc1"] = parameters_of(self.fc1)
        if self.fc_audioset is not None:
            named["fc_audioset"] = parameters_of(self.fc_audioset)
        return named
