"""Sources by name: the grammar, lists, and what each of them gives."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data import manifest, sources
from sonoscope.data.manifest import BadManifest, Manifest, Row
from sonoscope.data.sources import Source
from sonoscope.errors import UnknownName, UsageError


def sound(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(800), 8000)
    return path


@pytest.fixture
def irmas(tmp_path: Path) -> Path:
    """Three training clips and a test excerpt in the layout of IRMAS."""
    root = tmp_path / "irmas"
    for code, number in (("cel", 1), ("cel", 2), ("vio", 1)):
        sound(root / "IRMAS-TrainingData" / code / f"008__[{code}][nod][cla]0058__{number}.wav")
    excerpt = sound(root / "IRMAS-TestingData-Part1" / "Part1" / "song-1.wav")
    excerpt.with_suffix(".txt").write_text("vio\t\npia\n")
    return root


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("irmas:/data/irmas", Source("irmas", "/data/irmas")),
        ("irmas:/data/irmas/test", Source("irmas", "/data/irmas", "test")),
        ("irmas:/data/test/", Source("irmas", "/data/test/")),
        (r"irmas:D:\data\irmas\train", Source("irmas", r"D:\data\irmas", "train")),
        ("irmastrain:data/irmas/train", Source("irmas", "data/irmas/train", "train")),
        ("irmastest:data/irmas/test", Source("irmas", "data/irmas/test", "test")),
        ("csv:x.csv", Source("csv", "x.csv")),
        ("inference:rec", Source("inference", "rec")),
        (r"C:\rec\m.csv", Source("", r"C:\rec\m.csv")),
        ("C:/rec", Source("", "C:/rec")),
        ("lists/m.csv", Source("", "lists/m.csv")),
    ],
)
def test_what_a_text_names(text: str, source: Source) -> None:
    assert sources.parse(text) == source


def test_what_a_text_does_not_name() -> None:
    with pytest.raises(UnknownName, match=r"unknown data set 'irms'\. Did you mean 'irmas'"):
        sources.parse("irms:/data/irmas")
    for text in ("irmas", "irmas/train", "irmas:", "irmastrain"):
        with pytest.raises(UsageError, match=r"does not say where the data set is: irmas.*:FOLDER"):
            sources.parse(text)


@pytest.mark.skipif(find_spec("mirdata") is not None, reason="mirdata is installed")
def test_a_library_that_is_not_installed_is_named() -> None:
    with pytest.raises(UsageError, match="mirdata"):
        sources.parse("mirdata:orchset:/data/orchset")


def test_a_data_set_is_read_whole_or_by_split(irmas: Path) -> None:
    everything = sources.load(f"irmas:{irmas}")
    assert len(everything) == 4 and everything.root == irmas
    assert all(everything.path_of(row).is_file() for row in everything.rows)
    test = sources.load(f"irmas:{irmas}/test")
    assert [row.labels for row in test.rows] == [("violin", "piano")]
    assert sources.load(f"irmastrain:{irmas}").rows == everything.where(split="train").rows


def test_lumens_folder_of_one_split_is_read(irmas: Path) -> None:
    found = sources.load(f"irmastrain:{irmas / 'IRMAS-TrainingData'}")
    assert len(found) == 3 and {row.split for row in found.rows} == {"train"}


def test_folders_are_their_manifest_or_a_folder_for_each_label(tmp_path: Path) -> None:
    sound(tmp_path / "clips" / "violin" / "x.wav")
    found = sources.load(str(tmp_path / "clips"))
    assert [(row.path, row.labels) for row in found.rows] == [("violin/x.wav", ("violin",))]
    unlabelled = sources.load(f"inference:{tmp_path / 'clips'}")
    assert unlabelled.rows == (Row("violin/x.wav"),)
    manifest.write(
        Manifest((Row("violin/x.wav", labels=("viola",)),), tmp_path / "clips"),
        tmp_path / "clips" / "manifest.csv",
    )
    assert sources.load(str(tmp_path / "clips")).rows[0].labels == ("viola",)


def test_a_folder_of_sets_is_all_of_them(tmp_path: Path) -> None:
    for font, instrument in (("fluidr3", "violin"), ("timgm6mb", "flute")):
        stem = sound(tmp_path / "stems" / font / instrument / "s.wav")
        stem.with_suffix(".notes.csv").write_text(
            "onset,offset,pitch,velocity,label,score\n0,0.1,60,90,x,1\n"
        )
        row = Row(
            f"{instrument}/s.wav", labels=(instrument,), group=font, annotation=f"{instrument}/s.notes.csv"
        )
        manifest.write(Manifest((row,), stem.parents[1]), stem.parents[1] / "manifest.csv")
    stems = tmp_path / "stems"
    found = sources.load(str(stems))
    assert [(row.path, row.labels, row.group, row.annotation) for row in found.rows] == [
        ("fluidr3/violin/s.wav", ("violin",), "fluidr3", "fluidr3/violin/s.notes.csv"),
        ("timgm6mb/flute/s.wav", ("flute",), "timgm6mb", "timgm6mb/flute/s.notes.csv"),
    ]
    assert found == sources.load([str(stems / "fluidr3"), str(stems / "timgm6mb")])
    (tmp_path / "sets.txt").write_text("stems\n")
    assert sources.load(str(tmp_path / "sets.txt")).rows == found.rows
    # One folder without a manifest, and they are folders of labels; the folder's own manifest goes before theirs.
    (stems / "more").mkdir()
    with pytest.raises(BadManifest, match="none of its folders holds a recording"):
        sources.load(str(stems))
    manifest.write(Manifest((Row("fluidr3/violin/s.wav"),), stems), stems / "manifest.csv")
    assert sources.load(str(stems)).rows == (Row("fluidr3/violin/s.wav"),)


def test_several_sources_are_one_manifest(tmp_path: Path, irmas: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "list.csv").write_text("file,violin\na.wav,1\n")
    listed = tmp_path / "sets.txt"
    listed.write_bytes(b"\xef\xbb\xbf# what we train on\r\nirmastrain:irmas\r\n\r\ncsv:more\\list.csv\r\n")
    found = sources.load(str(listed))
    assert found.root == tmp_path and len(found) == 4
    assert found.rows[-1].path == "more/a.wav" and found.rows[0].path.startswith("irmas/IRMAS-TrainingData/")
    same = sources.load([f"irmastrain:{irmas}", str(tmp_path / "more" / "list.csv")])
    assert same == found
    assert sources.load([str(listed), str(listed)]).rows == found.rows, "nothing is there twice"


def test_paths_of_a_list_are_relative_to_its_folder(tmp_path: Path, irmas: Path) -> None:
    far = tmp_path.parent / "far.csv"
    (tmp_path / "sets.txt").write_text(f"irmas:irmas/train\ncsv:{far}\nclips\n")
    assert sources.read_list(tmp_path / "sets.txt") == [
        Source("irmas", str(irmas), "train"),
        Source("csv", str(far)),
        Source("", str(tmp_path / "clips")),
    ]
    (tmp_path / "bad.txt").write_text("clips\nirms:x\n")
    with pytest.raises(BadManifest, match=r"bad\.txt, line 2: .*unknown data set 'irms'"):
        sources.read_list(tmp_path / "bad.txt")
    (tmp_path / "none.txt").write_text("# nothing\n")
    with pytest.raises(BadManifest, match="an empty list"):
        sources.read_list(tmp_path / "none.txt")


def test_what_is_not_there_is_refused(tmp_path: Path, irmas: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        sources.load(str(tmp_path / "none.csv"))
    with pytest.raises(UsageError, match="is no folder"):
        sources.load(f"irmas:{sound(tmp_path / 'x.wav')}")
    (tmp_path / "irmas" / "IRMAS-TestingData-Part1").rename(tmp_path / "gone")
    with pytest.raises(UsageError, match="no recordings of the split 'test'"):
        sources.load(f"irmas:{irmas}/test")
    with pytest.raises(UsageError, match="no source given"):
        sources.load([])


def test_a_data_set_alone_is_looked_for_where_data_sets_are(tmp_path, monkeypatch):
    monkeypatch.setenv("SONOSCOPE_DATASETS", str(tmp_path))
    assert sources.parse("irmas/train") == sources.Source("irmas", str(tmp_path / "irmas"), "train")
    assert sources.parse("esc50") == sources.Source("esc50", str(tmp_path / "esc50"))
    monkeypatch.delenv("SONOSCOPE_DATASETS")
    with pytest.raises(UsageError, match="irmas:FOLDER, or set SONOSCOPE_DATASETS"):
        sources.parse("irmas/train")
