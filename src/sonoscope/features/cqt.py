"""Constant-Q transform: as many bins in every octave, each with a window as long as its pitch needs.

Bin ``k`` at ``f_k = f_min_hz 2^(k / B)`` is the correlation with ``w_k(t) exp(-2 pi i f_k t)`` around the centre of the
row, ``w_k`` a Hann window of ``Q / (f_k + gamma / alpha)`` seconds and unit sum, ``Q = filter_scale / alpha`` and
``alpha = (r^2 - 1) / (r^2 + 1)`` for the ratio ``r`` of neighbouring bins (Brown 1991; the lengths are librosa's). A
sine of amplitude 1 has a magnitude of 1/2 in its bin; ``librosa.cqt`` is this times the root of the length in samples.

How it is made cheap: low pitches are computed at low rates. The signal is halved in rate again and again by a
half-band filter (48 taps of Kaiser's window, 100 dB); a bin uses the lowest rate at which it lies below
:data:`USABLE` of it. There its window has a few hundred samples whatever the pitch, and all bins of a rate are one
matrix product in float32. So cost is proportional to octaves, not to the length of the longest window, and the
context of a row is finite. Rates that do not divide the hop cannot be used: a hop of 256 halves up to eight times, one
of 441 not at all, which costs some thirty times as much.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from sonoscope.features import checks
from sonoscope.features.banks import Bank
from sonoscope.features.frames import Array, concatenated, frame, pad_zeros
from sonoscope.features.logfreq import pitches_hz
from sonoscope.features.protocol import Framewise
from sonoscope.features.scales import scaled, silence

#: Share of a rate up to which it keeps signals clean: what lies above folds back to above it.
USABLE = 0.35
#: Taps on each side of the middle of the half-band filter. Kaiser: 100 dB over a transition of 0.15 of the rate.
HALF_TAPS = 23
KAISER_BETA = 10.06


def half_band() -> np.ndarray:
    """Low-pass at a quarter of the rate, (2 HALF_TAPS + 1,), unit gain, float64; every other tap is 0."""
    n = np.arange(-HALF_TAPS, HALF_TAPS + 1)
    taps = 0.5 * np.sinc(n / 2.0) * np.kaiser(n.size, KAISER_BETA)
    return taps / taps.sum()


@lru_cache(maxsize=1)
def _halving(at_once: int) -> Bank:
    """What makes so many samples of half the rate, (2 (at_once - 1) + taps, at_once)."""
    taps = half_band()
    matrix = np.zeros((2 * (at_once - 1) + taps.size, at_once))
    for i in range(at_once):
        matrix[2 * i : 2 * i + taps.size, i] = taps
    return Bank(matrix)


#: Products are so fast that the zeros of a matrix for 16 samples at a time cost less than anything cleverer.
_HALVED_AT_ONCE = 16


def halved(samples: Array) -> Array:
    """At half the rate: (..., n) to (..., (n - 2 HALF_TAPS + 1) // 2); the first is centred at HALF_TAPS."""
    n = (samples.shape[-1] - 2 * HALF_TAPS + 1) // 2
    bank = _halving(_HALVED_AT_ONCE)
    length, hop = bank.matrix.shape[0], 2 * _HALVED_AT_ONCE
    blocks = -(-n // _HALVED_AT_ONCE)
    missing = max(0, (blocks - 1) * hop + length - samples.shape[-1])
    blocked = bank(frame(pad_zeros(samples, 0, missing), length, hop)[..., :blocks, :])
    return blocked.reshape(*samples.shape[:-1], -1)[..., :n]


class _Level(NamedTuple):
    """The bins of one rate: ``octave`` halvings, windows of ``length`` samples there, and the basis: (length, 2 c),
    cosines of the ``c`` bins and then their sines."""

    octave: int
    length: int
    basis: Bank


class _Plan(NamedTuple):
    """``levels`` from the lowest bins up, and the contexts in samples."""

    levels: tuple[_Level, ...]
    left: int
    right: int


@lru_cache(maxsize=16)
def _plan(feature: Cqt) -> _Plan:
    frequencies, seconds = feature.frequencies_hz, feature.window_s
    # Half the width of the main lobe of a Hann window.
    edges = frequencies + 2.0 / seconds
    dividing = (feature.hop_samples & -feature.hop_samples).bit_length() - 1
    # The filters of yet lower rates would reach further than an eighth of the longest window.
    worthwhile = np.log2(max(1.0, seconds.max() * feature.sample_rate / (16 * HALF_TAPS)))
    deepest = min(dividing, int(worthwhile))
    octaves = np.floor(np.log2(USABLE * feature.sample_rate / edges)).clip(0, deepest).astype(int)
    levels = []
    for octave in np.unique(octaves)[::-1]:
        chosen, rate = octaves == octave, feature.sample_rate / 2.0**octave
        basis = correlators(frequencies[chosen], seconds[chosen], rate)
        levels.append(_Level(int(octave), len(basis), Bank(basis)))
    # A sample i at an octave is made of the samples from i 2^octave on to HALF_TAPS (2^octave - 1) on each side of
    # its middle. The left context makes the middle of a row fall on a sample of every rate.
    finest = 1 << max(level.octave for level in levels)
    left = max((level.length // 2 + HALF_TAPS) << level.octave for level in levels) - HALF_TAPS
    left = -(-(left + HALF_TAPS) // finest) * finest - HALF_TAPS
    if left < 0:
        left += finest
    right = max(
        ((level.length - level.length // 2 - 1 + HALF_TAPS) << level.octave) - HALF_TAPS for level in levels
    )
    return _Plan(tuple(levels), left, right + 1)


def correlators(frequencies_hz: np.ndarray, seconds: np.ndarray, rate: float) -> np.ndarray:
    """Windowed cosines and sines around the middle sample, (length, 2 c) float32, unit sum of each window."""
    half = int(np.ceil(seconds.max() * rate / 2.0))
    time_s = np.arange(-half, half + 1)[:, None] / rate
    inside = np.abs(time_s) < seconds / 2.0
    window = np.where(inside, 0.5 + 0.5 * np.cos(2.0 * np.pi * time_s / seconds), 0.0)
    window /= window.sum(axis=0)
    phase = 2.0 * np.pi * frequencies_hz * time_s
    return np.concatenate([window * np.cos(phase), window * np.sin(phase)], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Cqt(Framewise):
    """Constant-Q parameters; calling it gives the rows of a whole signal.

    Parameters
    ----------
    sample_rate : int
        Hz.
    hop_samples : int
        Distance between centres in samples; best a multiple of a high power of two.
    f_min_hz : float
        The lowest bin: A0 by default.
    n_bins, bins_per_octave : int
        264 at 36 an octave are three for each of a piano's keys.
    filter_scale : float
        Factor on the windows' lengths: below 1 sharper in time, broader in pitch.
    gamma_hz : float
        Added to every bin's bandwidth: shortens the windows of low pitches (variable Q); 0 for constant Q.
    output, floor
        As for ``stft``; of the squared magnitude.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the highest bin is above Nyquist.
    """

    name: ClassVar[str] = "cqt"
    #: The contexts are long: few rows would be mostly context.
    batch_frames: ClassVar[int] = 128

    sample_rate: int = 22_050
    hop_samples: int = 256
    f_min_hz: float = 27.5
    n_bins: int = 264
    bins_per_octave: int = 36
    filter_scale: float = 1.0
    gamma_hz: float = 0.0
    output: str = "db"
    floor: float = 1e-10

    def __post_init__(self) -> None:
        checks.at_least(self, 1, "sample_rate", "hop_samples")
        checks.pitches(self)
        checks.within(self, "filter_scale", 0.05, 10.0)
        checks.at_least(self, 0, "gamma_hz")
        checks.output(self)
        checks.hop(self.hop_samples, self.left_context + self.right_context, "the longest window")

    @property
    def frequencies_hz(self) -> np.ndarray:
        """Frequency of each bin, (n_bins,)."""
        return pitches_hz(self.f_min_hz, self.n_bins, self.bins_per_octave)

    @property
    def window_s(self) -> np.ndarray:
        """Length of each bin's window in seconds, (n_bins,)."""
        ratio = 2.0 ** (1.0 / self.bins_per_octave)
        alpha = (ratio**2 - 1.0) / (ratio**2 + 1.0)
        return self.filter_scale / alpha / (self.frequencies_hz + self.gamma_hz / alpha)

    @property
    def left_context(self) -> int:
        """Samples before its centre that a row sees."""
        return _plan(self).left

    @property
    def right_context(self) -> int:
        """Samples from its centre on that a row sees."""
        return _plan(self).right

    @property
    def silence(self) -> float:
        """What every value is in digital silence."""
        return silence(self.output, self.floor)

    def compute(self, samples: Array) -> Array:
        """Rows that need no padding: (..., n) to (..., 1 + (n - left - right) // hop, n_bins)."""
        plan = _plan(self)
        count = 1 + (samples.shape[-1] - plan.left - plan.right) // self.hop_samples
        parts, octave = {}, 0
        for level in reversed(plan.levels):
            for _ in range(level.octave - octave):
                samples = halved(samples)
            octave = level.octave
            hop = self.hop_samples >> octave
            first = ((plan.left + HALF_TAPS) >> octave) - HALF_TAPS - level.length // 2
            reach = samples[..., first : first + (count - 1) * hop + level.length]
            products = level.basis(frame(reach, level.length, hop))
            cosines, sines = products[..., : (c := products.shape[-1] // 2)], products[..., c:]
            parts[octave] = cosines**2 + sines**2
        return scaled(concatenated([parts[level.octave] for level in plan.levels]), self.output, self.floor)
