"""Every feature streamed with its defaults: what it costs beside log-mel, and beside librosa where it has the same."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import soundfile

from measure import Figure, Settings, interleaved, ratio, sound
from sonoscope.features import FEATURES, Cqt, Feature, LogMel

BLOCK_SAMPLES = 65_536


def run(settings: Settings) -> list[Figure]:
    """CPU of a second of sound relative to log-mel's, for each feature; then librosa's relative to ours."""
    minutes = 0.1 if settings.quick else 1.0
    samples, _ = soundfile.read(sound(settings, minutes), dtype="float32")
    # Taken as if it had each feature's rate: what is in the samples changes nothing here. Whole and streamed are
    # the same code; what cannot be streamed is computed whole.
    figures = []
    logmel = LogMel()
    for name, kind in FEATURES.items():
        feature = kind()
        of_one = {"feature": runner(feature, samples), "logmel": runner(logmel, samples)}
        for warm in of_one.values():
            warm()
        seconds = interleaved(of_one, settings.repeats)
        value, details = ratio(seconds["feature"], seconds["logmel"])
        # The same samples are less time at a higher rate.
        value *= feature.sample_rate / logmel.sample_rate
        details["times_real_time"] = round(samples.size / feature.sample_rate / details["slow_s"])
        figures.append(Figure(f"{name} / log-mel, a second of sound", value, "x", "", details))
    if find_spec("librosa"):
        figures += against_librosa(settings, samples)
    return figures


def runner(feature: Feature, samples: np.ndarray) -> Callable[[], object]:
    """A function that computes the rows of the samples, in blocks where that is possible."""

    def streamed() -> None:
        stream = feature.stream()
        for first in range(0, samples.size, BLOCK_SAMPLES):
            stream.push(samples[first : first + BLOCK_SAMPLES])
        stream.close()

    return streamed if feature.streamable else lambda: feature(samples)


def against_librosa(settings: Settings, samples: np.ndarray) -> list[Figure]:
    """The same parameters on the whole signal at once, librosa's way, and ours."""
    import librosa

    def spectrum(n_fft: int, hop: int) -> np.ndarray:
        return np.abs(librosa.stft(samples, n_fft=n_fft, hop_length=hop, pad_mode="constant"))

    def cqt() -> object:
        grid = {"fmin": 27.5, "n_bins": 252, "bins_per_octave": 36}
        return np.abs(librosa.cqt(samples, sr=22_050, hop_length=256, pad_mode="constant", **grid))

    def mfcc() -> object:
        return librosa.feature.mfcc(y=samples, sr=22_050, n_mfcc=40, n_fft=2048, hop_length=512)

    def chroma() -> object:
        return librosa.feature.chroma_stft(S=spectrum(4096, 512) ** 2, sr=22_050, n_fft=4096, tuning=0.0)

    def pcen() -> object:
        mel = librosa.feature.melspectrogram(
            y=samples, sr=22_050, n_fft=1024, hop_length=256, n_mels=64, fmin=50.0
        )
        return librosa.pcen(mel * 2.0**31, sr=22_050, hop_length=256)

    figures = []
    for name, theirs in {
        "stft": lambda: librosa.power_to_db(spectrum(1024, 256) ** 2, top_db=None),
        "mfcc": mfcc,
        "chroma": chroma,
        "cqt": cqt,
        "hpss": lambda: librosa.decompose.hpss(spectrum(2048, 512)),
        "pcen": pcen,
    }.items():
        feature = Cqt(n_bins=252) if name == "cqt" else FEATURES[name]()
        variants = {"librosa": theirs, "ours": runner(feature, samples)}
        for warm in variants.values():
            warm()
        seconds = interleaved(variants, settings.repeats)
        value, details = ratio(seconds["librosa"], seconds["ours"])
        figures.append(Figure(f"{name}, librosa / ours", value, "x", "", details))
    return figures
