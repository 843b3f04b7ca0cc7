"""A clip in a row of numbers: the classical features that tables, correlations and SVMs are made of.

``describe(samples, sample_rate)`` gives the columns :data:`COLUMNS`, always all of them, always finite. The names and
their ends (``spectral_centroid, spectral_bandwidth, … mfcc_10``) are those of the feature frames of Lumen
(github.com/ciglenecki/lumen-audio), and so is the choice of features: cepstrum, crossings, level, rolloff, centroid,
bandwidth, contrast, flatness, entropies and Hjorth's parameters; chroma, tonnetz and two more entropies are added.
Lumen takes one frame as long as the clip; here each number is the mean over frames of 2048 samples every 512, as in
librosa's defaults, so that clips of different lengths compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from sonoscope.features import entropies, timbre
from sonoscope.features.frames import frame, pad_zeros

#: Sample rate that tables are made at, Hz.
SAMPLE_RATE = 22_050

PITCH_CLASSES = ("c", "c_sharp", "d", "d_sharp", "e", "f", "f_sharp", "g", "g_sharp", "a", "a_sharp", "b")
N_MFCC = 10

#: The columns of :func:`framewise`.
FRAMEWISE: tuple[str, ...] = (
    "spectral_centroid",
    "spectral_bandwidth",
    "spectral_rolloff",
    "spectral_flatness",
    *(f"spectral_contrast_{band}" for band in range(1, timbre.CONTRAST_OCTAVES + 2)),
    "zero_crossing_rate",
    "rms",
    *(f"chroma_{name}" for name in PITCH_CLASSES),
    *(f"tonnetz_{axis}" for axis in range(1, 7)),
)

#: The columns of :func:`describe`, in their order.
COLUMNS: tuple[str, ...] = (
    *FRAMEWISE,
    "spectral_entropy",
    "permutation_entropy",
    "svd_entropy",
    "approximate_entropy",
    "sample_entropy",
    "hjorth_mobility",
    "hjorth_complexity",
    *(f"mfcc_{number}" for number in range(1, N_MFCC + 1)),
)

#: What the columns are, by name or by the beginning that several have in common.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "spectral_centroid": "mean frequency of the spectrum, Hz: how bright",
        "spectral_bandwidth": "standard deviation around it, Hz: how wide",
        "spectral_rolloff": "frequency below which 85 % of the magnitude lies, Hz",
        "spectral_flatness": "geometric over arithmetic mean of the power: 0 tone, 0.56 white noise, 1 silence",
        "spectral_contrast_": "peaks above valleys in dB, in the bands from 0, 200, 400, 800, 1600, 3200, 6400 Hz",
        "zero_crossing_rate": "share of samples whose sign is not that of the one before",
        "rms": "root mean square: how loud",
        "chroma_": "how strong each pitch class is, the strongest being 1 in every frame",
        "tonnetz_": "place on the circles of fifths, minor thirds and major thirds (Harte 2006)",
        "spectral_entropy": "entropy of the mean power spectrum, 0 tone … 1 white noise",
        "permutation_entropy": "entropy of the orders of three neighbouring samples, 0…1 (Bandt and Pompe 2002)",
        "svd_entropy": "entropy of the singular values of three neighbouring samples, 0…1",
        "approximate_entropy": "regularity of three stretches of 600 samples, nats (Pincus 1991)",
        "sample_entropy": "the same without self matches, nats (Richman and Moorman 2000)",
        "hjorth_mobility": "mean frequency of the waveform, radians a sample (Hjorth 1970)",
        "hjorth_complexity": "how the waveform's bandwidth compares with a sine's, which is 1",
        "mfcc_": "mel-frequency cepstral coefficients; the first is loudness",
    }
)

#: Samples so close to zero have no sign.
CROSSING_THRESHOLD = 1e-10


def describe(
    samples: np.ndarray, sample_rate: int, *, magnitude: np.ndarray | None = None
) -> dict[str, float]:
    """The statistics of a clip, by column, in the order of :data:`COLUMNS`.

    Parameters
    ----------
    samples : np.ndarray, shape (n,)
        Mono, ``n > 0``.
    sample_rate : int
        Hz. Values depend on it; tables are made at :data:`SAMPLE_RATE`.
    magnitude : np.ndarray, shape (1 + n // 512, 1025), optional
        ``timbre.magnitudes(samples)``, if it is there already.

    Raises
    ------
    ValueError
        If there are no samples, or the rate is below 12,801 Hz (spectral contrast has no last band there).
    """
    if samples.ndim != 1 or samples.size == 0:
        raise ValueError(f"samples must have shape (n,) with n > 0, got {samples.shape}")
    if magnitude is None:
        magnitude = timbre.magnitudes(samples)
    values = (
        *framewise(samples, sample_rate, magnitude).mean(axis=0),
        *of_the_whole(samples, magnitude),
        *timbre.cepstrum(magnitude, sample_rate, n_mfcc=N_MFCC).mean(axis=0),
    )
    return dict(zip(COLUMNS, map(float, values), strict=True))


def framewise(
    samples: np.ndarray,
    sample_rate: int,
    magnitude: np.ndarray,
    length: int = timbre.N_FFT,
    hop_samples: int = timbre.HOP_SAMPLES,
) -> np.ndarray:
    """What is measured in every frame, shape (1 + n // hop_samples, 31), columns :data:`FRAMEWISE`.

    ``magnitude`` is ``timbre.magnitudes`` of the samples with that length and hop.
    """
    chroma = timbre.chroma(magnitude, sample_rate)
    return np.column_stack(
        [
            timbre.centroid(magnitude, sample_rate),
            timbre.bandwidth(magnitude, sample_rate),
            timbre.rolloff(magnitude, sample_rate),
            timbre.flatness(magnitude),
            timbre.contrast(magnitude, sample_rate),
            zero_crossing_rate(samples, length=length, hop_samples=hop_samples),
            rms(samples, length=length, hop_samples=hop_samples),
            chroma,
            timbre.tonnetz(chroma),
        ]
    )


def of_the_whole(samples: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """What is measured once: five entropies and Hjorth's two parameters, shape (7,)."""
    regularity = entropies.regularity(samples)
    return np.array(
        [
            # The mean power of overlapping frames is Welch's estimate of the spectrum.
            entropies.spectral(np.square(magnitude).mean(axis=0)),
            entropies.permutation(samples),
            entropies.svd(samples),
            regularity.approximate,
            regularity.sample,
            *entropies.hjorth(samples),
        ]
    )


def zero_crossing_rate(
    samples: np.ndarray, *, length: int = timbre.N_FFT, hop_samples: int = timbre.HOP_SAMPLES
) -> np.ndarray:
    """Share of a frame's samples whose sign differs from the one before, shape (1 + n // hop_samples,).

    The first and last sample go on outside the signal.
    """
    padded = np.pad(samples, length // 2, mode="edge")
    negative = padded < -CROSSING_THRESHOLD
    crossed = np.zeros(padded.size + 1, dtype=np.int64)
    np.cumsum(negative[1:] != negative[:-1], out=crossed[2:])
    # A frame's first sample is compared with nothing.
    starts = np.arange(0, padded.size - length + 1, hop_samples)
    return np.asarray((crossed[starts + length] - crossed[starts + 1]) / length)


def rms(
    samples: np.ndarray, *, length: int = timbre.N_FFT, hop_samples: int = timbre.HOP_SAMPLES
) -> np.ndarray:
    """Root of the mean square of each frame, shape (1 + n // hop_samples,); zeros outside the signal."""
    frames = frame(pad_zeros(np.asarray(samples), length // 2, length // 2), length, hop_samples)
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / length))
