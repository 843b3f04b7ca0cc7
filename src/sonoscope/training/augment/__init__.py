"""Augmentations: batches of samples, or of rows of features, changed at random where they are. One file and line each.

:mod:`~sonoscope.training.augment.protocol` says what one is. They are done in the order of the configuration, those of
samples before features are computed and those of rows after; the network's normalisation comes after all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from sonoscope import plugins
from sonoscope.errors import UsageError
from sonoscope.features import Feature
from sonoscope.training.augment.protocol import Augmentation, OfRows, OfSamples
from sonoscope.training.batch import Batch

AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {}

__all__ = ["AUGMENTATIONS", "Augmentation", "build"]

Changed = Callable[[Batch, torch.Generator], Batch]
RowsChanged = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def build(
    specs: Sequence[Mapping[str, Any]], sample_rate: int, feature: Feature | None
) -> tuple[Changed | None, RowsChanged | None]:
    """What to do to the samples of a batch and to its rows; None: nothing.

    Raises
    ------
    UnknownName
        If there is no such augmentation, or it has no such parameter.
    UsageError
        If one of rows is asked for where samples go into the network.
    """
    of_samples: list[OfSamples] = []
    of_rows: list[OfRows] = []
    for spec in specs:
        parameters = dict(spec)
        name = parameters.pop("name")
        make = plugins.resolve(AUGMENTATIONS, name, "augmentation")
        plugins.check_parameters(make, parameters, "augmentation")
        made = make(sample_rate=sample_rate, **parameters)
        if isinstance(made, OfSamples):
            of_samples.append(made)
        elif isinstance(made, OfRows):
            if feature is None:
                raise UsageError(
                    f"augment: {name!r} changes rows of features, and this network takes samples"
                )
            of_rows.append(made)
    return (_all(of_samples) if of_samples else None, _all_rows(of_rows) if of_rows else None)


def _all(chain: list[OfSamples]) -> Changed:
    def changed(batch: Batch, rng: torch.Generator) -> Batch:
        for each in chain:
            batch = each(batch, rng)
        return batch

    return changed


def _all_rows(chain: list[OfRows]) -> RowsChanged:
    def changed(rows: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        for each in chain:
            rows = each(rows, rng)
        return rows

    return changed
