"""Medley-solos-DB: clips of 3 s of solo recordings, eight instruments.

Training and validation clips are from MedleyDB, test clips from solosDB. The group is the song; its number is only
unique within the collection that it comes from.

Layout after mirdata (mir-dataset-loaders/mirdata, mirdata/datasets/medley_solos_db.py, with its checksums):
``audio/Medley-solos-DB_<subset>-<instrument id>_<uuid4>.wav``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sonoscope.data.datasets.description import Dataset, Remote
from sonoscope.data.datasets.reading import home, one_of, present, relative, slug, table
from sonoscope.data.rows import Row

LABELS = (
    "clarinet", "distorted_electric_guitar", "female_singer", "flute", "piano", "tenor_saxophone", "trumpet",
    "violin",
)  # fmt: skip
SPLITS = {"training": "train", "train": "train", "validation": "val", "test": "test"}

_TABLE = "annotation/Medley-solos-DB_metadata.csv"


def rows(root: Path) -> Iterator[Row]:
    """One row for each clip, in the order of the table."""
    folder = home(root, _TABLE)
    for line in table(folder / _TABLE, "subset", "instrument", "instrument_id", "song_id", "uuid4"):
        cells = line.cells
        split = SPLITS[one_of(cells["subset"], SPLITS, line.place, "subset")]
        label = one_of(slug(cells["instrument"]), LABELS, line.place)
        if cells["instrument_id"] != str(LABELS.index(label)):
            line.fail(
                "instrument_id", f"is not that of {label}, {LABELS.index(label)}", "Correct one of the two."
            )
        name = f"Medley-solos-DB_{cells['subset']}-{cells['instrument_id']}_{cells['uuid4']}.wav"
        collection = "solosdb" if split == "test" else "medleydb"
        yield Row(
            path=relative(root, present(folder / "audio" / name, line.place)),
            labels=(label,),
            group=f"{collection}-song-{cells['song_id']}",
            split=split,
            source="medley-solos",
            licence="CC BY 4.0",
        )


_RECORD = "https://zenodo.org/record/3464194/files"

DATASET = Dataset(
    name="medley-solos",
    title="Medley-solos-DB",
    what="about 21,570 clips of 3 s (22,050 Hz) of eight instruments in solo recordings",
    licence="CC BY 4.0",
    citation="Lostanlen, Cella: Deep Convolutional Networks on the Pitch Spiral for Musical Instrument Recognition. "
    "ISMIR 2016. doi:10.5281/zenodo.3464194",
    url="https://zenodo.org/record/3464194",
    layout="annotation/Medley-solos-DB_metadata.csv, audio/Medley-solos-DB_<subset>-<id>_<uuid4>.wav",
    source="mir-dataset-loaders/mirdata: mirdata/datasets/medley_solos_db.py",
    protocol="Official splits: the test set is of another collection.",
    rows=rows,
    splits=("train", "val", "test"),
    labels=LABELS,
    files=(
        Remote(f"{_RECORD}/Medley-solos-DB_metadata.csv?download=1", _TABLE, "metadata",
               checksum="md5:fda6a589c56785f2195c9227809c521a"),
        Remote(f"{_RECORD}/Medley-solos-DB.tar.gz?download=1", "Medley-solos-DB.tar.gz", "audio", "audio",
               checksum="md5:f5facf398793ef5c1f80c013afdf3e5f"),
    ),
)  # fmt: skip
