"""The trunk once over a recording against the trunk for each window: CPU inside the network alone.

Sharing is open to windows that start on the trunk's stride, so the hops here are multiples of it. ``shares`` in the
details says which of both the runtime takes by itself; where it takes windows, the ratio is 1.
"""

from __future__ import annotations

import copy

import numpy as np

from measure import Clock, Figure, Settings, replaced
from sonoscope import models
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime

OVERLAPS = (0.0, 0.5, 0.7, 0.8, 0.9)
BLOCK_SAMPLES = 48_000


def run(settings: Settings) -> list[Figure]:
    """Ratios of CPU at several overlaps."""
    bundle = models.load("instruments")
    apart = Runtime(Bundle(bundle.path, {**copy.deepcopy(bundle.spec), "poolable": False}))
    shared = Runtime(bundle)
    n = round((30 if settings.quick else 300) * bundle.sample_rate)
    samples = (0.1 * np.random.default_rng(1).standard_normal(n)).astype(np.float32)
    stride = bundle.feature.hop_samples * bundle.trunk_stride
    figures = []
    for overlap in OVERLAPS:
        hop = max(round(bundle.window_samples * (1 - overlap) / stride), 1) * stride
        pairs = [(inside(apart, samples, hop), inside(shared, samples, hop)) for _ in range(settings.repeats)]
        ratios = [slow / fast for slow, fast in pairs]
        details = {
            "ratios": [round(r, 2) for r in ratios],
            "hop_s": hop / bundle.sample_rate,
            "shares": type(shared.way(hop)) is not type(apart.way(hop)),
        }
        real = 1 - hop / bundle.window_samples
        what = f"network, window by window / as the runtime does it, overlap {real:.0%}"
        figures.append(Figure(what, float(np.median(ratios)), "x", "", details))
    return figures


def inside(runtime: Runtime, samples: np.ndarray, hop: int) -> float:
    """CPU seconds spent in the network while ``samples`` are scored."""
    clock = Clock()
    with replaced(runtime, "frames", clock.function(runtime.frames)):
        scorer = runtime.scorer(hop)
        for first in range(0, samples.size, BLOCK_SAMPLES):
            scorer.push(samples[first : first + BLOCK_SAMPLES])
        scorer.close()
    return clock.seconds
