"""What a batch is, before and after features are computed."""

from __future__ import annotations

from typing import NamedTuple

import torch

#: The clip of windows that are computed for the other processes' sake: what is said of them counts nowhere.
NO_CLIP = -1


class Batch(NamedTuple):
    """Windows of clips, as the feed gives them.

    Attributes
    ----------
    samples : Tensor, shape (batch, n), float32
        With the margins that the front end asked for; or rows of features (batch, t, n_bins) that the feed computed.
    lengths : Tensor, shape (batch,), int64
        Samples that are real, without margins; all ``n`` of a cut window.
    targets, judged : Tensor, shape (batch, classes), float32
    clips : Tensor, shape (batch,), int64
        The number of each window's clip, or ``NO_CLIP``.
    """

    samples: torch.Tensor
    lengths: torch.Tensor
    targets: torch.Tensor
    judged: torch.Tensor
    clips: torch.Tensor


class Rows(NamedTuple):
    """The same after augmentation and features: ``rows`` are what the network takes; ``lengths`` None: all real."""

    rows: torch.Tensor
    lengths: torch.Tensor | None
    targets: torch.Tensor
    judged: torch.Tensor
    clips: torch.Tensor

    @property
    def counting(self) -> int:
        """How many of them count."""
        return int((self.clips != NO_CLIP).sum())
