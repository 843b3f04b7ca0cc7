"""Log-mel spectrogram with a fixed reference.

``10 log10(max(M |STFT|^2, floor))`` in decibels re full scale, Slaney mel filters with area normalisation: equal to
``librosa.power_to_db(librosa.feature.melspectrogram(..., center=True, pad_mode="constant"), ref=1.0, amin=floor,
top_db=None)`` to within 1e-3 dB above the floor (float32). There is no per-clip maximum or normalisation: a frame does
not depend on its neighbours, which is what lets overlapped windows, blocks and streams share it.

Slaney's mel scale: linear (200/3 Hz a mel) up to 1 kHz, logarithmic above (27 mels per factor 6.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from array_api_compat import array_namespace

from sonoscope.features.frames import Array, frame, pad_zeros, power_spectrum
from sonoscope.features.stream import FrameStream


def hz_to_mel(hz: np.ndarray | float) -> np.ndarray:
    """Slaney mel of a frequency in Hz."""
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(hz < 1000.0, hz * 3.0 / 200.0, 15.0 + 27.0 * np.log(np.maximum(hz, 1.0) / 1000.0) / np.log(6.4))


def mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """Inverse of :func:`hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp(np.log(6.4) * (mel - 15.0) / 27.0))


def mel_filterbank(sample_rate: int, n_fft: int, n_mels: int, f_min_hz: float, f_max_hz: float) -> np.ndarray:
    """Triangular filters of equal area, shape (n_mels, n_fft // 2 + 1), float32 (``librosa.filters.mel``)."""
    edges_hz = mel_to_hz(np.linspace(hz_to_mel(f_min_hz), hz_to_mel(f_max_hz), n_mels + 2))
    bins_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    rise = (bins_hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    fall = (edges_hz[2:, None] - bins_hz) / np.diff(edges_hz)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rise, fall))
    return (triangles * (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]).astype(np.float32)


@lru_cache(maxsize=16)
def _constants(feature: LogMel) -> tuple[np.ndarray, np.ndarray]:
    """Window (n_fft,) and transposed filter bank (n_bins, n_mels), both float32."""
    # Periodic Hann: the one whose shifted copies add up to a constant.
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(feature.n_fft) / feature.n_fft)
    bank = mel_filterbank(feature.sample_rate, feature.n_fft, feature.n_mels, feature.f_min_hz, feature.f_max_hz)
    return hann.astype(np.float32), np.ascontiguousarray(bank.T)


@dataclass(frozen=True)
class LogMel:
    """Log-mel parameters; calling it gives the frames of a whole signal.

    Parameters
    ----------
    sample_rate : int
        Hz.
    n_fft, hop_samples : int
        Frame length and distance between frame centres, in samples.
    n_mels : int
    f_min_hz, f_max_hz : float
        Edges of the filter bank; ``0 <= f_min_hz < f_max_hz <= sample_rate / 2``.
    floor : float
        Smallest power: ``10 log10(floor)`` dB is what silence gives.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "logmel"
    streamable: ClassVar[bool] = True
    numpy_only: ClassVar[bool] = False

    sample_rate: int = 24_000
    n_fft: int = 2048
    hop_samples: int = 600
    n_mels: int = 96
    f_min_hz: float = 40.0
    f_max_hz: float = 11_000.0
    floor: float = 1e-10

    def __post_init__(self) -> None:
        if not 0 <= self.f_min_hz < self.f_max_hz <= self.sample_rate / 2:
            raise ValueError(
                f"f_min_hz={self.f_min_hz} and f_max_hz={self.f_max_hz} must satisfy "
                f"0 <= f_min_hz < f_max_hz <= {self.sample_rate / 2}"
            )
        for name in ("sample_rate", "n_fft", "hop_samples", "n_mels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.floor <= 0:
            raise ValueError(f"floor={self.floor} must be positive")

    @property
    def left_context(self) -> int:
        """Samples before its centre that a frame sees."""
        return self.n_fft // 2

    @property
    def right_context(self) -> int:
        """Samples from its centre on that a frame sees."""
        return self.n_fft - self.n_fft // 2

    @property
    def n_bins(self) -> int:
        """Values in a frame."""
        return self.n_mels

    @property
    def silence(self) -> float:
        """What every value is in digital silence, in dB."""
        return float(10.0 * np.log10(np.float32(self.floor)))

    def shape(self, n: int) -> tuple[int, int]:
        """Shape of the frames of ``n`` samples: centres at 0, hop, … up to and including ``n``."""
        return 1 + n // self.hop_samples, self.n_mels

    def __call__(self, samples: Array) -> Array:
        """Frames of whole signals: (..., n) float32 samples to (..., 1 + n // hop, n_mels) dB, zeros outside."""
        return self.valid(pad_zeros(samples, self.left_context, self.right_context))

    def valid(self, samples: Array) -> Array:
        """Frames that need no padding: (..., n) to (..., 1 + (n - n_fft) // hop, n_mels) dB."""
        xp = array_namespace(samples)
        hann, bank = self._constants_like(samples)
        power = power_spectrum(frame(samples, self.n_fft, self.hop_samples) * hann)
        mel = xp.matmul(power, bank)
        return 10.0 * xp.log10(xp.clip(mel, self.floor, None))

    def stream(self, batch_frames: int = 128) -> FrameStream:
        """Push blocks of samples, get frames; equal to calling it on everything at once (see ``FrameStream``)."""
        return FrameStream(self, batch_frames)

    def _constants_like(self, samples: Array) -> tuple[Any, Any]:
        hann, bank = _constants(self)
        if isinstance(samples, np.ndarray):
            return hann, bank
        xp = array_namespace(samples)
        return xp.asarray(hann, device=samples.device), xp.asarray(bank, device=samples.device)
