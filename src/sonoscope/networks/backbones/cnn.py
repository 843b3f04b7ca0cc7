"""A small convolutional trunk, valid in time.

Six convolutions with batch normalisation (folded at inference) and ReLU over ``(time, frequency)``. There is
no padding in time, so a frame of output depends on its receptive field only and overlapped windows can share
one run over the recording; frequency is padded, halved three times, and pooled at the end by mean and maximum
side by side (the mean says how a timbre fills the spectrum, the maximum finds a partial wherever it lies). Where it
matters at which pitch something sounds, ``keep_bins`` hands all bins on to the dense layer instead.

With the defaults a frame of output sees 31 input frames and comes every 4.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sonoscope import signatures
from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.masking import batch_norm, zero_behind
from sonoscope.networks.backbones.protocol import Backbone, check_width
from sonoscope.signatures import Positive, Share, Size


@dataclass(frozen=True)
class Stage:
    """One convolution: output channels, kernel (time, frequency), stride (time, frequency)."""

    channels: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)

    @classmethod
    def of(cls, given: Stage | Sequence[Any]) -> Stage:
        """Itself, or from ``[channels, kernel, stride]`` as YAML and JSON have it; raises ``ValueError``."""
        if isinstance(given, Stage):
            return given
        if not signatures.fits(given, tuple[Size, tuple[Size, Size], tuple[Size, Size]]):
            raise ValueError(
                f"stages holds {given!r}: each must be [channels, kernel, stride], such as [16, [5, 5], [1, 2]]"
            )
        channels, kernel, stride = given
        return cls(channels, tuple(kernel), tuple(stride))


DEFAULT_STAGES = (
    Stage(16, (5, 5), (1, 2)),
    Stage(32, (3, 3), (2, 2)),
    Stage(64, (3, 3), (1, 2)),
    Stage(96, (3, 3), (2, 1)),
    Stage(128, (3, 3), (1, 2)),
    Stage(160, (3, 3), (1, 1)),
)


class ValidCNN(Backbone):
    """Frames of features to frames of embedding.

    Parameters
    ----------
    n_bins, channels : int
        Features in an input frame, and how many maps of them there are.
    width : float
        Multiplies every stage's channels.
    stages : sequence of Stage
        Or of lists ``[channels, kernel, stride]``.
    dim : int
        Size of the embedding.
    dropout : float
        Before the embedding's linear map, in 0..1.
    keep_bins : bool
        Do not pool over frequency: the embedding is a linear map of every bin of every channel.
    """

    def __init__(
        self,
        n_bins: int,
        *,
        channels: int = 1,
        width: Positive = 1.0,
        stages: Sequence[Stage | Sequence[Any]] = DEFAULT_STAGES,
        dim: Size = 192,
        dropout: Share = 0.2,
        keep_bins: bool = False,
    ) -> None:
        super().__init__()
        check_width(width)
        self.n_bins, self.dim, self.keep_bins = n_bins, dim, keep_bins
        made = tuple(map(Stage.of, stages))
        self.field = Field.of(Step(stage.kernel[0], stage.stride[0]) for stage in made)
        layers: list[nn.Module] = []
        for stage in made:
            out = max(8, round(stage.channels * width / 8) * 8)
            layers += [
                nn.Conv2d(channels, out, stage.kernel, stage.stride, (0, stage.kernel[1] // 2), bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(inplace=True),
            ]
            channels = out
            n_bins = (n_bins + 2 * (stage.kernel[1] // 2) - stage.kernel[1]) // stage.stride[1] + 1
        self.convolutions = nn.Sequential(*layers)
        #: Whether the convolutions see (…, bins, time): :meth:`for_graph`.
        self.time_last = False
        seen = channels * (n_bins if keep_bins else 2)
        self.embed = nn.Sequential(nn.Dropout(dropout), nn.Linear(seen, dim), nn.ReLU(inplace=True))

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, channels, time, n_bins) to (batch, 1 + (time - receptive_field) // stride, dim)."""
        if self.time_last:
            assert lengths is None, "laid out for a graph: whole rows only"
            maps = self.convolutions(x.transpose(2, 3)).transpose(2, 3)
        elif lengths is None:
            maps = self.convolutions(x)
        else:
            maps = self._convolve_rows(x, lengths)
        if self.keep_bins:
            return self.embed(maps.transpose(1, 2).flatten(2))
        pooled = torch.cat([maps.mean(dim=3), maps.amax(dim=3)], dim=1)
        return self.embed(pooled.transpose(1, 2))

    def for_graph(self) -> ValidCNN:
        """The same with time as the last axis, for whole rows only.

        ONNX Runtime's convolutions run along the last axis: many frames without padding fill its registers, a dozen
        bins with padding on both sides do not (a fifth less time).
        """
        turned = copy.deepcopy(self)
        turned.time_last = True
        for layer in turned.convolutions:
            if isinstance(layer, nn.Conv2d):
                layer.weight = nn.Parameter(layer.weight.detach().transpose(2, 3).contiguous())
                layer.kernel_size, layer.stride = layer.kernel_size[::-1], layer.stride[::-1]
                assert isinstance(layer.padding, tuple)
                layer.padding = layer.padding[::-1]
        return turned

    def _convolve_rows(self, maps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """The convolutions with normalisation over the real frames of rows of different lengths."""
        self.check_lengths(maps.shape[2], lengths)
        maps = zero_behind(maps, lengths)
        layers = list(self.convolutions)
        for i, step in enumerate(self.field.steps):
            lengths = step.length(lengths)
            norm = layers[3 * i + 1]
            assert isinstance(norm, nn.BatchNorm2d)
            maps = zero_behind(batch_norm(norm, layers[3 * i](maps), lengths).relu(), lengths)
        return maps

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by depth, input side first: what layer-wise freezing and learning rates name."""
        layers = list(self.convolutions)
        blocks = [layers[i : i + 3] for i in range(0, len(layers), 3)]
        named: dict[str, list[nn.Parameter]] = {
            f"conv{k + 1}": [p for layer in block for p in layer.parameters()]
            for k, block in enumerate(blocks)
        }
        named["embed"] = list(self.embed.parameters())
        return named
