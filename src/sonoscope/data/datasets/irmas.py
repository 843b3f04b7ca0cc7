"""IRMAS: predominant instruments, 3 s training clips of one label and 5–20 s test excerpts of 1–5.

A training clip's labels are in its name, ``008__[cel][nod][cla]0058__1.wav``: the instrument (which is the folder's
name too), whether there are drums (``dru``, ``nod``; not always stated) and the genre. The last number counts
the clips cut from one recording, whose number comes before it: it is the group. Test labels are in a text of the
same name, one code a line; the group is the song, the name without its last number. Labels say what is
predominant: a training clip may hold other instruments too.

Layout after mirdata (mir-dataset-loaders/mirdata, mirdata/datasets/irmas.py, with its checksums).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sonoscope import labels
from sonoscope.data.datasets.description import Dataset, Remote
from sonoscope.data.datasets.reading import filled, home, one_of, relative, text_lines
from sonoscope.data.rows import BadManifest, Row

CODES = {label.code: label.id for label in labels.IRMAS}
GENRES = ("cou_fol", "cla", "pop_roc", "lat_sou", "jaz_blu")
DRUMS = {"dru": "yes", "nod": "no"}

_TAGS = re.compile(r"\[([^\[\]]*)\]")
_NUMBER = re.compile(r"\](\d+)__\d+$")
_EXCERPT = re.compile(r"-\d+$")
_LICENCE = "CC BY-NC-SA 3.0"


def rows(root: Path) -> Iterator[Row]:
    """Training clips, then test excerpts; a part that was not fetched is left out."""
    folder = home(root, "IRMAS-TrainingData", "IRMAS-TestingData-Part*", "cel/*.wav")
    training = folder / "IRMAS-TrainingData"
    if not training.is_dir():
        training = folder
    for code in CODES:
        for path in sorted((training / code).glob("*.wav")):
            yield _clip(root, path)
    for part in sorted(folder.glob("IRMAS-TestingData-Part*")):
        for path in sorted(part.rglob("*.wav")):
            yield _excerpt(root, path)


def _clip(root: Path, path: Path) -> Row:
    tags = _TAGS.findall(path.stem)
    where = f"{path}"
    if not tags or tags[0] != path.parent.name:
        raise BadManifest(
            f"{where}: the name says {tags[0] if tags else 'nothing'!r} and the folder {path.parent.name!r}. "
            "Move the clip into the folder of its instrument, or correct its name."
        )
    known = {*GENRES, *DRUMS}
    rest = [one_of(tag, known, where, "genre or drum tag") for tag in tags[1:]]
    drums = next((DRUMS[tag] for tag in rest if tag in DRUMS), "")
    number = _NUMBER.search(path.stem)
    return Row(
        path=relative(root, path),
        labels=(CODES[tags[0]],),
        group=f"irmas-train-{number[1] if number else path.stem}",
        split="train",
        source="irmas",
        licence=_LICENCE,
        extra=filled(
            drums=drums,
            is_drum_known="yes" if drums else "no",
            genre=next((tag for tag in rest if tag in GENRES), ""),
        ),
    )


def _excerpt(root: Path, path: Path) -> Row:
    text = path.with_suffix(".txt")
    found = [
        CODES[one_of(line.strip(), CODES, f"{text}, line {number}")]
        for number, line in text_lines(text, told_by=str(path))
    ]
    if not found:
        raise BadManifest(
            f"{text} holds no label. Write one code a line, such as 'vio', or remove {path.name}."
        )
    return Row(
        path=relative(root, path),
        labels=tuple(dict.fromkeys(found)),
        group=f"irmas-test-{_EXCERPT.sub('', path.stem)}",
        split="test",
        source="irmas",
        licence=_LICENCE,
    )


_RECORD = "https://zenodo.org/record/1290750/files"

DATASET = Dataset(
    name="irmas",
    title="IRMAS: a dataset for instrument recognition in musical audio signals",
    what="6,705 clips of 3 s with the predominant of 11 instruments; 2,874 test excerpts with 1 to 5 of them",
    licence=_LICENCE,
    citation="Bosch, Janer, Fuhrmann, Herrera: A Comparison of Sound Segregation Techniques for Predominant "
    "Instrument Recognition in Musical Audio Signals. ISMIR 2012. doi:10.5281/zenodo.1290750",
    url="https://www.upf.edu/web/mtg/irmas",
    layout="IRMAS-TrainingData/<code>/*.wav, IRMAS-TestingData-Part{1,2,3}/**/*.wav with .txt",
    source="mir-dataset-loaders/mirdata: mirdata/datasets/irmas.py",
    protocol="Train on single labels, test on 1 to 5. Published thresholds were chosen on the test set; drums and "
    "genre are stated for the training clips only.",
    rows=rows,
    splits=("train", "test"),
    labels=tuple(CODES.values()),
    files=tuple(
        Remote(f"{_RECORD}/{name}.zip?download=1", f"{name}.zip", part, "", checksum=f"md5:{md5}")
        for name, part, md5 in (
            ("IRMAS-TrainingData", "train", "4fd9f5ed5a18d8e2687e6360b5f60afe"),
            ("IRMAS-TestingData-Part1", "test", "5a2e65520dcedada565dff2050bb2a56"),
            ("IRMAS-TestingData-Part2", "test", "afb0c8ea92f34ee653693106be95c895"),
            ("IRMAS-TestingData-Part3", "test", "9b3fb2d0c89cdc98037121c25bd5b556"),
        )
    ),
)
