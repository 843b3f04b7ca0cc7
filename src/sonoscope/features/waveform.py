"""The samples themselves, for networks that begin with their own filters (wav2vec2).

Row ``k`` holds the samples ``[k * hop, (k + 1) * hop)``, so rows one after the other are the signal again:
``rows.reshape(..., -1)``. A window of samples is as many whole rows, which is what lets recordings be cut, stored
and streamed as with any other feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.frames import Array, frame
from sonoscope.features.protocol import Framewise


@dataclass(frozen=True)
class Waveform(Framewise):
    """Samples in rows.

    Parameters
    ----------
    sample_rate : int
        Hz.
    hop_samples : int
        Samples in a row. 320 at 16 kHz, 20 ms, is the stride of wav2vec2's frames.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "waveform"

    sample_rate: int = 16_000
    hop_samples: int = 320

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "sample_rate", "hop_samples")

    @property
    def left_context(self) -> int:
        """Samples before its first one that a row sees: none."""
        return 0

    @property
    def right_context(self) -> int:
        """Samples from its first one on that a row sees."""
        return self.hop_samples

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return self.hop_samples

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return 0.0

    def compute(self, samples: Array) -> Array:
        """Rows that need no padding: (..., n) to (..., n // hop, hop)."""
        rows = frame(samples, self.hop_samples, self.hop_samples)
        return rows if isinstance(rows, np.ndarray) else rows.clone()
