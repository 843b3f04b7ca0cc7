"""Tables of other systems: read as they were written there, written as they are read there, and what they lose."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonoscope.data import forms, labelmap, manifest, table
from sonoscope.data.manifest import BadManifest, Manifest, Row
from sonoscope.labels import IRMAS
from sonoscope.values import Label

IDS = ("drums", "guitar", "piano", "violin")


def written(folder: Path, *lines: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def cells(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# ---- which form --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("path,start_s,duration_s,labels,absent,unknown", "sonoscope"),
        ("file,labels", "sonoscope"),
        ("file", "sonoscope"),
        ("path,duration_s,split", "sonoscope"),
        ("filepath,label", "label"),
        ("label,split,path", "label"),
        ("file,cel,cla", "columns"),
        (",file,cel", "columns"),
        ("filepath,label_multi,irmas_filename", "bits"),
        ("mel_path,label_multi,orig_path,start_s,dur_s,n_frames", "mel"),
    ],
)
def test_the_header_alone_shows_the_form(tmp_path: Path, header: str, form: str) -> None:
    assert forms.recognise(table.read(written(tmp_path, header))).name == form


# ---- filepath,label ----------------------------------------------------------------------------------------


def test_filepath_and_label(tmp_path: Path) -> None:
    found = manifest.read(
        written(tmp_path, "filepath,label,fold", r"cel\x.wav,cello,1", "vio/y.wav,violin;piano,2")
    )
    assert found.rows == (
        Row("cel/x.wav", labels=("cello",), extra={"fold": "1"}),
        Row("vio/y.wav", labels=("violin", "piano"), extra={"fold": "2"}),
    )
    manifest.write(found, tmp_path / "back.csv", form="label")
    assert cells(tmp_path / "back.csv")[1] == {"filepath": "vio/y.wav", "label": "violin;piano", "fold": "2"}
    assert manifest.read(tmp_path / "back.csv").rows == found.rows
    with pytest.raises(BadManifest, match=r"a\.wav: piano is unknown, which the form label cannot say"):
        manifest.write(
            Manifest((Row("a.wav", unknown=("piano",)),), tmp_path), tmp_path / "n.csv", form="label"
        )
    with pytest.raises(BadManifest, match=r"column 'label': '3' is a number"):
        manifest.read(written(tmp_path, "filepath,label", "x.wav,3"), labels=IDS)


# ---- 0/1 columns -------------------------------------------------------------------------------------------


def test_columns_of_irmas_codes_as_lumen_has_them(tmp_path: Path) -> None:
    codes = [label.code for label in IRMAS]
    path = written(
        tmp_path,
        ",".join(["file", *codes]),
        "data/openmic/audio/000/000135_483840.ogg,0,0,0,0,0,0,0,0,0,0,1",
        "data/openmic/audio/000/000178_3840.ogg,1,0,0,0,0,0,0,0,0,1.0,0",
    )
    found = manifest.read(path, labels="irmas", root="/home/me/lumen")
    assert found.rows[0].labels == ("voice",) and len(found.rows[0].absent) == 10
    assert set(found.rows[1].labels) == {"cello", "violin"}
    assert (
        found.path_of(found.rows[0])
        .as_posix()
        .endswith("/home/me/lumen/data/openmic/audio/000/000135_483840.ogg")
    )
    wider = manifest.read(path, labels="instruments")
    assert wider.rows[0].unknown == ("drums", "bass", "other"), "labels without a column were not judged"


def test_known_columns_and_empty_cells_say_that_nobody_judged(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "path,guitar,flute,drums,is_drum_known,split",
        "a.wav,1,0,1,1,train",
        "b.wav,1,,0,0,val",
        "c.wav,0,TRUE,,0,val",
    )
    rows = manifest.read(path).rows
    assert [(row.labels, row.absent, row.unknown, row.split) for row in rows] == [
        (("guitar", "drums"), ("flute",), (), "train"),
        (("guitar",), (), ("flute", "drums"), "val"),
        (("flute",), ("guitar",), ("drums",), "val"),
    ]
    with pytest.raises(
        BadManifest, match=r"line 2, column 'is_drum_known'.*nobody judged 'drums', which sounds"
    ):
        manifest.read(written(tmp_path, "path,drums,is_drum_known", "a.wav,1,0"))


def test_the_row_numbers_of_pandas_are_no_label(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "t.csv"
    pandas.DataFrame({"file": ["a.wav", "b.wav"], "violin": [1, 0], "piano": [0.0, 1.0]}).to_csv(path)
    found = manifest.read(path)
    assert [row.labels for row in found.rows] == [("violin",), ("piano",)] and not found.rows[0].extra


@pytest.mark.parametrize(
    ("lines", "labels", "message"),
    [
        (["file,violin,fold", "a.wav,1,2"], None, "column 'fold': '2' is neither 0 nor 1. If 'fold' is no label"),
        (["path,lable", "a.wav,violin"], None, "Did you mean 'label'?"),
        (["file,violin", "a.wav,0.7"], IDS, "line 2, column 'violin': '0.7' is neither 0 nor 1"),
        (["file,vioiln,piano", "a.wav,1,0"], IDS, "the column 'vioiln' is not in the label map. Did you mean 'violin'"),
        (["file,xylophone", "a.wav,1"], IDS, "no column is a label of the map (drums, guitar, piano, violin)"),
        (["file,gac,acoustic_guitar", "a.wav,1,0"], "irmas", "'gac' and 'acoustic_guitar' are both 'acoustic_guitar'"),
    ],
)  # fmt: skip
def test_columns_that_are_no_marks_are_refused(
    tmp_path: Path, lines: list[str], labels: str | None, message: str
) -> None:
    with pytest.raises(BadManifest) as raised:
        manifest.read(written(tmp_path, *lines), labels=labels)
    assert message in str(raised.value)


def test_with_a_map_other_columns_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "file,violin,is_genre_known,genre,small", "a.wav,1,1,jazz,1")
    (row,) = manifest.read(path, labels=("violin",)).rows
    assert row.labels == ("violin",) and row.extra == {"is_genre_known": "1", "genre": "jazz", "small": "1"}


# ---- bit strings -------------------------------------------------------------------------------------------


def test_bits_keep_their_zeros(tmp_path: Path) -> None:
    path = written(tmp_path, "filepath,label_multi,irmas_filename", "x.npy,0010,x.wav", "y.npy,0000,y.wav")
    found = manifest.read(path, labels=IDS)
    assert found.rows[0] == Row(
        "x.npy", labels=("piano",), absent=("drums", "guitar", "violin"), extra={"irmas_filename": "x.wav"}
    )
    manifest.write(found, tmp_path / "back.csv", form="bits")
    assert (tmp_path / "back.csv").read_text() == path.read_text()
    assert manifest.read(tmp_path / "back.csv") == found, "the label map lies beside it"
    with pytest.raises(BadManifest, match="is another label map"):
        manifest.write(replace(found, label_map=IDS[::-1]), tmp_path / "other.csv", form="bits")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_zeros_that_pandas_lost_are_found(tmp_path: Path, suffix: str) -> None:
    pandas = pytest.importorskip("pandas")
    path = written(tmp_path, "filepath,label_multi", "x.npy,0010", "y.npy,1000")
    frame = pandas.read_csv(path)
    lost = tmp_path / f"lost{suffix}"
    frame.to_csv(lost, index=False) if suffix == ".csv" else frame.to_parquet(lost)
    with pytest.raises(BadManifest, match=r"'10' has lost its leading zeros.*dtype=\{'label_multi': str\}"):
        manifest.read(lost, labels=IDS)
    pandas.read_csv(path, dtype={"label_multi": str}).to_csv(tmp_path / "kept.csv", index=False)
    assert len(manifest.read(tmp_path / "kept.csv", labels=IDS)) == 2


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        ("1.0", "has lost its leading zeros"),
        ("0", "has lost its leading zeros"),
        ("1e+03", "has lost its leading zeros"),
        ("010", "is not 4 characters 0 or 1"),
        ("00100", "is not 4 characters 0 or 1"),
        ("0020", "is not 4 characters 0 or 1"),
        ("", "is not 4 characters 0 or 1"),
    ],
)
def test_bits_that_do_not_fit_the_map_are_refused(tmp_path: Path, bits: str, message: str) -> None:
    with pytest.raises(BadManifest) as raised:
        manifest.read(written(tmp_path, "filepath,label_multi", f"x.npy,{bits}"), labels=IDS)
    assert "line 2, column 'label_multi'" in str(raised.value) and message in str(raised.value)


def test_bits_without_a_map_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "filepath,label_multi", "x.npy,0010")
    with pytest.raises(BadManifest, match="which bit of 'label_multi' is which label"):
        manifest.read(path)
    labelmap.write([Label(name) for name in IDS], tmp_path)
    assert manifest.read(path).rows[0].labels == ("piano",)


def test_tables_of_spectrograms(tmp_path: Path) -> None:
    header = "mel_path,label_multi,orig_path,start_s,dur_s,n_frames"
    path = written(
        tmp_path,
        header,
        r"piano\0a1b__x.npy,0010,D:\irmas\pia\x.wav,0.0,3.0,301",
        r"piano\0a1b__y.npy,0011,D:\irmas\pia\x.wav,1.5,3.0,301",
    )
    found = manifest.read(path, labels=IDS, remap=[("D:/irmas", "audio")])
    assert [(row.path, row.start_s, row.duration_s, row.labels) for row in found.rows] == [
        ("audio/pia/x.wav", 0.0, 3.0, ("piano",)),
        ("audio/pia/x.wav", 1.5, 3.0, ("piano", "violin")),
    ]
    assert found.rows[1].extra == {"mel_path": "piano/0a1b__y.npy", "n_frames": "301"}
    (tmp_path / "above").mkdir()
    elsewhere = replace(found, root=tmp_path / "above" / "deep")
    manifest.write(elsewhere, tmp_path / "above" / "mel.csv", form="mel")
    back = cells(tmp_path / "above" / "mel.csv")
    assert ",".join(back[0]) == header
    assert back[1]["mel_path"] == "deep/piano/0a1b__y.npy" and back[1]["label_multi"] == "0011"
    assert [row.path for row in manifest.read(tmp_path / "above" / "mel.csv").rows] == [
        "deep/audio/pia/x.wav"
    ] * 2

    with pytest.raises(BadManifest, match="no column 'dur_s'"):
        manifest.read(written(tmp_path, header.replace("dur_s", "len")), labels=IDS)
    with pytest.raises(BadManifest, match=r"column 'n_frames': '3\.5' is not a number of frames"):
        manifest.read(written(tmp_path, header, "m.npy,0010,x.wav,0,3,3.5"), labels=IDS)
    with pytest.raises(BadManifest, match=r"a\.wav: no mel_path"):
        manifest.write(Manifest((Row("a.wav", 0, 1),), tmp_path, IDS), tmp_path / "n.csv", form="mel")


# ---- there and back ----------------------------------------------------------------------------------------


@st.composite
def rows(draw: st.DrawFn, knows_all: bool) -> Row:
    says = draw(st.lists(st.sampled_from("+-" if knows_all else "+-?"), min_size=len(IDS), max_size=len(IDS)))
    lists = [
        tuple(label for label, sign in zip(IDS, says, strict=True) if sign == wanted) for wanted in "+-?"
    ]
    return Row(
        draw(st.sampled_from(["a.wav", "b/c.wav", "b/d e,f.wav"])),
        draw(st.integers(0, 3)) / 4,
        draw(st.sampled_from([1.0, 2.5])),
        *lists,
        split=draw(st.sampled_from(["", "train"])),
        extra={"mel_path": draw(st.sampled_from(["x.npy", "y/z.npy"])), "n_frames": "301"},
    )


@pytest.mark.parametrize("form", ["sonoscope", "label", "columns", "bits", "mel"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_form_says_the_same_when_it_is_read_back(
    tmp_path: Path, form: str, suffix: str, data: st.DataObject
) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    one = rows(knows_all=form not in ("sonoscope", "columns"))
    found = data.draw(
        st.lists(one, max_size=4, unique_by=lambda row: (row.path, row.start_s, row.duration_s))
    )
    before = Manifest(tuple(found), tmp_path, IDS)
    path = tmp_path / f"{form}{suffix}"
    manifest.write(before, path, form=form)
    after = manifest.read(path, labels=IDS)
    assert len(after) == len(before)
    for old, new in zip(before.rows, after.rows, strict=True):
        assert [after.says(new, label) for label in IDS] == [before.says(old, label) for label in IDS]
        assert replace(new, absent=old.absent, labels=old.labels, unknown=old.unknown) == old
    if form != "label":
        assert after.rows == before.rows


def test_what_a_form_cannot_say_is_refused(tmp_path: Path) -> None:
    partial = Manifest((Row("a.wav", unknown=("*",)),), tmp_path, IDS)
    with pytest.raises(BadManifest, match="'drums' is unknown, which a bit cannot say"):
        manifest.write(partial, tmp_path / "n.csv", form="bits")
    stray = Manifest((Row("a.wav", labels=("drum",)),), tmp_path, IDS)
    for form in ("columns", "bits"):
        with pytest.raises(BadManifest, match=r"'drum' is not in the label map\. Did you mean 'drums'"):
            manifest.write(stray, tmp_path / "n.csv", form=form)
    clash = Manifest((Row("a.wav", labels=("split",)),), tmp_path)
    with pytest.raises(BadManifest, match="the label 'split' cannot be a column"):
        manifest.write(clash, tmp_path / "n.csv", form="columns")
    twice = Manifest((Row("a.wav", labels=("violin",), extra={"violin": "solo"}),), tmp_path)
    with pytest.raises(BadManifest, match="has a column 'violin', and so has the manifest"):
        manifest.write(twice, tmp_path / "n.csv", form="columns")
    assert not (tmp_path / "n.csv").exists()
