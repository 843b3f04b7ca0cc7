"""Log-mel frames once per recording against librosa window by window, on the same samples."""

from __future__ import annotations

import soundfile

import naive
from measure import Figure, Settings, interleaved, ratio, sound
from sonoscope import models
from sonoscope.features import to_dict

#: Overlap of the windows and the ratio that is owed.
GOALS = {0.0: 3.0, 0.5: 7.0, 0.75: 15.0}
BLOCK_SAMPLES = 65_536


def run(settings: Settings) -> list[Figure]:
    """Ratios of user CPU at several overlaps."""
    bundle = models.load("instruments")
    feature, window = bundle.feature, bundle.window_samples
    minutes = 0.1 if settings.quick else 2.0
    samples, _ = soundfile.read(sound(settings, minutes), dtype="float32")
    # Taken as if it had the model's rate: what is in the samples changes nothing here.
    parameters = to_dict(feature)

    def windows(hop: int) -> None:
        for start in range(0, samples.size - window + 1, hop):
            naive.log_mel(samples[start : start + window], parameters)

    def once() -> None:
        stream = feature.stream()
        for first in range(0, samples.size, BLOCK_SAMPLES):
            stream.push(samples[first : first + BLOCK_SAMPLES])
        stream.close()

    windows(samples.size // 2)
    once()
    figures = []
    for overlap, goal in GOALS.items():
        hop = round(window * (1 - overlap))
        seconds = interleaved({"librosa": lambda hop=hop: windows(hop), "ours": once}, settings.repeats)
        value, details = ratio(seconds["librosa"], seconds["ours"])
        what = f"log-mel, librosa per window / once, overlap {overlap:.0%}"
        figures.append(Figure(what, value, "x", f">= {goal:g}", details))
    return figures
