"""Per-channel energy normalisation: loudness relative to what was there before (Wang et al. 2017). NumPy only.

``(E / (eps + M)^gain + bias)^power - bias^power``, where ``M`` follows the energy ``E`` of each band as a first-order
smoother of ``time_constant_s``. Steady noise and the distance to the microphone fall away, onsets stay: made for field
recordings. Equal to ``librosa.pcen``; its state before the first frame is 1, ours is the first frame, so that nothing
starts with a bang (pass ``state=np.ones(...)`` for librosa's).

The smoother remembers all that was before. So a frame depends on where the recording began, windows cannot share
frames, and the feature is not ``streamable``; the function :func:`pcen` takes and gives the state for whoever goes
through a recording once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from sonoscope.features import checks
from sonoscope.features.frames import Array
from sonoscope.features.logmel import LogMel
from sonoscope.features.protocol import Framewise


def smoothing(time_constant_frames: float) -> float:
    """Weight of the newest frame in a first-order smoother with this 3-dB time constant (librosa's formula)."""
    squared = time_constant_frames**2
    return (math.sqrt(1.0 + 4.0 * squared) - 1.0) / (2.0 * squared)


def pcen(
    energy: np.ndarray,
    *,
    weight: float,
    gain: float = 0.98,
    bias: float = 2.0,
    power: float = 0.5,
    eps: float = 1e-6,
    state: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Normalise bands by their own past.

    Parameters
    ----------
    energy : np.ndarray, shape (..., t, bands)
        Not negative, not logarithmic; ``t > 0``.
    weight : float
        Of the newest frame, in (0, 1]: see :func:`smoothing`.
    gain, bias, power, eps : float
        See the module.
    state : np.ndarray, shape (..., bands), optional
        The smoother before the first frame: what the call for the frames before gave. Default: the first frame.

    Returns
    -------
    tuple of np.ndarray
        Normalised frames, the shape of ``energy``, and the smoother after the last frame. In pieces it gives the same
        bits as at once.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    if not 0 < weight <= 1:
        raise ValueError(f"weight={weight} must lie in (0, 1]")
    if gain < 0 or bias < 0 or power <= 0 or eps <= 0:
        raise ValueError(
            f"gain={gain} and bias={bias} must not be negative, power={power} and eps={eps} greater than 0"
        )
    energy = np.asarray(energy)
    smooth = np.array(energy[..., 0, :] if state is None else state, dtype=energy.dtype)
    smoothed = np.empty_like(energy)
    for t in range(energy.shape[-2]):
        smooth = smooth * (1.0 - weight) + energy[..., t, :] * weight
        smoothed[..., t, :] = smooth
    # Through logarithms: the root of a small number plus the bias loses its digits otherwise.
    relative = energy * np.exp(-gain * (math.log(eps) + np.log1p(smoothed / eps)))
    if bias == 0:
        return relative**power, smooth
    return np.expm1(power * np.log1p(relative / bias)) * bias**power, smooth


@lru_cache(maxsize=16)
def _logmel(feature: Pcen) -> LogMel:
    return LogMel(
        feature.sample_rate, feature.n_fft, feature.hop_samples, feature.n_mels, feature.f_min_hz,
        feature.f_max_hz, feature.floor,
    )  # fmt: skip


@dataclass(frozen=True)
class Pcen(Framewise):
    """PCEN of mel energies; calling it gives the rows of a whole signal.

    Parameters
    ----------
    sample_rate, n_fft, hop_samples, n_mels, f_min_hz, f_max_hz, floor
        Of the log-mel spectrogram (``logmel.LogMel``) whose energies are normalised.
    scale : float
        Factor on the energies; 2^31 suits samples in -1..1 (librosa).
    gain, bias, power, eps : float
        See the module.
    time_constant_s : float
        Of the smoother.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "pcen"

    sample_rate: int = 22_050
    n_fft: int = 1024
    hop_samples: int = 256
    n_mels: int = 64
    f_min_hz: float = 50.0
    f_max_hz: float = 11_025.0
    floor: float = 1e-20
    scale: float = 2.0**31
    gain: float = 0.98
    bias: float = 2.0
    power: float = 0.5
    eps: float = 1e-6
    time_constant_s: float = 0.4

    def __post_init__(self) -> None:
        _logmel(self)
        for name in ("scale", "power", "eps", "time_constant_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name}={getattr(self, name)} must be greater than 0")
        checks.at_least(self, 0, "gain", "bias")

    @property
    def streamable(self) -> bool:
        """Whether a row sees its declared context only: no, all that was before as well."""
        return False

    @property
    def numpy_only(self) -> bool:
        """Whether tensors are refused: a recursion over time is slow on them."""
        return True

    @property
    def left_context(self) -> int:
        """Samples before its centre of which a row's own energy is made."""
        return _logmel(self).left_context

    @property
    def right_context(self) -> int:
        """Samples from its centre on that a row sees."""
        return _logmel(self).right_context

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return self.n_mels

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return float(self._normalised(np.full((1, 1), self.floor, dtype=np.float32))[0, 0])

    def _normalised(self, energy: np.ndarray) -> np.ndarray:
        weight = smoothing(self.time_constant_s * self.sample_rate / self.hop_samples)
        return pcen(
            energy * np.float32(self.scale), weight=weight, gain=self.gain, bias=self.bias, power=self.power,
            eps=self.eps,
        )[0]  # fmt: skip

    def compute(self, samples: Array) -> Array:
        """Rows that need no padding: (..., n) to (..., rows, n_mels)."""
        return self._normalised(np.float32(10.0) ** (_logmel(self).valid(samples) * np.float32(0.1)))
