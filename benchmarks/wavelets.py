"""Our Morlet scalogram against PyWavelets' continuous transform: how far they agree, and what each costs."""

from __future__ import annotations

import numpy as np
import pywt
import soundfile

from measure import Figure, Settings, interleaved, ratio, sound
from sonoscope.features import Morlet


def run(settings: Settings) -> list[Figure]:
    """Agreement of the magnitudes at the rows, for long and short wavelets, and ratios of user CPU."""
    seconds = 2.0 if settings.quick else 20.0
    samples, _ = soundfile.read(sound(settings, 0.1 if settings.quick else 1.0), dtype="float32")
    samples = samples[: int(seconds * 22_050)]
    figures: list[Figure] = []
    for bandwidth, centre in ((1.5, 1.0), (8.0, 1.0), (1.5, 3.0)):
        feature = Morlet(output="magnitude", bandwidth=bandwidth, centre=centre)
        name = f"cmor{bandwidth:g}-{centre:g}"
        ours, theirs = feature(samples), scalogram(feature, samples)
        inner = slice(
            feature.left_context // feature.hop_samples, -feature.right_context // feature.hop_samples
        )
        ours, theirs = ours[: len(theirs)][inner].astype(np.float64), theirs[inner]
        # PyWavelets convolves with the integral of the wavelet and takes differences: each of its samples is a mean
        # over one sampling interval, which attenuates high frequencies by a sinc.
        averaged = np.sinc(feature.frequencies_hz / feature.sample_rate)
        for what, reference in (("as it is", theirs), ("its averaging undone", theirs / averaged)):
            difference = np.sqrt(np.mean((ours - reference) ** 2) / np.mean(reference**2))
            agreement = {"correlation": float(np.corrcoef(ours.ravel(), reference.ravel())[0, 1])}
            figures.append(
                Figure(f"{name}, rms difference to PyWavelets, {what}", difference, "", "", agreement)
            )
        variants = {
            "theirs": lambda feature=feature: scalogram(feature, samples),
            "ours": lambda feature=feature: feature(samples),
        }
        used = interleaved(variants, min(settings.repeats, 3))
        value, details = ratio(used["theirs"], used["ours"])
        figures.append(Figure(f"{name}, PyWavelets / ours", value, "x", "", details))
    return figures


def scalogram(feature: Morlet, samples: np.ndarray) -> np.ndarray:
    """PyWavelets' magnitudes at our rows and in our units, (t, n_bins): its coefficients over the root of the scale."""
    scales = feature.centre / feature.frequencies_hz * feature.sample_rate
    wavelet = pywt.ContinuousWavelet(f"cmor{feature.bandwidth}-{feature.centre}")
    # Its table ends where we let go of ours; finer than by default, or its steps are heard at low pitches.
    reach = 6.0 * np.sqrt(feature.bandwidth / 2.0)
    wavelet.lower_bound, wavelet.upper_bound = -reach, reach
    coefficients, _ = pywt.cwt(
        samples, scales, wavelet, 1.0 / feature.sample_rate, method="fft", precision=14
    )
    return np.abs(coefficients)[:, :: feature.hop_samples].T / np.sqrt(scales)
