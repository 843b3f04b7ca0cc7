"""Mel-frequency cepstral coefficients: the cosine transform of a log-mel spectrogram.

Equal to ``librosa.feature.mfcc(S=..., n_mfcc=..., dct_type=2, norm="ortho", lifter=...)`` of that spectrogram.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.banks import Bank
from sonoscope.features.frames import Array
from sonoscope.features.logmel import LogMel
from sonoscope.features.protocol import Framewise
from sonoscope.features.stream import Kernel


def cosine_basis(n_mels: int, n_mfcc: int, lifter: int) -> np.ndarray:
    """Orthonormal DCT-II with Juang's lifter, shape (n_mels, n_mfcc), float64.

    Coefficient ``k`` is multiplied by ``1 + lifter / 2 sin(pi (k + 1) / lifter)``; a lifter of 0 leaves it.
    """
    order = np.arange(n_mfcc)
    basis = np.cos(np.pi / n_mels * (np.arange(n_mels)[:, None] + 0.5) * order) * np.sqrt(2.0 / n_mels)
    basis[:, 0] /= np.sqrt(2.0)
    if lifter:
        basis *= 1.0 + lifter / 2.0 * np.sin(np.pi * (order + 1) / lifter)
    return basis


@lru_cache(maxsize=16)
def _parts(feature: Mfcc) -> tuple[LogMel, Bank]:
    logmel = LogMel(
        feature.sample_rate, feature.n_fft, feature.hop_samples, feature.n_mels, feature.f_min_hz,
        feature.f_max_hz, feature.floor,
    )  # fmt: skip
    return logmel, Bank(cosine_basis(feature.n_mels, feature.n_mfcc, feature.lifter))


class MfccKernel:
    """A fixed number of rows of an :class:`Mfcc`, from the kernel of its log-mel (``stream.Kernel``)."""

    def __init__(self, feature: Mfcc, n_frames: int) -> None:
        logmel, self._basis = _parts(feature)
        self._logmel = logmel.kernel(n_frames)
        self.samples = self._logmel.samples
        self._mel = np.empty((n_frames, feature.n_mels), dtype=np.float32)

    def __call__(self, out: np.ndarray) -> None:
        """Compute the rows of ``samples`` into ``out``, shape (n_frames, n_mfcc), float32."""
        self._logmel(self._mel)
        out[...] = self._basis(self._mel)


@dataclass(frozen=True)
class Mfcc(Framewise):
    """MFCC parameters; calling it gives the rows of a whole signal.

    Parameters
    ----------
    sample_rate, n_fft, hop_samples, n_mels, f_min_hz, f_max_hz, floor
        Of the log-mel spectrogram (``logmel.LogMel``).
    n_mfcc : int
        Coefficients, the mean level (0) included; ``1 <= n_mfcc <= n_mels``.
    lifter : int
        0 for none; 22 is usual in speech.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "mfcc"

    sample_rate: int = 22_050
    n_fft: int = 2048
    hop_samples: int = 512
    n_mels: int = 128
    f_min_hz: float = 0.0
    f_max_hz: float = 11_025.0
    floor: float = 1e-10
    n_mfcc: int = 40
    lifter: int = 0

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "n_mels")
        checks.within(self, "n_mfcc", 1, self.n_mels)
        checks.at_least(self, 0, "lifter")
        _parts(self)

    @property
    def logmel(self) -> LogMel:
        """The spectrogram underneath."""
        return _parts(self)[0]

    @property
    def left_context(self) -> int:
        """Samples before its centre that a row sees."""
        return self.logmel.left_context

    @property
    def right_context(self) -> int:
        """Samples from its centre on that a row sees."""
        return self.logmel.right_context

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return self.n_mfcc

    @property
    def silence(self) -> np.ndarray:
        """What each value is in digital silence, (n_mfcc,)."""
        logmel, basis = _parts(self)
        return basis(np.full((1, self.n_mels), logmel.silence, dtype=np.float32))[0]

    def compute(self, samples: Array) -> Array:
        """Rows that need no padding: (..., n) to (..., rows, n_mfcc)."""
        logmel, basis = _parts(self)
        return basis(logmel.valid(samples))

    def kernel(self, n_frames: int) -> Kernel:
        """What computes ``n_frames`` rows at a time (``stream.Kernel``)."""
        return MfccKernel(self, n_frames)
