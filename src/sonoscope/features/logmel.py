"""Log-mel spectrogram with a fixed reference.

``10 log10(max(M |STFT|^2, floor))`` in decibels re full scale, Slaney mel filters with area normalisation:
equal to ``librosa.power_to_db(librosa.feature.melspectrogram(..., center=True, pad_mode="constant"), ref=1.0,
amin=floor, top_db=None)`` to within 1e-3 dB for cells up to 70 dB below the loudest of their frame, and 0.05
dB up to 100 dB below, where both round in float32. There is no per-clip maximum or normalisation: a frame
does not depend on its neighbours, which is what lets overlapped windows, blocks and streams share it.

Slaney's mel scale: linear (200/3 Hz a mel) up to 1 kHz, logarithmic above (27 mels per factor 6.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from sonoscope.features import checks
from sonoscope.features.banks import groups, support_of
from sonoscope.features.fft import PowerFrames
from sonoscope.features.frames import Array, constant, frame, power_spectrum
from sonoscope.features.protocol import Framewise
from sonoscope.features.scales import scaled, silence
from sonoscope.features.tapers import taper


def hz_to_mel(hz: np.ndarray | float) -> np.ndarray:
    """Slaney mel of a frequency in Hz."""
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(
        hz < 1000.0, hz * 3.0 / 200.0, 15.0 + 27.0 * np.log(np.maximum(hz, 1.0) / 1000.0) / np.log(6.4)
    )


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


class _Constants(NamedTuple):
    """What the parameters amount to.

    ``window`` (n_fft,) float32; ``bins``: those that any filter uses; ``bank`` (bins, n_mels) float32: the
    filters over those; ``support`` (n_mels, 2): first bin of each filter and the one after its last, counted
    in ``bins``.
    """

    window: np.ndarray
    bins: slice
    bank: np.ndarray
    support: np.ndarray


@lru_cache(maxsize=16)
def _constants(feature: LogMel) -> _Constants:
    bank = mel_filterbank(
        feature.sample_rate, feature.n_fft, feature.n_mels, feature.f_min_hz, feature.f_max_hz
    )
    support = support_of(bank.T)
    bins = slice(int(support[:, 0].min()), int(support[:, 1].max()))
    return _Constants(
        taper("hann", feature.n_fft).astype(np.float32),
        bins,
        np.ascontiguousarray(bank[:, bins].T),
        support - bins.start,
    )


class LogMelKernel:
    """A fixed number of frames of a :class:`LogMel`, in memory that is used again (``stream.Kernel``).

    Neighbouring filters overlap, distant ones do not: the bank is applied in groups of filters, each over the
    bins it uses, which is a seventh of the whole matrix. No product is as large as ``banks.BLAS_ONE_THREAD``,
    so that BLAS runs it in the calling thread whatever the environment says.
    """

    def __init__(self, feature: LogMel, n_frames: int) -> None:
        constants = _constants(feature)
        self._power = PowerFrames(constants.window, feature.hop_samples, n_frames, constants.bins)
        self.samples = self._power.samples
        self._mel = np.empty((n_frames, feature.n_mels), dtype=np.float32)
        self._floor = np.float32(feature.floor)
        self._products = [
            (
                self._power.power[:, bins],
                np.ascontiguousarray(constants.bank[bins, filters]),
                self._mel[:, filters],
            )
            for filters, bins in groups(constants.support, n_frames)
        ]

    def __call__(self, out: np.ndarray) -> None:
        """Compute the frames of ``samples`` into ``out``, shape (n_frames, n_mels), float32."""
        self._power()
        for power, filters, mel in self._products:
            np.matmul(power, filters, out=mel)
        np.maximum(self._mel, self._floor, out=self._mel)
        np.log10(self._mel, out=self._mel)
        np.multiply(self._mel, np.float32(10.0), out=out)


@dataclass(frozen=True)
class LogMel(Framewise):
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

    sample_rate: int = 24_000
    n_fft: int = 2048
    hop_samples: int = 600
    n_mels: int = 96
    f_min_hz: float = 40.0
    f_max_hz: float = 11_000.0
    floor: float = 1e-10

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "sample_rate", "n_fft", "hop_samples", "n_mels")
        checks.hop(self.hop_samples, self.n_fft, "n_fft")
        checks.band(self.f_min_hz, self.f_max_hz, self.sample_rate)
        checks.floor(self)
        bank = mel_filterbank(self.sample_rate, self.n_fft, self.n_mels, self.f_min_hz, self.f_max_hz)
        empty = np.flatnonzero(~bank.any(axis=1))
        if empty.size:
            raise ValueError(
                f"n_mels={self.n_mels} leaves {empty.size} filters (the first is number {empty[0]}) between "
                f"two bins of n_fft={self.n_fft}: take fewer mels, a longer n_fft or a higher f_min_hz"
            )

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
    def frequencies_hz(self) -> np.ndarray:
        """Centre of each filter, (n_mels,)."""
        edges = np.linspace(hz_to_mel(self.f_min_hz), hz_to_mel(self.f_max_hz), self.n_mels + 2)
        return mel_to_hz(edges[1:-1])

    @property
    def silence(self) -> float:
        """What every value is in digital silence, in dB."""
        return silence("db", self.floor)

    def compute(self, samples: Array) -> Array:
        """Frames of tensors that need no padding: (..., n) to (..., 1 + (n - n_fft) // hop, n_mels) dB."""
        constants = _constants(self)
        frames = frame(samples, self.n_fft, self.hop_samples) * constant(constants.window, samples)
        mel = power_spectrum(frames)[..., constants.bins] @ constant(constants.bank, samples)
        return scaled(mel, "db", self.floor)

    def kernel(self, n_frames: int) -> LogMelKernel:
        """What computes ``n_frames`` frames at a time without fresh memory."""
        return LogMelKernel(self, n_frames)
