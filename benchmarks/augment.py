"""Every augmentation on a batch of 64 windows of 3 s, all rows changed, beside log-mel of that batch (needs torch)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import soundfile

from measure import Figure, Settings, interleaved, ratio

ROWS, SECONDS = 64, 3.0
CLASSES = 11
#: What those need that have no defaults; a folder of noise comes with the settings.
PARAMETERS: dict[str, dict[str, Any]] = {"sox": {"effects": ["bass -6..6", "overdrive 5..20"]}}


def run(settings: Settings) -> list[Figure]:
    """CPU of each augmentation of a batch, relative to that of its log-mel."""
    import torch

    from sonoscope.features import LogMel
    from sonoscope.training.augment import AUGMENTATIONS
    from sonoscope.training.augment.protocol import OfSamples
    from sonoscope.training.batch import Batch

    torch.set_num_threads(1)
    logmel = LogMel()
    rows, seconds = 16 if settings.quick else ROWS, SECONDS
    n = round(seconds * logmel.sample_rate)
    chance = torch.Generator().manual_seed(0)
    samples = 0.1 * torch.randn(rows, n + logmel.left_context + logmel.right_context, generator=chance)
    targets = (torch.rand(rows, CLASSES, generator=chance) < 0.2).float()
    batch = Batch(samples, torch.full((rows,), n), targets, torch.ones_like(targets), torch.arange(rows))
    pictures = logmel.valid(samples)
    parameters = {**PARAMETERS, "background": {"folder": noise(settings, logmel.sample_rate)}}

    def runner(name: str) -> Callable[[], object]:
        made = AUGMENTATIONS[name](sample_rate=logmel.sample_rate, share=1.0, **parameters.get(name, {}))
        given: Any = batch if isinstance(made, OfSamples) else pictures
        return lambda: made(given, chance)

    figures = []
    for name in AUGMENTATIONS:
        variants = {"augmentation": runner(name), "logmel": lambda: logmel.valid(samples)}
        for warm in variants.values():
            warm()
        taken = interleaved(variants, settings.repeats)
        value, details = ratio(taken["augmentation"], taken["logmel"])
        figures.append(Figure(f"{name} / log-mel, a batch", value, "x", "", details))
    return [*figures, both_ways(settings, batch, chance)]


def both_ways(settings: Settings, batch: Any, chance: Any) -> Figure:
    """The preset's augmentations of samples on a row after the other, as a loader would, against on the whole batch."""
    from sonoscope.features import LogMel
    from sonoscope.training import augment, presets
    from sonoscope.training.batch import Batch

    chain, _ = augment.build(presets.load("cnn-augmented")["augment"], LogMel().sample_rate, LogMel())
    assert chain is not None
    rows = [Batch(*(part[k : k + 1] for part in batch)) for k in range(len(batch.samples))]
    variants: dict[str, Callable[[], object]] = {
        "rows": lambda: [chain(row, chance) for row in rows],
        "batch": lambda: chain(batch, chance),
    }
    for warm in variants.values():
        warm()
    taken = interleaved(variants, settings.repeats)
    value, details = ratio(taken["rows"], taken["batch"])
    return Figure("cnn-augmented, row after row / a batch", value, "x", "", details)


def noise(settings: Settings, sample_rate: int) -> str:
    """A folder with a minute of noise."""
    folder = settings.folder / "noise"
    folder.mkdir(exist_ok=True)
    seconds = 5 if settings.quick else 60
    samples = 0.1 * np.random.default_rng(0).standard_normal(seconds * sample_rate)
    soundfile.write(folder / "noise.wav", samples, sample_rate)
    return str(folder)
