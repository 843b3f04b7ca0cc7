"""FSD50K: 51,197 clips of Freesound with 200 classes of the AudioSet ontology.

Labels keep their published spelling and are *smeared*: a clip that has a class has its parents too. The evaluation
set is labelled completely; in the development set a label is right, but one may be missing. The group is the
recording on Freesound (the file's name); who uploaded it is in the column ``uploader`` where the metadata were
fetched, for stricter splits, and so is each clip's licence.

Layout after soundata (soundata/soundata, soundata/datasets/fsd50k.py, with its checksums).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sonoscope.data.datasets.description import Dataset, Remote
from sonoscope.data.datasets.reading import (
    document,
    filled,
    home,
    one_of,
    present,
    relative,
    table,
    vocabulary,
)
from sonoscope.data.rows import Row

SPLITS = {"train": "train", "val": "val"}


def rows(root: Path) -> Iterator[Row]:
    """Development clips, then evaluation clips; a part whose sounds were not fetched is left out."""
    folder = home(root, "FSD50K.ground_truth")
    truth = folder / "FSD50K.ground_truth"
    known = vocabulary(truth / "vocabulary.csv")
    for part in ("dev", "eval"):
        sounds = folder / f"FSD50K.{part}_audio"
        if not sounds.is_dir():
            continue
        about = folder / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json"
        clips = document(about) if about.is_file() else {}
        for line in table(truth / f"{part}.csv", "fname", "labels", *(["split"] if part == "dev" else [])):
            name = line.cells["fname"]
            labels = tuple(
                one_of(label.strip(), known, line.place) for label in line.cells["labels"].split(",")
            )
            clip = clips.get(name, {})
            split = (
                "test" if part == "eval" else SPLITS[one_of(line.cells["split"], SPLITS, line.place, "split")]
            )
            yield Row(
                path=relative(root, present(sounds / f"{name}.wav", line.place)),
                labels=tuple(dict.fromkeys(labels)),
                group=f"freesound-{name}",
                split=split,
                source="fsd50k",
                licence=str(clip.get("license", "")),
                extra=filled(uploader=clip.get("uploader"), title=clip.get("title")),
            )


_MD5 = {
    "dev_audio.z01": "faa7cf4cc076fc34a44a479a5ed862a3",
    "dev_audio.z02": "8f9b66153e68571164fb1315d00bc7bc",
    "dev_audio.z03": "1196ef47d267a993d30fa98af54b7159",
    "dev_audio.z04": "d088ac4e11ba53daf9f7574c11cccac9",
    "dev_audio.z05": "81356521aa159accd3c35de22da28c7f",
    "dev_audio.zip": "c480d119b8f7a7e32fdb58f3ea4d6c5a",
    "eval_audio.z01": "3090670eaeecc013ca1ff84fe4442aeb",
    "eval_audio.zip": "6fa47636c3a3ad5c7dfeba99f2637982",
    "ground_truth.zip": "ca27382c195e37d2269c4c866dd73485",
    "metadata.zip": "b9ea0c829a411c1d42adb9da539ed237",
}


def _remote(piece: str) -> Remote:
    part = piece.partition(".")[0]
    return Remote(
        f"https://zenodo.org/record/4060432/files/FSD50K.{piece}?download=1",
        f"FSD50K.{piece}",
        {"dev_audio": "dev", "eval_audio": "eval"}.get(part, "labels"),
        "",
        checksum=f"md5:{_MD5[piece]}",
        volume_of=f"FSD50K.{part}.zip" if part.endswith("_audio") else "",
    )


DATASET = Dataset(
    name="fsd50k",
    title="FSD50K",
    what="51,197 clips of Freesound (0.3 to 30 s, 108 h) with labels of 200 classes",
    licence="CC BY 4.0 (each clip under its own Creative Commons licence)",
    citation="Fonseca, Favory, Pons, Font, Serra: FSD50K: an Open Dataset of Human-Labeled Sound Events. IEEE/ACM "
    "TASLP 30, 2022. arXiv:2010.00475",
    url="https://zenodo.org/record/4060432",
    layout="FSD50K.ground_truth/{dev,eval,vocabulary}.csv, FSD50K.{dev,eval}_audio/*.wav, "
    "FSD50K.metadata/*_clips_info_FSD50K.json",
    source="soundata/soundata: soundata/datasets/fsd50k.py",
    protocol="Official train, val and eval sets; the published measures are mAP and d' of the 200 smeared classes.",
    rows=rows,
    splits=("train", "val", "test"),
    files=tuple(map(_remote, _MD5)),
)
