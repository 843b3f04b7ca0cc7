"""Data sets: one small module each, all alike, in one table.

``DATASETS`` are those read here; :func:`find` also knows what mirdata and soundata read, as ``mirdata:<name>`` and
``soundata:<name>``. Each has a reader, ``rows(root)``, and what a user must know before using it (see
:mod:`sonoscope.data.datasets.description`). Reading imports no audio library: rows name files, whose sound is
decoded by those who use them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sonoscope import plugins
from sonoscope.data.datasets import (
    adapters,
    annotated,
    buzzdetect,
    collection,
    esc50,
    folder,
    fsd50k,
    fsdkaggle,
    guitarset,
    irmas,
    maestro,
    maps,
    medley_solos,
    medleydb,
    musicnet,
    nsynth,
    openmic,
    slakh,
)
from sonoscope.data.datasets.description import LEFT_OUT, Dataset, Remote
from sonoscope.data.rows import Manifest
from sonoscope.errors import UsageError, lookup

__all__ = ["DATASETS", "LEFT_OUT", "Dataset", "Remote", "find", "read"]

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        irmas.DATASET,
        openmic.DATASET,
        nsynth.DATASET,
        musicnet.DATASET,
        maestro.DATASET,
        guitarset.DATASET,
        slakh.DATASET,
        medleydb.DATASET,
        medley_solos.DATASET,
        maps.DATASET,
        esc50.DATASET,
        esc50.NEGATIVES,
        fsdkaggle.DATASET_2018,
        fsdkaggle.DATASET_2019,
        fsd50k.DATASET,
        buzzdetect.DATASET,
        folder.DATASET,
        annotated.DATASET,
        collection.DATASET,
    )
}


def find(name: str) -> Dataset:
    """The data set called ``name``: ours, one of a library, or anybody's own (``my_data.py:NAME``, an entry point).

    Raises
    ------
    UnknownName
        If there is none; the message names the nearest.
    UsageError
        If it is one of a library that is not installed.
    """
    library, colon, rest = name.partition(":")
    if colon and library in adapters.LIBRARIES:
        return adapters.dataset(library, rest)
    if name not in DATASETS and (own := plugins.own(name, "dataset")) is not None:
        if not isinstance(own, Dataset):
            raise UsageError(f"{name} is no data set: it must be a sonoscope.data.datasets.Dataset")
        return replace(own, name=name)
    return lookup(DATASETS, name, "data set")


def read(name: str, root: str | Path) -> Manifest:
    """All rows of the data set ``name`` that lies in ``root``, as a manifest; labels in the data set's order.

    Raises
    ------
    BadManifest
        If something in it is missing or wrong; file, line, value and remedy are named.
    """
    dataset = find(name)
    folder_path = Path(root).absolute()
    return Manifest(tuple(dataset.rows(folder_path)), folder_path, dataset.labels)
