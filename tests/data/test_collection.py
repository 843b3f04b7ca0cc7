"""A collection's manifest becomes clips; what would spoil a test on recordings from elsewhere is refused."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data.datasets import collection
from sonoscope.errors import UsageError
from sonoscope.labels import INSTRUMENTS

COLUMNS = (*collection.COLUMNS, "licence", "notes")


def write(root: Path, rows: list[dict], *, columns: tuple[str, ...] = COLUMNS) -> Path:
    """A tiny tree: the manifest, and a file for every row."""
    with open(root / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    for row in rows:
        path = root / row["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(80), 8000)
    return root


def row(labels: str, **changes: str) -> dict:
    name = labels.replace("|", "-")
    base = {"path": f"lab/{name}.wav", "labels": labels, "origin": "lab", "fold": "A", "trainable": "yes",
            "source": "shop", "duration_s": "0.01", "licence": "CC0", "notes": "x, \"y\""}  # fmt: skip
    return {**base, **changes}


def test_rows_become_clips(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        [
            row("cello|pizzicato|low"),
            row("tuba", trainable="no", fold="", origin="elsewhere", duration_s="2.5"),
        ],
    )
    cello, tuba = collection.read(root)
    assert (cello.path, cello.key) == (root / "lab/cello-pizzicato-low.wav", "lab/cello-pizzicato-low.wav")
    assert (cello.label, cello.name, cello.detail) == ("cello", "cello", ("pizzicato", "low"))
    assert (cello.origin, cello.fold, cello.trainable, cello.source) == ("lab", "A", True, "shop")
    assert cello.licence == "CC0"
    of_manifest = next(collection.rows(root))
    assert (of_manifest.licence, of_manifest.duration_s, of_manifest.extra["length_s"]) == (
        "CC0",
        None,
        "0.01",
    )
    assert (tuba.label, tuba.name, tuba.fold, tuba.trainable, tuba.duration_s) == (
        "other",
        "tuba",
        "",
        False,
        2.5,
    )


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("violin", "violin"),
        ("snare_drum", "drums"),
        ("double_bass", "bass"),
        ("banjo", "other"),
        ("rain_heavy", "other"),
    ],
)
def test_classes_map_to_the_instruments(tmp_path: Path, name: str, label: str) -> None:
    (clip,) = collection.read(write(tmp_path, [row(name)]))
    assert clip.label == label
    assert clip.unknown == ()


def test_a_guitar_of_no_stated_kind_speaks_for_neither(tmp_path: Path) -> None:
    (clip,) = collection.read(write(tmp_path, [row("guitar")]))
    assert clip.label == ""
    assert clip.unknown == ("acoustic_guitar", "electric_guitar")


def test_ensembles_are_left_out(tmp_path: Path) -> None:
    root = write(tmp_path, [row("orchestra"), row("string_section"), row("viola")])
    assert [clip.name for clip in collection.read(root)] == ["viola"]


def test_every_label_it_can_give_is_an_instrument() -> None:
    known = {label.id for label in INSTRUMENTS}
    assert set(collection.TO_INSTRUMENTS.values()) <= known
    assert set().union(*collection.UNSTATED.values()) <= known


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    root = write(tmp_path, [row("oboe")])
    text = (root / "manifest.csv").read_bytes()
    (root / "manifest.csv").write_bytes(b"\xef\xbb\xbf" + text)
    assert len(collection.read(root)) == 1


def test_a_manifest_that_is_not_there_or_lacks_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"manifest\.csv does not exist: give the folder that holds manifest\.csv"
    ):
        collection.read(tmp_path)
    write(tmp_path, [row("oboe")], columns=("path", "labels", "source", "duration_s"))
    with pytest.raises(UsageError, match=r"lacks the column\(s\) origin, fold, trainable"):
        collection.read(tmp_path)


def test_a_missing_file_is_named_with_its_line(tmp_path: Path) -> None:
    root = write(tmp_path, [row("oboe"), row("harp")])
    (root / "lab/harp.wav").unlink()
    with pytest.raises(UsageError, match=r"manifest\.csv, line 3: .*harp\.wav does not exist"):
        collection.read(root)


def test_a_length_that_is_no_number_and_a_line_cut_short_are_named_with_their_line(tmp_path: Path) -> None:
    root = write(tmp_path, [row("oboe"), row("harp", duration_s="")])
    with pytest.raises(UsageError, match=r"manifest\.csv, line 3: duration_s '' is not a number of seconds"):
        collection.read(root)
    with open(root / "manifest.csv", "a", encoding="utf-8") as file:
        file.write("lab/oboe.wav,oboe\n")
    write_again = (root / "manifest.csv").read_text(encoding="utf-8").replace(",,CC0", ",1,CC0")
    (root / "manifest.csv").write_text(write_again, encoding="utf-8")
    with pytest.raises(UsageError, match=r"manifest\.csv, line 4: fewer cells than columns"):
        collection.read(root)


def test_an_origin_in_two_folds_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path, [row("oboe"), row("harp", fold="B")])
    with pytest.raises(UsageError, match=r"line 3: the origin lab is in fold 'B' and in fold 'A'"):
        collection.read(root)


@pytest.mark.data
def test_the_labelled_recordings_hold_every_instrument_in_several_folds(data_dir: Path) -> None:
    clips = collection.read(data_dir)
    folds, origins = defaultdict(set), defaultdict(set)
    for clip in clips:
        if clip.fold:
            folds[clip.label].add(clip.fold)
        origins[clip.origin].add(clip.fold)
    for label in INSTRUMENTS:
        assert len(folds[label.id]) >= 2, label.id
    assert all(len(where) == 1 for where in origins.values())
    assert len({clip.key for clip in clips}) == len(clips)
    assert all(clip.duration_s > 0 for clip in clips)
