"""A window in a row of numbers, as a feature: what SVMs and other classical models are shown.

One row is the window that begins at its centre: ``[k * window, (k + 1) * window)``, no context before. It holds, in
the order of :meth:`Statistics.columns`,

1. the columns of :func:`sonoscope.features.statistics.describe`: means over frames, entropies, Hjorth's parameters;
2. how much what is measured in every frame varies: its standard deviation over the frames (``…_std``);
3. the cepstral coefficients beyond the tenth, and the mean size of each one's change from frame to frame;
4. the spectral entropy of each piece of ``piece_s``: 30 of them in 3 s (``entropy_01`` …).

Classical systems differ in rate and frames; all are parameters. The defaults are librosa's (22,050 Hz, frames of 2048
every 512); ``sample_rate=16000, n_fft=400, frame_hop=400`` is the other usual choice.

Spectra stand on white noise of -80 dB of full scale (``floor``). Without it, bands in which nothing sounds (above the
cut of a codec, or of a recording at a lower rate) would tell a model about rounding to 16 bits and not about sound: an
SVM's decisions moved by 0.3 between a file and its 16-bit copy, and by 0.03 with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sonoscope.features import checks, entropies, statistics, timbre
from sonoscope.features.tapers import taper
from sonoscope.features.windowed import WholeWindows


@dataclass(frozen=True)
class Statistics(WholeWindows):
    """The classical vector of each window.

    Parameters
    ----------
    sample_rate : int
        Hz, at least 12,801: the last band of spectral contrast begins at 6400 Hz.
    window_samples : int
        Length of a window, and distance between rows.
    n_fft, frame_hop : int
        Length of the frames that are averaged over, and distance between them, in samples.
    n_mfcc : int
        Cepstral coefficients, 10..40.
    piece_s : float
        Length of the pieces whose entropies follow each other, in seconds; 0: none.
    floor : float
        RMS of the white noise that spectra stand on, 1 being full scale; 0: none, as ``describe`` has it.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "statistics"
    #: A row is so much work that nothing is gained by computing several at once.
    batch_frames: ClassVar[int] = 1

    sample_rate: int = statistics.SAMPLE_RATE
    window_samples: int = 3 * statistics.SAMPLE_RATE
    n_fft: int = timbre.N_FFT
    frame_hop: int = timbre.HOP_SAMPLES
    n_mfcc: int = 20
    piece_s: float = 0.1
    floor: float = 1e-4

    def __post_init__(self) -> None:
        checks.at_least(self, timbre.LOWEST_RATE, "sample_rate")
        checks.at_least(self, 1, "window_samples", "frame_hop")
        checks.at_least(self, 256, "n_fft")
        checks.within(self, "n_mfcc", statistics.N_MFCC, 40)
        checks.hop(self.frame_hop, self.n_fft, "n_fft")
        checks.within(self, "floor", 0.0, 1.0)
        if self.piece_s and self.piece_s * self.sample_rate < 4:
            raise ValueError(
                f"piece_s={self.piece_s} must be 0, or at least four samples ({4 / self.sample_rate:.5f} s)"
            )

    @property
    def pieces(self) -> int:
        """Entropies of pieces in a row."""
        return int(self.window_samples // round(self.piece_s * self.sample_rate)) if self.piece_s else 0

    @property
    def n_bins(self) -> int:
        """Values in a row."""
        return len(self.columns())

    def columns(self) -> tuple[str, ...]:
        """What the values of a row are called."""
        return (
            *statistics.COLUMNS,
            *(f"{name}_std" for name in statistics.FRAMEWISE),
            *(f"mfcc_{k}" for k in range(statistics.N_MFCC + 1, self.n_mfcc + 1)),
            *(f"mfcc_{k}_std" for k in range(1, self.n_mfcc + 1)),
            *(f"mfcc_{k}_change" for k in range(1, self.n_mfcc + 1)),
            *(f"entropy_{k:02d}" for k in range(1, self.pieces + 1)),
        )

    def describe(self, samples: np.ndarray) -> np.ndarray:
        """The row of one window, (window_samples,) to (n_bins,), float32."""
        magnitude = timbre.magnitudes(samples, n_fft=self.n_fft, hop_samples=self.frame_hop)
        if self.floor:
            # The expected power of white noise in a bin is its variance times the window's energy.
            energy = float(np.square(taper("hann", self.n_fft)).sum())
            magnitude = np.sqrt(np.square(magnitude) + np.float32(self.floor**2 * energy))
        frames = statistics.framewise(samples, self.sample_rate, magnitude, self.n_fft, self.frame_hop)
        cepstrum = timbre.cepstrum(magnitude, self.sample_rate, n_mfcc=self.n_mfcc)
        first = statistics.N_MFCC
        change = (
            np.abs(np.diff(cepstrum, axis=0)).mean(axis=0) if len(cepstrum) > 1 else np.zeros(self.n_mfcc)
        )
        over_time = (
            entropies.over_time(samples, self.sample_rate, piece_s=self.piece_s)
            if self.pieces
            else np.zeros(0)
        )
        return np.concatenate(
            [
                frames.mean(axis=0), statistics.of_the_whole(samples, magnitude), cepstrum[:, :first].mean(axis=0),
                frames.std(axis=0), cepstrum[:, first:].mean(axis=0), cepstrum.std(axis=0), change, over_time,
            ]
        ).astype(np.float32)  # fmt: skip

    def of_windows(self, windows: np.ndarray) -> np.ndarray:
        """A row for each window: (..., count, window_samples) to (..., count, n_bins), float32."""
        out = np.empty((*windows.shape[:-1], self.n_bins), dtype=np.float32)
        for place in np.ndindex(*windows.shape[:-1]):
            out[place] = self.describe(windows[place])
        return out
