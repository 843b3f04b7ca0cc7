"""Recordings with annotations beside them: Raven, Audacity, Sonic Visualiser, ELAN, JAMS, and this package's own.

An annotation belongs to the recording with the longest name that its own begins with: ``a.wav`` has
``a.Table.1.selections.txt``, ``a.wav.labels.txt``, ``a.txt`` or ``a.csv``. Recordings without one are passed over; an
empty one says that nothing sounds. A row is a whole recording, its labels are those of all events, and ``annotation``
is the file, for ``annotation.read``. The group (and the site) is the folder that the recording lies in.

Formats as their programs write them, through the readers of :mod:`sonoscope.outputs`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sonoscope.audio.find import SUFFIXES
from sonoscope.data import annotation
from sonoscope.data.datasets.description import Dataset
from sonoscope.data.datasets.reading import relative
from sonoscope.data.rows import BadManifest, Row


def rows(root: Path) -> Iterator[Row]:
    """A row for each annotated recording in the folder and the folders in it, sorted."""
    if not root.is_dir():
        raise BadManifest(f"{root}: there is no such folder. Give the one with recordings and annotations.")
    found = False
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for audio, files in _pairs(sorted(name for name in names if not name.startswith("."))):
            found = True
            yield _row(root, Path(place), audio, files)
    if not found:
        raise BadManifest(
            f"{root}: no recording with an annotation beside it. Save it under the recording's name, such as "
            "a.selections.txt (Raven), a.labels.txt (Audacity), a.regions.csv (Sonic Visualiser) or a.eaf (ELAN) for "
            "a.wav."
        )


def _row(root: Path, folder: Path, audio: str, files: list[str]) -> Row:
    if len(files) > 1:
        raise BadManifest(
            f"{folder / audio}: several annotations, {', '.join(files)}. Keep one beside the recording, or join them."
        )
    path = folder / files[0]
    labels = []
    for event in annotation.read(path, recording=audio):
        if not event.label.strip():
            raise BadManifest(
                f"{path}: the event at {event.start_s:g} s has no label. Name it, or remove it."
            )
        labels.append(event.label)
    above = "" if folder == root else relative(root, folder)
    return Row(
        path=relative(root, folder / audio),
        labels=tuple(sorted(set(labels))),
        group=above or Path(audio).stem,
        site=above,
        source="annotated",
        annotation=relative(root, path),
    )


def _pairs(names: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Recordings with the annotations that are theirs."""
    sounds = [name for name in names if Path(name).suffix.lower() in SUFFIXES]
    called: dict[str, list[str]] = {}
    for sound in sounds:
        called.setdefault(Path(sound).stem, []).append(sound)
        called.setdefault(sound, []).append(sound)
    beside: dict[str, list[str]] = {}
    for name in names:
        if name.lower().endswith(annotation.SUFFIXES):
            begins = [name[:place] for place, letter in enumerate(name) if letter == "."]
            owners = [sound for begin in begins for sound in called.get(begin, ())]
            if owners:
                owner = max(owners, key=lambda sound: (name.startswith(f"{sound}."), len(sound)))
                beside.setdefault(owner, []).append(name)
    for sound in sounds:
        if sound in beside:
            yield sound, beside[sound]


DATASET = Dataset(
    name="annotated",
    title="Recordings with annotations beside them",
    what="recordings with events beside them by Raven, Audacity, Sonic Visualiser, ELAN, JAMS or this package",
    licence="yours",
    citation="",
    url="",
    layout="**/<recording>, and beside it <recording>.selections.txt, .labels.txt, .txt, .regions.csv, .csv or .jams",
    source="the readers of sonoscope.outputs (formats as those programs write them)",
    protocol="Everything outside the events was judged too: nothing sounds there.",
    rows=rows,
    obtain="This is your own folder; nothing is fetched.",
)
