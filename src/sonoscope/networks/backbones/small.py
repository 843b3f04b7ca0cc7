"""A small padded CNN: convolutions of 3×3 with batch normalisation, ReLU and 2×2 pooling.

The plain network that every comparison begins with. With ``elongated`` the last convolution is three bins high
and seven frames long, for timbres that tell themselves by how they change; ``width`` multiplies every stage's
channels. Frequency is pooled at the end by mean and maximum side by side, as in ``valid_cnn``.

Convolutions are padded with zeros on all sides ("same"), so frames at a window's edges know of the edge: it is
not poolable. With the defaults (four stages) a frame of output comes every 16 input frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.masking import batch_norm, zero_behind
from sonoscope.networks.backbones.protocol import Backbone, check_width, parameters_of
from sonoscope.signatures import Positive, Share, Size

#: Kernel of the elongated stage: (frames, bins).
ELONGATED = (7, 3)


class SmallCNN(Backbone):
    """Maps to frames of embedding.

    Parameters
    ----------
    n_bins, channels : int
        Bins of an input frame, at least ``2 ** len(stages)``; maps of them.
    stages : sequence of int
        Output channels of each stage, before ``width``.
    width : float
        Multiplies every stage's channels.
    elongated : bool
        The last stage's kernel is 7 frames by 3 bins.
    dim : int
        Size of the embedding.
    dropout : float
        Before the embedding's linear map, in 0..1.

    Raises
    ------
    ValueError
        If ``n_bins`` cannot be halved once for each stage.
    """

    def __init__(
        self,
        n_bins: int,
        *,
        channels: int = 1,
        stages: Sequence[Size] = (16, 32, 64, 128),
        width: Positive = 1.0,
        elongated: bool = False,
        dim: Size = 256,
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        check_width(width)
        if n_bins >> len(stages) == 0:
            raise ValueError(f"n_bins={n_bins} must be at least {2 ** len(stages)} for {len(stages)} stages")
        self.dim = dim
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        steps = []
        for i, stage in enumerate(stages):
            out = max(1, round(stage * width))
            kernel = ELONGATED if elongated and i == len(stages) - 1 else (3, 3)
            padding = (kernel[0] // 2, kernel[1] // 2)
            self.convolutions.append(nn.Conv2d(channels, out, kernel, padding=padding, bias=False))
            self.norms.append(nn.BatchNorm2d(out))
            steps += [Step(kernel[0], 1, padding[0]), Step(2, 2)]
            channels = out
        self.field = Field.of(steps)
        self.embed = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * channels, dim), nn.ReLU())

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, channels, time, n_bins) to (batch, time // 2 ** stages, dim)."""
        self.check_lengths(x.shape[2], lengths)
        maps = zero_behind(x, lengths)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            assert isinstance(norm, nn.BatchNorm2d)
            maps = functional.relu(batch_norm(norm, convolution(maps), lengths))
            maps = functional.max_pool2d(maps, 2)
            lengths = None if lengths is None else lengths // 2
            maps = zero_behind(maps, lengths)
        pooled = torch.cat([maps.mean(dim=3), maps.amax(dim=3)], dim=1)
        return self.embed(pooled.transpose(1, 2))

    def groups(self) -> dict[str, list[nn.Parameter]]:
        stages = zip(self.convolutions, self.norms, strict=True)
        named = {f"conv{i}": parameters_of(*pair) for i, pair in enumerate(stages, start=1)}
        return {**named, "embed": parameters_of(self.embed)}
