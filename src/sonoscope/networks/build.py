"""Network = normalisation, backbone, head, from plain parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from sonoscope.errors import lookup
from sonoscope.networks.backbones import BACKBONES
from sonoscope.networks.heads import HEADS
from sonoscope.networks.heads.framewise import pool

#: Scale of a frame's spectrum around its mean, in dB: about one standard deviation.
SHAPE_DB = 15.0
#: Channels that a network gives its backbone.
CHANNELS = 2


class Network(nn.Module):
    """Frames of features to frame logits, attention scores and embeddings.

    The backbone sees two channels: the frames normalised by the data set's statistics, which carry loudness
    and its course, and each frame minus its own mean over the bins, which carries the spectrum whatever the
    loudness. Both depend on their frame alone, so they can be shared and streamed.

    The data set's mean and standard deviation per bin are buffers of the network, so that they travel with
    the weights and into the exported graph: what was trained on and what is run on cannot drift apart.

    Parameters
    ----------
    n_bins, n_classes : int
    backbone, head : dict
        ``name`` (a key of ``BACKBONES`` / ``HEADS``) and its parameters.
    """

    def __init__(
        self, n_bins: int, n_classes: int, *, backbone: dict[str, Any], head: dict[str, Any]
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "n_bins": n_bins,
            "n_classes": n_classes,
            "backbone": dict(backbone),
            "head": dict(head),
        }
        backbone, head = dict(backbone), dict(head)
        self.backbone = lookup(BACKBONES, backbone.pop("name"), "backbone")(
            n_bins, channels=CHANNELS, **backbone
        )
        self.head = lookup(HEADS, head.pop("name"), "head")(self.backbone.dim, n_classes, **head)
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.zeros(n_bins))
        self.register_buffer("std", torch.ones(n_bins))

    def set_normalisation(self, mean: np.ndarray, std: np.ndarray) -> None:
        """Set the data set's statistics, each of shape (n_bins,); ``std`` must be positive."""
        if np.min(std) <= 0:
            raise ValueError(f"std must be positive in every bin, got a minimum of {np.min(std)}")
        self.mean.copy_(torch.as_tensor(mean))
        self.std.copy_(torch.as_tensor(std))

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(batch, time, n_bins) to frame logits and attention (batch, t, c) and embeddings (batch, t, dim)."""
        level = (frames - self.mean) / self.std
        shape = (frames - frames.mean(dim=2, keepdim=True)) / SHAPE_DB
        embedding = self.backbone.forward_features(torch.stack([level, shape], dim=1))
        logits, attention = self.head(embedding)
        return logits, attention, embedding

    def window_logits(self, frames: torch.Tensor) -> torch.Tensor:
        """Logits of whole windows: (batch, time, n_bins) to (batch, c)."""
        logits, attention, _ = self(frames)
        return pool(logits, attention)
