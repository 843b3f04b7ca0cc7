"""Augmentations: batches of samples, or of rows of features, changed at random where they are. One file and line each.

:mod:`~sonoscope.training.augment.protocol` says what one is; docs/augment.md has a table of them all. They are done in
the order of the configuration, those of samples before features are computed and those of rows after; the network's
normalisation comes after all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from sonoscope import plugins
from sonoscope.errors import UsageError
from sonoscope.features import Feature
from sonoscope.training.augment.background import Background
from sonoscope.training.augment.band_pass import BandPass
from sonoscope.training.augment.clipping import Clipping
from sonoscope.training.augment.codec import Codec
from sonoscope.training.augment.concat_n import ConcatN
from sonoscope.training.augment.equalizer import Equalizer
from sonoscope.training.augment.gain import Gain
from sonoscope.training.augment.low_pass import LowPass
from sonoscope.training.augment.mixup import Mixup
from sonoscope.training.augment.noise import Noise
from sonoscope.training.augment.normalise import Normalise
from sonoscope.training.augment.pitch_shift import PitchShift
from sonoscope.training.augment.polarity import Polarity
from sonoscope.training.augment.progress import Progress
from sonoscope.training.augment.protocol import Augmentation, OfRows, OfSamples
from sonoscope.training.augment.random_erase import RandomErase
from sonoscope.training.augment.random_pixels import RandomPixels
from sonoscope.training.augment.reverb import Reverb
from sonoscope.training.augment.sox import Sox
from sonoscope.training.augment.spec_augment import SpecAugment
from sonoscope.training.augment.sum_n import SumN
from sonoscope.training.augment.time_inversion import TimeInversion
from sonoscope.training.augment.time_mask import TimeMask
from sonoscope.training.augment.time_shift import TimeShift
from sonoscope.training.augment.time_stretch import TimeStretch

AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "gain": Gain,
    "normalise": Normalise,
    "polarity": Polarity,
    "noise": Noise,
    "background": Background,
    "time_shift": TimeShift,
    "time_mask": TimeMask,
    "time_inversion": TimeInversion,
    "time_stretch": TimeStretch,
    "pitch_shift": PitchShift,
    "equalizer": Equalizer,
    "low_pass": LowPass,
    "band_pass": BandPass,
    "codec": Codec,
    "clipping": Clipping,
    "reverb": Reverb,
    "sox": Sox,
    "mixup": Mixup,
    "sum_n": SumN,
    "concat_n": ConcatN,
    "spec_augment": SpecAugment,
    "random_erase": RandomErase,
    "random_pixels": RandomPixels,
}

__all__ = ["AUGMENTATIONS", "Augmentation", "Chain", "build"]


def build(
    specs: Sequence[Mapping[str, Any]], sample_rate: int, feature: Feature | None
) -> tuple[Chain | None, Chain | None]:
    """What to do to the samples of a batch and to its rows; None: nothing.

    Both have an attribute ``epoch``: with ``from_epoch`` and ``full_epoch`` of a specification its share grows
    (:class:`~sonoscope.training.augment.progress.Progress`).

    Raises
    ------
    UnknownName
        If there is no such augmentation, or it has no such parameter.
    UsageError
        If a parameter is out of range, or one of rows is asked for where samples go into the network.
    """
    of_samples, of_rows = Chain(), Chain()
    for spec in specs:
        name, make, parameters, progress = named(spec)
        try:
            made = make(sample_rate=sample_rate, **parameters)
        except (TypeError, ValueError) as error:
            raise UsageError(f"augment: {name}: {error}") from None
        if isinstance(made, OfSamples):
            of_samples.add(made, progress)
        elif isinstance(made, OfRows):
            if feature is None:
                raise UsageError(
                    f"augment: {name!r} changes rows of features, and this network takes samples"
                )
            of_rows.add(made, progress)
        else:
            raise UsageError(
                f"augment: {name!r} is neither of samples nor of rows: see training/augment/protocol.py"
            )
    return of_samples if of_samples.parts else None, of_rows if of_rows.parts else None


def named(
    spec: Mapping[str, Any], *, under: str = ""
) -> tuple[str, Callable[..., Augmentation], dict[str, Any], Progress]:
    """Name, maker, parameters and progress of an augmentation, before it is made. Raises ``UnknownName``."""
    parameters = dict(spec)
    grows = parameters.pop("from_epoch", 0), parameters.pop("full_epoch", None)
    name, make, parameters = plugins.named(
        AUGMENTATIONS, parameters, "augmentation", ("sample_rate",), under=under
    )
    return name, make, parameters, Progress(name, *grows)


class Chain:
    """Augmentations one after another, each with the share that it has in the present epoch."""

    def __init__(self) -> None:
        self.parts: list[tuple[Any, float, Progress]] = []
        self.epoch = 0

    def add(self, made: Augmentation, progress: Progress) -> None:
        self.parts.append((made, made.share, progress))

    def __call__(self, batch: Any, rng: torch.Generator) -> Any:
        for each, share, progress in self.parts:
            each.share = share * progress.at(self.epoch)
            batch = each(batch, rng)
        return batch
