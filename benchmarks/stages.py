"""The whole path against the sum of its stages measured alone, and what is spent outside the stages.

The sum is the limit: what decoding, resampling, features and network need when each runs by itself over the whole
recording, with nothing between them. The share reached says what putting them together costs.
"""

from __future__ import annotations

import statistics

import numpy as np
import soundfile
import soxr

from measure import Clock, Figure, Settings, interleaved, replaced, sound
from sonoscope import models, pipeline
from sonoscope.audio.decode import Decoder
from sonoscope.features.stream import FrameStream
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.models.scorers import LONG_RUN
from sonoscope.values import Recording

BLOCK_SAMPLES = 65_536


def run(settings: Settings) -> list[Figure]:
    """Share of the stages' limit, overhead, and how the stages divide the time."""
    path = sound(settings, 0.5 if settings.quick else 10.0)
    bundle = models.load("instruments")
    runtime = Runtime(bundle)
    recording = Recording(str(path), path.name)
    native, rate = soundfile.read(path, dtype="float32")
    samples = soxr.resample(native, rate, bundle.sample_rate)
    frames = bundle.feature(samples)

    variants = {
        "decode": lambda: decode(path),
        "resample": lambda: resample(native, rate, bundle.sample_rate),
        "features": lambda: features(samples, bundle),
        "network": lambda: network(frames, runtime),
        "whole": lambda: pipeline.score_recording(recording, bundle, runtime),
    }
    for variant in variants.values():
        variant()
    seconds = interleaved(variants, settings.repeats)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    limits = [sum(values) for values in zip(*(seconds[name] for name in list(variants)[:-1]), strict=True)]
    shares = [limit / whole for limit, whole in zip(limits, seconds["whole"], strict=True)]
    outside = [overhead(recording, bundle, runtime) for _ in range(settings.repeats)]
    minutes = native.size / rate / 60
    details = {f"{name}_s": round(value, 3) for name, value in medians.items()}
    times_real_time = 60 * minutes / medians["whole"]
    return [
        Figure(
            "whole path, share of the stages' limit", 100 * statistics.median(shares), "%", ">= 75", details
        ),
        Figure("outside the stages", 100 * statistics.median(outside), "%", "<= 5"),
        Figure("whole path, times real time", times_real_time, "x", "", {"minutes": minutes}),
        Figure("whole path / decoding alone", medians["whole"] / medians["decode"], "x", ""),
    ]


def decode(path) -> None:
    """FLAC to samples, into memory that is used again."""
    block = np.empty(BLOCK_SAMPLES, dtype=np.float32)
    with soundfile.SoundFile(path) as file:
        while len(file.read(out=block)) == BLOCK_SAMPLES:
            pass


def resample(samples: np.ndarray, rate: int, wanted: int) -> None:
    """Blocks at the recording's rate to the model's."""
    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
    for first in range(0, samples.size, BLOCK_SAMPLES):
        block = samples[first : first + BLOCK_SAMPLES]
        stream.resample_chunk(block, last=first + BLOCK_SAMPLES >= samples.size)


def features(samples: np.ndarray, bundle: Bundle) -> None:
    """Samples at the model's rate to frames, in blocks as the resampler gives them."""
    stream = bundle.feature.stream()
    for first in range(0, samples.size, BLOCK_SAMPLES // 2):
        stream.push(samples[first : first + BLOCK_SAMPLES // 2])
    stream.close()


def network(frames: np.ndarray, runtime: Runtime) -> None:
    """The trunk over all frames, as long runs that overlap by its receptive field."""
    stride, field = runtime.bundle.trunk_stride, runtime.bundle.receptive_field
    for first in range(0, len(frames) - field + 1, LONG_RUN):
        runtime.frames(frames[None, first : first + LONG_RUN - stride + field], embeddings=False)


def overhead(recording: Recording, bundle: Bundle, runtime: Runtime) -> float:
    """Share of a run that is spent outside decoding, resampling, features and network."""
    inside, total = Clock(), Clock()
    with (
        replaced(Decoder, "blocks", inside.iterator(Decoder.blocks)),
        replaced(FrameStream, "push", inside.function(FrameStream.push)),
        replaced(FrameStream, "close", inside.function(FrameStream.close)),
        replaced(Runtime, "frames", inside.function(Runtime.frames)),
    ):
        total.function(pipeline.score_recording)(recording, bundle, runtime)
    return 1.0 - inside.seconds / total.seconds
