"""FSDKaggle2018 and FSDKaggle2019: sounds of Freesound with labels of the AudioSet ontology.

2018 has one label a clip, verified by a listener or not (column ``verified``). 2019 has several a clip: a *curated*
training set (correct, perhaps incomplete), a *noisy* one from Flickr videos (wrong labels on purpose) and a
test set with all labels; column ``part``. Labels keep their published spelling. The group is the recording on
Freesound or the video on Flickr; each clip carries its own licence.

Six files of the curated set are known to be wrong; they are in no split (column ``left_out``).

Layout after the README of each data set (FSDKaggle2018.doc and FSDKaggle2019.doc, published with them on Zenodo, doi
10.5281/zenodo.2552860 and 10.5281/zenodo.3612637), as MTG/freesound-labs describes the first
(_datasets/dataset_fsdkaggle2018.markdown).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sonoscope.data.datasets.description import LEFT_OUT, Dataset, Remote
from sonoscope.data.datasets.reading import filled, home, one_of, present, relative, table, vocabulary
from sonoscope.data.rows import Row
from sonoscope.data.table import Line

LABELS_2018 = (
    "Acoustic_guitar", "Applause", "Bark", "Bass_drum", "Burping_or_eructation", "Bus", "Cello", "Chime", "Clarinet",
    "Computer_keyboard", "Cough", "Cowbell", "Double_bass", "Drawer_open_or_close", "Electric_piano", "Fart",
    "Finger_snapping", "Fireworks", "Flute", "Glockenspiel", "Gong", "Gunshot_or_gunfire", "Harmonica", "Hi-hat",
    "Keys_jangling", "Knock", "Laughter", "Meow", "Microwave_oven", "Oboe", "Saxophone", "Scissors", "Shatter",
    "Snare_drum", "Squeak", "Tambourine", "Tearing", "Telephone", "Trumpet", "Violin_or_fiddle", "Writing",
)  # fmt: skip
#: What the authors of FSDKaggle2019 report of its curated set.
KNOWN_WRONG_2019 = {
    **dict.fromkeys(
        ("f76181c4", "77b925c2", "6a1f682a", "c7db12aa", "7752cc8a"), "wrong label, by its authors"
    ),
    "1d44b0bd": "no signal, by its authors",
}
#: Part of the data set: its table, its folder of sounds, its split.
PARTS_2018 = {
    "train": ("train_post_competition.csv", "audio_train", "train"),
    "test": ("test_post_competition_scoring_clips.csv", "audio_test", "test"),
}
PARTS_2019 = {
    "curated": ("train_curated_post_competition.csv", "audio_train_curated", "train"),
    "noisy": ("train_noisy_post_competition.csv", "audio_train_noisy", "train"),
    "test": ("test_post_competition.csv", "audio_test", "test"),
}


def rows_2018(root: Path) -> Iterator[Row]:
    """Training clips, then test clips; a part whose sounds were not fetched is left out."""
    folder = home(root, "FSDKaggle2018.meta")
    for part, line, path in _clips(folder, "FSDKaggle2018", PARTS_2018, "label"):
        yield Row(
            path=relative(root, path),
            labels=(one_of(line.cells["label"], LABELS_2018, line.place),),
            group=f"freesound-{line.cells['freesound_id']}",
            split=PARTS_2018[part][2],
            source="fsdkaggle2018",
            licence=line.cells["license"],
            extra=filled(verified={"1": "yes", "0": "no"}.get(line.cells.get("manually_verified", ""), "")),
        )


def rows_2019(root: Path) -> Iterator[Row]:
    """Curated, noisy and test clips; a part whose sounds were not fetched is left out."""
    folder = home(root, "FSDKaggle2019.meta")
    known = vocabulary(folder / "FSDKaggle2019.meta" / "vocabulary.csv")
    for part, line, path in _clips(folder, "FSDKaggle2019", PARTS_2019, "labels"):
        labels = tuple(one_of(label.strip(), known, line.place) for label in line.cells["labels"].split(","))
        wrong = KNOWN_WRONG_2019.get(path.stem, "") if part == "curated" else ""
        origin = line.cells.get("freesound_id") or line.cells.get("flickr_video_URL") or path.stem
        yield Row(
            path=relative(root, path),
            labels=tuple(dict.fromkeys(labels)),
            group=f"{'flickr' if part == 'noisy' else 'freesound'}-{origin}",
            split="" if wrong else PARTS_2019[part][2],
            source="fsdkaggle2019",
            licence=line.cells["license"],
            extra=filled(part=part, **{LEFT_OUT: wrong}),
        )


def _clips(
    folder: Path, name: str, parts: dict[str, tuple[str, str, str]], column: str
) -> Iterator[tuple[str, Line, Path]]:
    for part, (listed, sounds, _) in parts.items():
        place = folder / f"{name}.{sounds}"
        if place.is_dir():
            for line in table(folder / f"{name}.meta" / listed, "fname", column, "license"):
                yield part, line, present(place / line.cells["fname"], line.place)


def _remote(record: int, name: str, piece: str, part: str, volume_of: str = "") -> Remote:
    file = f"{name}.{piece}"
    return Remote(
        f"https://zenodo.org/record/{record}/files/{file}?download=1", file, part, "",
        volume_of=f"{name}.{volume_of}" if volume_of else "",
    )  # fmt: skip


_2018, _2019 = partial(_remote, 2552860, "FSDKaggle2018"), partial(_remote, 3612637, "FSDKaggle2019")

DATASET_2018 = Dataset(
    name="fsdkaggle2018",
    title="FSDKaggle2018",
    what="11,073 clips of Freesound (0.3 to 30 s), one of 41 labels each, 3,710 training labels verified",
    licence="CC BY 4.0 (each clip under its own Creative Commons licence)",
    citation="Fonseca, Plakal, Font, Ellis, Favory, Pons, Serra: General-purpose Tagging of Freesound Audio with "
    "AudioSet Labels. DCASE 2018. arXiv:1807.09902",
    url="https://zenodo.org/record/2552860",
    layout="FSDKaggle2018.meta/*_post_competition*.csv, FSDKaggle2018.audio_{train,test}/*.wav",
    source="README of FSDKaggle2018.doc (doi:10.5281/zenodo.2552860); MTG/freesound-labs: "
    "_datasets/dataset_fsdkaggle2018.markdown",
    protocol="Official train and test set; the published measure is mAP@3.",
    rows=rows_2018,
    splits=("train", "test"),
    labels=LABELS_2018,
    files=(_2018("meta.zip", "meta"), _2018("audio_train.zip", "train"), _2018("audio_test.zip", "test")),
)
DATASET_2019 = Dataset(
    name="fsdkaggle2019",
    title="FSDKaggle2019",
    what="29,266 clips of Freesound and Flickr with 80 labels: 4,970 curated, 19,815 noisy, 4,481 for the test",
    licence="CC BY 4.0 (each clip under its own Creative Commons licence)",
    citation="Fonseca, Plakal, Font, Ellis, Serra: Audio Tagging with Noisy Labels and Minimal Supervision. DCASE "
    "2019. arXiv:1906.02975",
    url="https://zenodo.org/record/3612637",
    layout="FSDKaggle2019.meta/*_post_competition.csv and vocabulary.csv, "
    "FSDKaggle2019.audio_{train_curated,train_noisy,test}/*.wav",
    source="README of FSDKaggle2019.doc (doi:10.5281/zenodo.3612637)",
    protocol="Official train and test sets; the published measure is label-weighted label-ranking average precision.",
    rows=rows_2019,
    splits=("train", "test"),
    files=(
        _2019("meta.zip", "meta"),
        _2019("audio_train_curated.zip", "curated"),
        _2019("audio_test.zip", "test"),
        *(
            _2019(f"audio_train_noisy.{piece}", "noisy", volume_of="audio_train_noisy.zip")
            for piece in ("z01", "z02", "z03", "z04", "z05", "z06", "zip")
        ),
    ),
)
