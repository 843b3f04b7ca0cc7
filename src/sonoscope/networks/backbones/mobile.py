"""A small network of inverted residuals after MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381).

A block widens its maps by a 1×1 convolution, filters each map alone by 3×3, and narrows them linearly; where
shape allows, its input is added. Two things differ from the paper: the input is a spectrogram whose strides along
time and bins are chosen apart, and, unless ``padded``, nothing is padded along time: the residual is cut by the
frame that the 3×3 takes on either side, so the network is valid in time and overlapped windows share one run.
There is no squeeze-and-excitation: it would make each frame depend on the whole window.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.masking import batch_norm, zero_behind
from sonoscope.networks.backbones.protocol import Backbone, check_width, numbered, parameters_of
from sonoscope.signatures import Positive, Share, Size

#: Expansion, channels, and stride (time, bins) of each block.
Block = tuple[int, int, tuple[int, int]]
DEFAULT_BLOCKS: tuple[Block, ...] = (
    (1, 16, (1, 1)),
    (4, 24, (2, 2)),
    (4, 24, (1, 1)),
    (4, 40, (1, 2)),
    (4, 40, (1, 1)),
    (4, 80, (2, 2)),
    (4, 80, (1, 1)),
    (4, 112, (1, 1)),
)
#: Channels and stride (time, bins) of the first convolution.
STEM = (16, (1, 2))


class InvertedResidual(nn.Module):
    """Widen, filter each map, narrow; (batch, c, time, bins) to (batch, out, time', bins')."""

    def __init__(
        self, channels: int, out: int, *, expansion: int, stride: tuple[int, int], padded: bool
    ) -> None:
        super().__init__()
        hidden = channels * expansion
        self.step = Step(3, stride[0], int(padded))
        self.residual = stride == (1, 1) and channels == out
        self.widen = nn.Conv2d(channels, hidden, 1, bias=False) if expansion > 1 else None
        self.widen_norm = nn.BatchNorm2d(hidden) if expansion > 1 else None
        self.filter = nn.Conv2d(
            hidden, hidden, 3, stride, padding=(self.step.padding, 1), groups=hidden, bias=False
        )
        self.filter_norm = nn.BatchNorm2d(hidden)
        self.narrow = nn.Conv2d(hidden, out, 1, bias=False)
        self.narrow_norm = nn.BatchNorm2d(out)

    def forward(self, maps: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        inside = maps
        if self.widen is not None and self.widen_norm is not None:
            inside = functional.relu6(batch_norm(self.widen_norm, self.widen(maps), lengths))
            inside = zero_behind(inside, lengths)
        after = None if lengths is None else self.step.length(lengths)
        inside = functional.relu6(batch_norm(self.filter_norm, self.filter(inside), after))
        inside = zero_behind(batch_norm(self.narrow_norm, self.narrow(inside), after), after)
        if not self.residual:
            return inside
        cut = 1 - self.step.padding
        return inside + maps[:, :, cut : maps.shape[2] - cut]


class Mobile(Backbone):
    """Maps to frames of embedding.

    Parameters
    ----------
    n_bins, channels : int
        Bins of an input frame; maps of them.
    blocks : sequence of (expansion, channels, (stride in time, stride in bins))
    width : float
        Multiplies every block's channels (rounded to multiples of 8).
    padded : bool
        Pad along time too ("same"): shorter input will do, and windows no longer share frames.
    dim : int
        Size of the embedding.
    dropout : float
        Before the embedding's linear map, in 0..1.
    """

    def __init__(
        self,
        n_bins: int,
        *,
        channels: int = 1,
        blocks: Sequence[Block] = DEFAULT_BLOCKS,
        width: Positive = 1.0,
        padded: bool = False,
        dim: Size = 256,
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        check_width(width)
        self.dim = dim
        size = _rounded(STEM[0] * width)
        self.stem = nn.Conv2d(channels, size, 3, STEM[1], padding=(int(padded), 1), bias=False)
        self.stem_norm = nn.BatchNorm2d(size)
        self.blocks = nn.ModuleList()
        for expansion, out, (along_time, along_bins) in blocks:
            out = _rounded(out * width)
            self.blocks.append(
                InvertedResidual(
                    size, out, expansion=expansion, stride=(along_time, along_bins), padded=padded
                )
            )
            size = out
        stem = Step(3, STEM[1][0], int(padded))
        self.field = Field.of([stem, *(block.step for block in self._blocks())])
        self.embed = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * size, dim), nn.ReLU())

    def _blocks(self) -> list[InvertedResidual]:
        return [block for block in self.blocks if isinstance(block, InvertedResidual)]

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, channels, time, n_bins) to (batch, ``output_lengths(time)``, dim)."""
        self.check_lengths(x.shape[2], lengths)
        maps = self.stem(zero_behind(x, lengths))
        lengths = None if lengths is None else self.field.steps[0].length(lengths)
        maps = zero_behind(functional.relu6(batch_norm(self.stem_norm, maps, lengths)), lengths)
        for block in self._blocks():
            maps = block(maps, lengths)
            lengths = None if lengths is None else block.step.length(lengths)
        pooled = torch.cat([maps.mean(dim=3), maps.amax(dim=3)], dim=1)
        return self.embed(pooled.transpose(1, 2))

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "stem": parameters_of(self.stem, self.stem_norm),
            **numbered("block", self.blocks),
            "embed": parameters_of(self.embed),
        }


def _rounded(channels: float) -> int:
    """To a multiple of 8, at least 8: what vector units like."""
    return max(8, round(channels / 8) * 8)
