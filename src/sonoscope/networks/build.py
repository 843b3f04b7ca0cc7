"""Network = normalisation, backbone, head, from plain parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.features import channels as stacked
from sonoscope.networks import backbones, bottleneck, heads
from sonoscope.networks.backbones.masking import frame_mask
from sonoscope.networks.heads import pool

#: Scale of a frame's spectrum around its mean, in dB: about one standard deviation.
SHAPE_DB = 15.0
#: Channels that ``level+shape`` makes.
CHANNELS = 2
#: How rows become the backbone's channels: see :class:`Network`.
NORMALISATIONS = ("level+shape", "level", "none")

#: What is known beside the sound: values (batch, size) of each input of a head, and which rows (batch,) know them.
Beside = Mapping[str, tuple[torch.Tensor, torch.Tensor]]


class Network(nn.Module):
    """Rows of features, or samples, to frame logits, attention scores and embeddings.

    With ``normalise="level+shape"`` the backbone sees two channels: the frames normalised by the data set's
    statistics, which carry loudness and its course, and each frame minus its own mean over the bins, which carries
    the spectrum whatever the loudness. Both depend on their frame alone, so they can be shared and streamed.
    ``level`` gives the first only, one channel for each part of a row; ``none`` leaves values as they are.

    The data set's mean and standard deviation per bin are buffers of the network, so that they travel with
    the weights and into the exported graph: what was trained on and what is run on cannot drift apart.

    Parameters
    ----------
    n_bins, n_classes : int
        Values in a row; 1 for samples.
    backbone, head : str or dict
        A name, or ``name`` and parameters.
    normalise : {"level+shape", "level", "none"}
    parts : sequence of int
        Widths of what lies side by side in a row (``Feature.parts``); empty: one part.
    bottlenecks : sequence of mappings
        Detours that adapted the backbone (:mod:`~sonoscope.networks.bottleneck`).

    Raises
    ------
    UnknownName
        If a part of it has no such name or parameter.
    UsageError
        If backbone, feature and normalisation do not go together.
    """

    def __init__(
        self,
        n_bins: int,
        n_classes: int,
        *,
        backbone: str | Mapping[str, Any],
        head: str | Mapping[str, Any],
        normalise: str = NORMALISATIONS[0],
        parts: Sequence[int] = (),
        bottlenecks: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__()
        if normalise not in NORMALISATIONS:
            raise UnknownName(
                f"normalise={normalise!r} is unknown.{nearest(normalise, NORMALISATIONS)} "
                f"Known: {', '.join(NORMALISATIONS)}."
            )
        self.parts = tuple(parts) or (n_bins,)
        if normalise == "level+shape" and len(self.parts) > 1:
            raise UsageError(
                f"normalise=level+shape is for rows of one part, this feature has {len(self.parts)}: level"
            )
        self.normalise = normalise
        self.config: dict[str, Any] = {
            "n_bins": n_bins,
            "n_classes": n_classes,
            "backbone": {"name": backbone} if isinstance(backbone, str) else dict(backbone),
            "head": {"name": head} if isinstance(head, str) else dict(head),
        }
        if normalise != NORMALISATIONS[0]:
            self.config["normalise"] = normalise
        if len(self.parts) > 1:
            self.config["parts"] = list(self.parts)
        self.backbone = self._fitting_backbone(n_bins)
        self.narrow(bottlenecks)
        self.head = heads.build(self.config["head"], self.backbone.dim, n_classes)
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.zeros(n_bins))
        self.register_buffer("std", torch.ones(n_bins))

    def _fitting_backbone(self, n_bins: int) -> backbones.Backbone:
        """The backbone, made for as many channels and bins as it will see."""
        if backbones.takes_bands(self.config["backbone"]):
            return backbones.build(self.config["backbone"], n_bins)
        channels = CHANNELS if self.normalise == "level+shape" else len(self.parts)
        return backbones.build(self.config["backbone"], max(self.parts), channels=channels)

    def narrow(self, bottlenecks: Sequence[Mapping[str, Any]]) -> None:
        """Put detours into the backbone, and list them in the configuration."""
        bottleneck.put_all(self.backbone, bottlenecks)
        if bottlenecks:
            self.config["bottlenecks"] = [*self.config.get("bottlenecks", ()), *map(dict, bottlenecks)]

    @property
    def takes_samples(self) -> bool:
        """Whether samples (batch, n) go in, not rows of features."""
        return self.backbone.wants.kind == "samples"

    @property
    def poolable(self) -> bool:
        """Whether frames of output depend on their receptive field only, in the backbone and in the head."""
        return self.backbone.poolable and self.head.framewise

    def set_normalisation(self, mean: np.ndarray, std: np.ndarray) -> None:
        """Set the data set's statistics, each of shape (n_bins,); ``std`` must be positive."""
        if np.min(std) <= 0:
            raise ValueError(f"std must be positive in every bin, got a minimum of {np.min(std)}")
        self.mean.copy_(torch.as_tensor(mean))
        self.std.copy_(torch.as_tensor(std))

    def maps(self, rows: torch.Tensor) -> Any:
        """What the backbone takes: rows (batch, time, n_bins) as channels, as bands, or samples as they are."""
        if self.takes_samples:
            return rows
        level = rows if self.normalise == "none" else (rows - self.mean) / self.std
        if self.normalise == "level+shape":
            shape = (rows - rows.mean(dim=2, keepdim=True)) / SHAPE_DB
            return torch.stack([level, shape], dim=1)
        if self.backbone.wants.kind == "bands":
            return [band[:, None] for band in stacked.split(level, self.parts)]
        return stacked.image(level, self.parts).transpose(2, 3)

    def forward(
        self, rows: torch.Tensor, lengths: torch.Tensor | None = None, beside: Beside | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rows to frame logits and attention (batch, t, c) and embeddings (batch, t, dim).

        ``rows`` are (batch, time, n_bins), or samples (batch, n); ``lengths`` (batch,) count those that are real. A
        head that pools by itself gives one frame of logits. ``beside`` is what else is known, for a head that takes it:
        values (batch, size) of each input, and which rows (batch,) know them.
        """
        embedding = self.backbone.forward_features(self.maps(rows), lengths)
        more: dict[str, Any] = {}
        if beside:
            more = {
                "values": {k: v for k, (v, _) in beside.items()},
                "known": {k: v for k, (_, v) in beside.items()},
            }
        logits, attention = self.head(embedding, self._mask(embedding, lengths), **more)
        return logits, attention, embedding

    def window_logits(self, rows: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of whole windows: (batch, time, n_bins) to (batch, c)."""
        return self.answers(rows, lengths)[0]

    def answers(
        self, rows: torch.Tensor, lengths: torch.Tensor | None = None, beside: Beside | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (batch, c) and mean embeddings (batch, dim) of whole windows."""
        logits, attention, embedding = self(rows, lengths, beside)
        mask = self._mask(embedding, lengths)
        clip = pool(logits, attention, mask if self.head.framewise else None)
        if mask is None:
            return clip, embedding.mean(dim=1)
        held = embedding.masked_fill(~mask[:, :, None], 0.0)
        return clip, held.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)

    def _mask(self, embedding: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor | None:
        """Which frames of embedding are real, (batch, t); None: all."""
        if lengths is None:
            return None
        return frame_mask(self.backbone.output_lengths(lengths).to(embedding.device), embedding.shape[1])
