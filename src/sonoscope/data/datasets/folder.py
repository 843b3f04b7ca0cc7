"""A folder of folders: each holds the recordings of the labels in its name, in the grammar of BirdNET's trainer.

``violin`` is a label, ``violin,piano`` are two that sound together, ``-violin`` is known not to be violin, and noise,
background, other and silence hold none of the labels. Where the root holds nothing but ``train``, ``val``
(``validation``) and ``test`` (any of them), the folders of labels are in those, and that is the split. Nothing says
which clips were cut from one recording, so there is no group: give one in a manifest, or take care with splits.

Grammar after BirdNET-Analyzer (birdnet-team/BirdNET-Analyzer, birdnet_analyzer/train/utils.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sonoscope.audio.find import SUFFIXES
from sonoscope.data.datasets.description import Dataset
from sonoscope.data.datasets.reading import relative
from sonoscope.data.foldernames import NON_EVENTS, labels_of
from sonoscope.data.rows import BadManifest, Row

SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test"}


def rows(root: Path) -> Iterator[Row]:
    """A row for each recording directly in a folder of labels, sorted; hidden files are passed over."""
    if not root.is_dir():
        raise BadManifest(
            f"{root}: there is no such folder. Give the one that holds a folder for each label."
        )
    folders = _folders(root)
    if folders and all(folder.name.lower() in SPLITS for folder in folders):
        places = [(entry, SPLITS[folder.name.lower()]) for folder in folders for entry in _folders(folder)]
    else:
        places = [(folder, "") for folder in folders]
    found = False
    for folder, split in places:
        labels, absent = _labels(folder)
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                found = True
                yield Row(relative(root, path), labels=labels, absent=absent, split=split, source="folder")
    if not found:
        raise BadManifest(
            f"{root}: none of its folders holds a recording. Put the sounds of each label into a folder with its name."
        )


def _labels(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    labels, absent = labels_of(folder.name)
    if not labels and not absent and folder.name.casefold() not in NON_EVENTS:
        raise BadManifest(
            f"{folder}: the name holds no label. Name it like violin, or violin,piano, or -violin."
        )
    both = sorted({*labels} & {*absent})
    if both:
        raise BadManifest(
            f"{folder}: the name says of {both[0]!r} that it sounds and that it does not. Rename it."
        )
    return labels, absent


def _folders(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


DATASET = Dataset(
    name="folder",
    title="A folder for each label",
    what="recordings sorted into folders named after what sounds in them, with negatives and several labels at once",
    licence="yours",
    citation="",
    url="",
    layout="[train|val|test/]<label>[,<label>] or -<label> or noise, background, other, silence: recordings in each",
    source="birdnet-team/BirdNET-Analyzer: birdnet_analyzer/train/utils.py",
    protocol="There are no groups, so clips of one recording can end on both sides of a split: sort them yourself.",
    rows=rows,
    splits=(),
    obtain="This is your own folder; nothing is fetched.",
)
