"""Windows a training step can have: prepared folders against a loader that decodes and computes each time.

The other side is what one writes first: ``librosa.load`` of a three-second clip at the network's rate, librosa's
log-mel, a batch of those. The parameters are the feature's of ``instruments``; clips are WAV, the cheapest to decode.
"""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import soundfile

import naive
from measure import Figure, Settings, interleaved, ratio, sound
from sonoscope import models
from sonoscope.data import shards
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.shards.feed import Feed
from sonoscope.features import to_dict

CLIP_S = 3.0
CLIPS, BATCH = 40, 20
#: Batches in a turn of each variant: a few tenths of a second each.
NAIVE, ON_THE_FLY, STORED, WAVES = 2, 10, 400, 400


def run(settings: Settings) -> list[Figure]:
    """Ratios of user CPU for each window, and what the prepared folders give."""
    feature = models.load("instruments").feature
    manifest = clips(settings)
    window = round(CLIP_S * feature.sample_rate) // feature.hop_samples * feature.hop_samples
    feeds = {}
    for name, content in (("audio", shards.audio(feature.sample_rate)), ("frames", shards.frames(feature))):
        shards.build(manifest, settings.folder / f"feed-{name}", content)
        feeds[name] = shards.open(settings.folder / f"feed-{name}")
    options = {"window": window, "batch_size": BATCH}
    on_the_fly = Feed(feeds["audio"], feature=feature, **options)
    stored, waves = Feed(feeds["frames"], **options), Feed(feeds["audio"], **options)
    parameters, paths = to_dict(feature), [manifest.root / row.path for row in manifest.rows]
    fewer = 20 if settings.quick else 1
    turns = {
        "librosa": (NAIVE, lambda number: librosa_batch(paths, number, parameters)),
        "on the fly": (max(ON_THE_FLY // fewer, 1), on_the_fly.batch),
        "stored": (STORED // fewer, stored.batch),
        "waves": (WAVES // fewer, waves.batch),
    }
    for _, make in turns.values():
        make(0)  # What is made once, and pages that are read for the first time, count nowhere.
    seconds = interleaved({name: repeated(*turn) for name, turn in turns.items()}, settings.repeats)
    each = {name: [s / (turns[name][0] * BATCH) for s in seconds[name]] for name in turns}
    figures = []
    for name, what, goal in (
        ("on the fly", "samples from shards, log-mel on the fly", ">= 5"),
        ("stored", "log-mel from shards", ">= 50"),
        ("waves", "samples from shards, no feature", ""),
    ):
        value, details = ratio(each["librosa"], each[name])
        details = {"ratios": details["ratios"], "windows_per_s": round(1 / float(np.median(each[name])))}
        figures.append(Figure(f"3 s windows, librosa per clip / {what}", value, "x", goal, details))
    return figures


def clips(settings: Settings) -> Manifest:
    """Three-second clips cut from one synthetic recording, 44.1 kHz, 16 bit, in stereo as published clips are."""
    samples, rate = soundfile.read(sound(settings, 1.0), dtype="int16")
    folder, length = settings.folder / "feed-clips", round(CLIP_S * 44_100)
    folder.mkdir(exist_ok=True)
    rows = []
    for k in range(CLIPS):
        start = k * (samples.size - length) // CLIPS
        piece = samples[start : start + length]
        rows.append(Row(f"{k:03}.wav", labels=(f"class {k % 4}",)))
        soundfile.write(folder / rows[-1].path, np.column_stack([piece, piece]), rate, "PCM_16")
    return Manifest(tuple(rows), folder)


def librosa_batch(paths: list[Path], number: int, parameters: dict) -> np.ndarray:
    """Log-mel of a batch of clips, decoded for it, float32."""
    chosen = [paths[(number * BATCH + k) % len(paths)] for k in range(BATCH)]
    loaded = (librosa.load(path, sr=parameters["sample_rate"])[0] for path in chosen)
    return np.stack([naive.log_mel(samples, parameters) for samples in loaded])


def repeated(count: int, make):
    """A function that makes so many batches."""

    def batches() -> None:
        for number in range(count):
            make(number)

    return batches
