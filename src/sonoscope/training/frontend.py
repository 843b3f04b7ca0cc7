"""Samples to what a network takes, in batches on the device.

A window's rows see the real sound around it, as in use (``models/scorers.py``): the feed brings the margins that their
contexts reach over. Features that see all of a signal at once, and whole clips of different lengths, have zeros around
them instead; a shorter clip sees the same zeros as its padding.
"""

from __future__ import annotations

import torch
from torch import nn

from sonoscope.errors import UsageError
from sonoscope.features import Feature


class Frontend(nn.Module):
    """Batches of samples to rows of a feature, or to samples as they are.

    Parameters
    ----------
    feature : Feature, optional
        None: the network takes samples.
    window, frames : int, optional
        Samples of a window, and rows of it; None: whole clips.

    Attributes
    ----------
    before, after : int
        Samples around each window that a batch must bring.

    Raises
    ------
    UsageError
        If a feature cannot be computed in batches on a device.
    """

    def __init__(self, feature: Feature | None, window: int | None = None, frames: int | None = None) -> None:
        super().__init__()
        if feature is not None and feature.numpy_only:
            raise UsageError(
                f"the feature {feature.name!r} computes on NumPy arrays only: choose feature_on=loader, "
                "or another feature"
            )
        self.feature, self.frames = feature, frames
        self.before = self.after = 0
        self._with_context = feature is not None and feature.streamable and frames is not None
        if self._with_context:
            assert feature is not None and frames is not None and window is not None
            self.before = feature.left_context
            self.after = max((frames - 1) * feature.hop_samples + feature.right_context - window, 0)
            self._reach = (frames - 1) * feature.hop_samples + feature.left_context + feature.right_context

    @torch.no_grad()
    def forward(
        self, samples: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(batch, before + n + after) samples to rows (batch, t, n_bins) and how many of each are real.

        ``lengths`` (batch,) count the samples that are real; None: all.
        """
        if self.feature is None:
            return samples, lengths
        if self._with_context:
            return self.feature.valid(samples[:, : self._reach]), None
        rows = self.feature(samples)
        if self.frames is not None:
            rows = rows[:, : self.frames]
        return rows, None if lengths is None else 1 + lengths // self.feature.hop_samples
