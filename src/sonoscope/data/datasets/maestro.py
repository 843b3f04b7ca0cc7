"""MAESTRO: 200 hours of piano performances with the notes that the instrument itself recorded.

A row is a performance; ``annotation`` is its MIDI file, aligned within about 3 ms. The group is the composition
(composer and title), since the official splits keep a composition together even when several people play it.

Layout after mirdata (mir-dataset-loaders/mirdata, mirdata/datasets/maestro.py) and amt-tools (cwitkowitz/amt-tools,
amt_tools/datasets/MAESTRO.py). The list of performances is ``maestro-v*.csv``, or the JSON beside it: a list of
objects up to version 2, an object of columns in version 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sonoscope.data.datasets.description import Dataset, Remote
from sonoscope.data.datasets.reading import document, field, filled, home, one_of, present, relative, table
from sonoscope.data.rows import BadManifest, Row

SPLITS = {"train": "train", "validation": "val", "test": "test"}
_COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename", "audio_filename")


def rows(root: Path) -> Iterator[Row]:
    """One row for each performance, in the order of the list."""
    folder = home(root, "maestro-v*.csv", "maestro-v*.json")
    for where, line in _performances(folder):
        split = SPLITS[one_of(str(line["split"]), SPLITS, where, "split")]
        audio = present(
            folder / str(line["audio_filename"]),
            where,
            "With the MIDI files alone there is no sound: fetch 'audio'.",
        )
        midi = present(folder / str(line["midi_filename"]), where)
        yield Row(
            path=relative(root, audio),
            labels=("piano",),
            group=f"maestro-{line['canonical_composer']}: {line['canonical_title']}",
            split=split,
            source="maestro",
            licence="CC BY-NC-SA 4.0",
            annotation=relative(root, midi),
            extra=filled(
                composer=line["canonical_composer"], title=line["canonical_title"], year=line["year"]
            ),
        )


def _performances(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where each performance is listed, and its columns."""
    lists = sorted(folder.glob("maestro-v*.csv")) or sorted(folder.glob("maestro-v*.json"))
    if len(lists) > 1:
        raise BadManifest(
            f"{folder} holds several versions: {', '.join(p.name for p in lists)}. Keep one of them."
        )
    path = lists[0]
    if path.suffix == ".csv":
        for line in table(path, *_COLUMNS):
            yield line.place, line.cells
        return
    found = document(path)
    if isinstance(found, dict):
        columns = {name: field(found, name, str(path)) for name in _COLUMNS}
        keys = list(columns["audio_filename"])
        found = [{name: field(columns[name], key, f"{path}, {name}") for name in _COLUMNS} for key in keys]
    for number, line in enumerate(found, start=1):
        where = f"{path}, performance {number}"
        yield where, {name: field(line, name, where) for name in _COLUMNS}


_BASE = "https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/maestro-v3.0.0"

DATASET = Dataset(
    name="maestro",
    title="MAESTRO v3.0.0",
    what="1,276 piano performances (199 h) with MIDI recorded by the instrument; versions 1 and 2 are read too",
    licence="CC BY-NC-SA 4.0",
    citation="Hawthorne et al.: Enabling Factorized Piano Music Modeling and Generation with the MAESTRO Dataset. "
    "ICLR 2019",
    url="https://magenta.tensorflow.org/datasets/maestro",
    layout="maestro-v*.csv (or .json), <year>/*.wav and *.midi",
    source="mir-dataset-loaders/mirdata: mirdata/datasets/maestro.py; cwitkowitz/amt-tools: "
    "amt_tools/datasets/MAESTRO.py",
    protocol="Official splits by composition. State the version, and whether notes are extended by the pedal.",
    rows=rows,
    splits=("train", "val", "test"),
    labels=("piano",),
    files=(
        Remote(f"{_BASE}.zip", "maestro-v3.0.0.zip", "audio", "",
               checksum="sha256:6680fea5be2339ea15091a249fbd70e49551246ddbd5ca50f1b2352c08c95291"),
        Remote(f"{_BASE}-midi.zip", "maestro-v3.0.0-midi.zip", "midi", "",
               checksum="sha256:70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c"),
    ),
)  # fmt: skip
