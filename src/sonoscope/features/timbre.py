"""What the shape of a spectrum says, frame by frame: magnitudes in, one number (or a few) for each frame out.

All functions take magnitudes of shape (frames, bins), bins being those of a real FFT, and are vectorised over
frames. The formulas are those of librosa 0.11 (McFee et al., "librosa: Audio and music signal analysis in Python",
SciPy 2015), with the same constants, so that numbers in the literature compare; they agree to float32 rounding. One
difference: chroma is not tuned to the recording (librosa's ``tuning=0``). For summaries of clips on NumPy; what
networks are fed with are the features of ``FEATURES``.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sonoscope.features.chroma import chroma_filters
from sonoscope.features.fft import rfft_into
from sonoscope.features.frames import frame, pad_zeros
from sonoscope.features.logmel import mel_filterbank
from sonoscope.features.mfcc import cosine_basis
from sonoscope.features.tapers import taper

#: Frame and hop that statistics are made with: 93 ms and 23 ms at 22,050 Hz.
N_FFT, HOP_SAMPLES = 2048, 512
#: Frames transformed at a time, so that memory stays small next to the signal.
BATCH_FRAMES = 256
#: Below this nothing counts: powers, sums of magnitudes.
TINY = 1e-10
#: A logarithm reaches so many dB below the loudest value of the signal.
TOP_DB = 80.0

#: Edges of the bands of spectral contrast begin here and double; there are so many above the first.
CONTRAST_F_MIN_HZ, CONTRAST_OCTAVES = 200.0, 6
#: Share of a band's bins that are its peak, and its valley.
CONTRAST_QUANTILE = 0.02
#: Smallest sample rate at which the last band of spectral contrast is not empty.
LOWEST_RATE = int(2 * CONTRAST_F_MIN_HZ * 2 ** (CONTRAST_OCTAVES - 1)) + 1


def magnitudes(samples: np.ndarray, *, n_fft: int = N_FFT, hop_samples: int = HOP_SAMPLES) -> np.ndarray:
    """Magnitudes of centred, Hann-windowed frames, zeros outside the signal.

    Parameters
    ----------
    samples : np.ndarray, shape (n,)

    Returns
    -------
    np.ndarray, shape (1 + n // hop_samples, n_fft // 2 + 1), float32
        Frame ``k`` is centred at sample ``k * hop_samples``.
    """
    padded = pad_zeros(np.asarray(samples, dtype=np.float32), n_fft // 2, n_fft // 2)
    frames = frame(padded, n_fft, hop_samples)
    window = taper("hann", n_fft).astype(np.float32)
    found = np.empty((len(frames), n_fft // 2 + 1), dtype=np.float32)
    spectrum = np.empty((min(BATCH_FRAMES, len(frames)), n_fft // 2 + 1), dtype=np.complex64)
    rfft = rfft_into()
    for first in range(0, len(frames), BATCH_FRAMES):
        batch = frames[first : first + BATCH_FRAMES] * window
        rfft(batch, spectrum[: len(batch)])
        np.abs(spectrum[: len(batch)], out=found[first : first + len(batch)])
    return found


def bins_hz(n_bins: int, sample_rate: int) -> np.ndarray:
    """Frequencies of the bins of a real FFT, shape (n_bins,), float64."""
    return np.linspace(0.0, sample_rate / 2, n_bins)


def _shares(magnitude: np.ndarray) -> np.ndarray:
    """Each frame divided by its sum; silent frames stay zeros."""
    total = magnitude.sum(axis=-1, keepdims=True)
    return np.asarray(magnitude / np.where(total < np.finfo(np.float32).tiny, 1.0, total))


def centroid(magnitude: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean frequency in Hz, weighted by magnitude; 0 in silence."""
    return np.asarray(_shares(magnitude) @ bins_hz(magnitude.shape[-1], sample_rate))


def bandwidth(magnitude: np.ndarray, sample_rate: int) -> np.ndarray:
    """Standard deviation around the centroid, in Hz."""
    shares, hz = _shares(magnitude).astype(np.float64), bins_hz(magnitude.shape[-1], sample_rate)
    mean = shares @ hz
    # E[f²] - E[f]², with shares that add up to nearly 1, needs no (frames, bins) array of distances.
    return np.asarray(np.sqrt(np.maximum(shares @ hz**2 - mean**2 * (2 - shares.sum(axis=-1)), 0.0)))


def rolloff(magnitude: np.ndarray, sample_rate: int, *, share: float = 0.85) -> np.ndarray:
    """The frequency in Hz below which ``share`` of a frame's magnitude lies."""
    reached = np.cumsum(magnitude, axis=-1)
    first = np.argmax(reached >= share * reached[..., -1:], axis=-1)
    return np.asarray(bins_hz(magnitude.shape[-1], sample_rate)[first])


def flatness(magnitude: np.ndarray) -> np.ndarray:
    """Geometric over arithmetic mean of the power, 0..1: near 0 for a tone, 0.56 for noise, 1 for silence."""
    power = np.maximum(np.square(magnitude), TINY)
    return np.asarray(np.exp(np.mean(np.log(power), axis=-1)) / np.mean(power, axis=-1))


def contrast(magnitude: np.ndarray, sample_rate: int) -> np.ndarray:
    """How far peaks stand above valleys, in dB, in octave bands (Jiang et al. 2002).

    Returns
    -------
    np.ndarray, shape (frames, 7)
        Bands from 0, 200, 400, … 6400 Hz, the last one open.

    Raises
    ------
    ValueError
        If the sample rate leaves no room for the last band.
    """
    if sample_rate < LOWEST_RATE:
        raise ValueError(
            f"sample_rate={sample_rate} must be at least {LOWEST_RATE}: the last band of spectral contrast "
            "begins at 6400 Hz. Resample to 22050 Hz."
        )
    hz = bins_hz(magnitude.shape[-1], sample_rate)
    edges = np.concatenate([[0.0], CONTRAST_F_MIN_HZ * 2.0 ** np.arange(CONTRAST_OCTAVES + 1)])
    valleys, peaks = [], []
    for band in range(CONTRAST_OCTAVES + 1):
        inside = np.flatnonzero((hz >= edges[band]) & (hz <= edges[band + 1]))
        first = inside[0] - (band > 0)
        last = hz.size if band == CONTRAST_OCTAVES else inside[-1] + 1
        counted = max(int(np.rint(CONTRAST_QUANTILE * (last - first))), 1)
        # The bin on a shared edge belongs to the band above.
        part = magnitude[:, first : last if band == CONTRAST_OCTAVES else last - 1]
        ordered = np.partition(part, (counted - 1, part.shape[1] - counted), axis=1)
        valleys.append(ordered[:, :counted].mean(axis=1))
        peaks.append(ordered[:, -counted:].mean(axis=1))
    return decibels(np.stack(peaks, axis=1)) - decibels(np.stack(valleys, axis=1))


def decibels(power: np.ndarray) -> np.ndarray:
    """``10 log10`` of values from :data:`TINY` up, and at most :data:`TOP_DB` below the largest one."""
    log = 10.0 * np.log10(np.maximum(power, TINY))
    return np.asarray(np.maximum(log, log.max(initial=-np.inf) - TOP_DB))


def cepstrum(magnitude: np.ndarray, sample_rate: int, *, n_mfcc: int = 10, n_mels: int = 128) -> np.ndarray:
    """Mel-frequency cepstral coefficients, the first one being loudness, shape (frames, n_mfcc).

    Slaney mels from 0 to half the rate, dB down to :data:`TOP_DB` below the loudest, orthonormal DCT-II:
    ``librosa.feature.mfcc``. The feature ``mfcc`` has a fixed floor instead, as what is streamed needs one.
    """
    bank = _mel_filters(sample_rate, 2 * (magnitude.shape[-1] - 1), n_mels)
    return np.asarray(decibels(np.square(magnitude) @ bank.T) @ cosine_basis(n_mels, n_mfcc, 0))


@lru_cache(maxsize=4)
def _mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> np.ndarray:
    return mel_filterbank(sample_rate, n_fft, n_mels, 0.0, sample_rate / 2)


def chroma(magnitude: np.ndarray, sample_rate: int) -> np.ndarray:
    """Power of the twelve pitch classes from C on, the strongest of a frame being 1, shape (frames, 12)."""
    found = np.square(magnitude) @ _chroma_filters(sample_rate, 2 * (magnitude.shape[-1] - 1)).T
    largest = found.max(axis=-1, keepdims=True)
    return np.asarray(found / np.where(largest < np.finfo(np.float32).tiny, 1.0, largest))


@lru_cache(maxsize=4)
def _chroma_filters(sample_rate: int, n_fft: int) -> np.ndarray:
    return chroma_filters(sample_rate, n_fft, 12, 0.0, 5.0, 2.0).astype(np.float32)


def tonnetz(chroma: np.ndarray) -> np.ndarray:
    """Tonal centroids: where twelve pitch classes lie on circles of fifths, minor thirds and major thirds.

    Harte, Sandler and Gasser, "Detecting harmonic change in musical audio", 2006.

    Parameters
    ----------
    chroma : np.ndarray, shape (frames, 12)

    Returns
    -------
    np.ndarray, shape (frames, 6)
        Sine and cosine on each of the circles, whose radii are 1, 1 and 0.5.
    """
    angles = np.outer(np.array([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3]), np.arange(12))
    angles[::2] -= 0.5
    circles = np.array([1, 1, 1, 1, 0.5, 0.5])[:, None] * np.cos(np.pi * angles)
    return np.asarray(_shares(chroma) @ circles.T)
