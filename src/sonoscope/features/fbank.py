"""Log mel filter banks as Kaldi computes them, which speech networks and AST and BEATs were trained on.

A frame of ``window_samples``: its mean is taken away, pre-emphasis ``x[i] - c x[i - 1]`` (the first sample is its own
predecessor), the window, zeros up to ``n_fft``, the power spectrum, triangles on the mel scale
``1127 ln(1 + f / 700)`` whose sides are straight over mels, and the natural logarithm of ``max(energy, floor)``.
Equal to ``torchaudio.compliance.kaldi.fbank(..., dither=0)`` and to the extractor of AST in transformers within 1e-4.

Rows are centred at ``k * hop`` as everywhere here; ``valid(samples)`` gives Kaldi's own frames
(``snip_edges=True``), the first of which begins at sample 0. With 128 filters at 16 kHz no bin falls into filter 3: it
stays at the floor, as it did when those networks were trained.

========  =============================================================================
AST       the defaults; then ``(x + 4.2677393) / (2 * 4.5689974)``
BEATs     ``window="povey", gain=32768.0``; then ``(x - 15.41663) / (2 * 6.55582)``
========  =============================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from sonoscope.features import checks
from sonoscope.features.banks import Bank
from sonoscope.features.frames import Array, backend, concatenated, constant, frame, pad_zeros
from sonoscope.features.powers import real_fft
from sonoscope.features.protocol import Framewise
from sonoscope.features.scales import SMALLEST_FLOOR
from sonoscope.features.tapers import taper


def hz_to_kaldi_mel(hz: np.ndarray | float) -> np.ndarray:
    """Mel of a frequency in Hz after O'Shaughnessy, natural logarithm."""
    return 1127.0 * np.log(1.0 + np.asarray(hz, dtype=np.float64) / 700.0)


def kaldi_filterbank(
    sample_rate: int, n_fft: int, n_mels: int, f_min_hz: float, f_max_hz: float
) -> np.ndarray:
    """Triangles of height 1 over mels, shape (n_mels, n_fft // 2 + 1), float64; the bin at Nyquist is in none."""
    edges = np.linspace(hz_to_kaldi_mel(f_min_hz), hz_to_kaldi_mel(f_max_hz), n_mels + 2)
    mels = hz_to_kaldi_mel(np.arange(n_fft // 2 + 1) * sample_rate / n_fft)
    rise = (mels - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - mels) / np.diff(edges)[1:, None]
    bank = np.maximum(0.0, np.minimum(rise, fall))
    bank[:, n_fft // 2 :] = 0.0
    return bank


class _Constants(NamedTuple):
    """``window`` (window_samples,) float32 with the gain in it; ``bank``: filters over all bins."""

    window: np.ndarray
    bank: Bank


@lru_cache(maxsize=16)
def _constants(feature: Fbank) -> _Constants:
    window = feature.gain * taper(feature.window, feature.window_samples)
    filters = kaldi_filterbank(
        feature.sample_rate, feature.n_fft, feature.n_mels, feature.f_min_hz, feature.top_hz
    )
    return _Constants(window.astype(np.float32), Bank(filters.T))


@dataclass(frozen=True)
class Fbank(Framewise):
    """Kaldi filter bank parameters; calling it gives the rows of a whole signal.

    Parameters
    ----------
    sample_rate : int
        Hz.
    window_samples, hop_samples : int
        Frame length and distance between centres, in samples (25 and 10 ms at 16 kHz).
    n_mels : int
    f_min_hz, f_max_hz : float, float or None
        Edges of the bank; None for Nyquist.
    window : str
        One of ``tapers.TAPERS``: ``hanning`` (AST), ``povey`` (Kaldi's default, BEATs).
    preemphasis : float
        0 for none.
    remove_mean : bool
        Whether each frame's mean is taken away first.
    gain : float
        Factor on the samples: 32768 for networks that were trained on 16-bit integers.
    floor : float
        Smallest energy of a filter; the default is float32's epsilon, as in Kaldi.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    UnknownName
        If there is no such window.
    """

    name: ClassVar[str] = "fbank"

    sample_rate: int = 16_000
    window_samples: int = 400
    hop_samples: int = 160
    n_mels: int = 128
    f_min_hz: float = 20.0
    f_max_hz: float | None = None
    window: str = "hanning"
    preemphasis: float = 0.97
    remove_mean: bool = True
    gain: float = 1.0
    floor: float = 1.1920928955078125e-07

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "sample_rate", "hop_samples", "n_mels")
        checks.at_least(self, 2, "window_samples")
        checks.hop(self.hop_samples, self.window_samples, "window_samples")
        checks.band(self.f_min_hz, self.top_hz, self.sample_rate)
        checks.within(self, "preemphasis", 0.0, 1.0)
        checks.within(self, "floor", SMALLEST_FLOOR, 1.0)
        if not 0 < self.gain < float("inf"):
            raise ValueError(f"gain={self.gain} must be greater than 0")
        taper(self.window, 1)

    @property
    def n_fft(self) -> int:
        """Length of the transform: the next power of two."""
        return 1 << (self.window_samples - 1).bit_length()

    @property
    def top_hz(self) -> float:
        """Upper edge: ``f_max_hz`` or Nyquist."""
        return self.sample_rate / 2 if self.f_max_hz is None else self.f_max_hz

    @property
    def left_context(self) -> int:
        """Samples before its centre that a row sees."""
        return self.window_samples // 2

    @property
    def right_context(self) -> int:
        """Samples from its centre on that a row sees."""
        return self.window_samples - self.window_samples // 2

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return self.n_mels

    @property
    def frequencies_hz(self) -> np.ndarray:
        """Centre of each filter, (n_mels,)."""
        low, high = hz_to_kaldi_mel(self.f_min_hz), hz_to_kaldi_mel(self.top_hz)
        return 700.0 * np.expm1(np.linspace(low, high, self.n_mels + 2)[1:-1] / 1127.0)

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return float(np.log(np.float32(self.floor)))

    def compute(self, samples: Array) -> Array:
        """Rows that need no padding: (..., n) to (..., 1 + (n - window_samples) // hop, n_mels)."""
        window, bank = _constants(self)
        xp = backend(samples)
        frames = frame(samples, self.window_samples, self.hop_samples)
        if self.remove_mean:
            frames = frames - xp.mean(frames, axis=-1, keepdims=True)
        if self.preemphasis:
            before = concatenated([frames[..., :1], frames[..., :-1]])
            frames = frames - self.preemphasis * before
        frames = pad_zeros(frames * constant(window, samples), 0, self.n_fft - self.window_samples)
        spectrum = real_fft(frames)
        energy = bank(xp.real(spectrum) ** 2 + xp.imag(spectrum) ** 2)
        return xp.log(xp.clip(energy, self.floor, None))
