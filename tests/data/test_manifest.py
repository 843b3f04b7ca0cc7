"""Manifests: there and back in both formats, one root from many, every defect named, and files against rows."""

from __future__ import annotations

import csv
import os
import pickle
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonoscope.data import badrows, labelmap, manifest, update
from sonoscope.data.manifest import BadManifest, Manifest, Row
from sonoscope.data.rows import COLUMNS
from sonoscope.errors import SonoscopeError, UnknownName, UnreadableAudio, UsageError
from sonoscope.labels import INSTRUMENTS
from sonoscope.values import Label

RATE = 8000

#: Text in cells: quotes, commas, line ends and whatever else Unicode has.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
PART = st.text(
    st.characters(exclude_characters="/\\\0:", exclude_categories=["Cs"]), min_size=1, max_size=6
).filter(lambda part: part not in (".", ".."))
PATH = st.lists(PART, min_size=1, max_size=3).map("/".join)
LABEL = st.text(
    st.characters(exclude_characters=";|*\0", exclude_categories=["Cs"]), min_size=1, max_size=6
).filter(lambda label: label == label.strip())
TIME = st.integers(0, 10**10).map(lambda micros: micros / 1e6)


@st.composite
def rows(draw: st.DrawFn, path: st.SearchStrategy[str] = PATH) -> Row:
    names = draw(st.lists(LABEL, max_size=6, unique=True))
    cuts = sorted(draw(st.tuples(*[st.integers(0, len(names))] * 2)))
    return Row(
        draw(path),
        draw(TIME),
        draw(st.none() | TIME.filter(bool)),
        tuple(names[: cuts[0]]),
        tuple(names[cuts[0] : cuts[1]]),
        (*names[cuts[1] :], *draw(st.sampled_from([(), ("*",)]))),
        *draw(st.tuples(*[TEXT] * 6)),
        start_datetime=draw(st.sampled_from(["", "2024-05-17T04:30:00+02:00", "20240517T043000Z"])),
        annotation=draw(st.just("") | PATH),
        extra={"fold": draw(TEXT), "mel_path": draw(st.just("") | PATH)},
    )


MANIFESTS = st.lists(
    rows(), max_size=5, unique_by=lambda row: (normalize("NFC", row.path), row.start_s, row.duration_s)
)


def table(folder: Path, *lines: str, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


def sound(path: Path, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(int(seconds * RATE)), RATE)
    return path


# ---- there and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("place", ["m", "deeper/m", "../beside/m"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=MANIFESTS)
def test_what_is_written_is_read_wherever_the_table_lies(
    tmp_path: Path, found: list[Row], suffix: str, place: str
) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    root = tmp_path / "root"
    path = root / f"{place}{suffix}"
    for folder in (root, path.parent):
        folder.mkdir(exist_ok=True)
    before = Manifest(tuple(found), root)
    manifest.write(before, path)
    after = manifest.read(path)
    assert after.rows == before.rows
    if found:
        assert after.root.resolve() == root
        again = path.with_name(f"again{suffix}")
        manifest.write(after, again)
        assert suffix != ".csv" or again.read_bytes() == path.read_bytes()


def test_a_table_above_its_root_says_so_in_its_paths_and_one_elsewhere_in_a_column(tmp_path: Path) -> None:
    found = Manifest((Row("a/x.wav", annotation="a/x.txt"),), tmp_path / "rec")
    (tmp_path / "lists").mkdir()
    manifest.write(found, tmp_path / "m.csv")
    manifest.write(found, tmp_path / "lists" / "m.csv")
    with open(tmp_path / "m.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    assert tuple(line) == COLUMNS and line["path"] == "rec/a/x.wav" and line["annotation"] == "rec/a/x.txt"
    with open(tmp_path / "lists" / "m.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["path"] == "a/x.wav" and line["root"] == "../rec"
    assert manifest.read(tmp_path / "m.csv").rows[0].path == "rec/a/x.wav"
    assert manifest.read(tmp_path / "lists" / "m.csv") == found
    moved = manifest.read(tmp_path / "lists" / "m.csv", root="/elsewhere")
    assert moved.rows == found.rows and moved.root == Path("/elsewhere").absolute()


def test_parquet_has_numbers_and_its_version(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    manifest.write(Manifest((Row("a.wav", 1.5, None, ("x",)),), tmp_path), tmp_path / "m.parquet")
    found = parquet.read_table(tmp_path / "m.parquet")
    assert found.schema.metadata[b"sonoscope.manifest"] == b"1"
    assert found.to_pylist()[0]["start_s"] == 1.5 and found.to_pylist()[0]["duration_s"] is None
    parquet.write_table(found.replace_schema_metadata({b"sonoscope.manifest": b"2"}), tmp_path / "n.parquet")
    with pytest.raises(BadManifest, match="schema 2, not 1"):
        manifest.read(tmp_path / "n.parquet")


def test_lists_and_numbers_of_other_parquet_writers_are_read(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(
        {
            "path": ["a.wav", "b.wav"],
            "labels": [["x", "y"], []],
            "start_s": [1, 2],
            "duration_s": [None, 0.5],
            "n": [3, 4],
        }
    )
    frame.to_parquet(tmp_path / "m.parquet")
    first, second = manifest.read(tmp_path / "m.parquet").rows
    assert first == Row("a.wav", 1.0, None, ("x", "y"), extra={"n": "3"})
    assert second == Row("b.wav", 2.0, 0.5, (), extra={"n": "4"})


def test_a_table_saved_by_a_spreadsheet_is_the_same_table(tmp_path: Path) -> None:
    plain = table(tmp_path, "path,labels,notes", 'a.wav,violin; cello,"one, two"', "b.wav,violin|piano,", "")
    saved = tmp_path / "saved.csv"
    saved.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n"))
    tabs = table(
        tmp_path,
        "path\tlabels\tnotes",
        "a.wav\tviolin;cello\tone, two",
        "b.wav\tviolin|piano\t",
        name="t.csv",
    )
    found = manifest.read(plain)
    assert found.rows[0] == Row("a.wav", labels=("violin", "cello"), extra={"notes": "one, two"})
    assert found.rows[1].labels == ("violin", "piano")
    assert manifest.read(saved).rows == manifest.read(tabs).rows == found.rows


def test_rows_travel_to_other_processes_and_into_sets() -> None:
    row = Row("a.wav", labels=("x",), extra={"fold": "A"})
    found = Manifest((row,), Path("/data"))
    assert pickle.loads(pickle.dumps(found)) == found and len({row, replace(row)}) == 1


# ---- roots and systems -------------------------------------------------------------------------------------


@given(st.lists(PATH, min_size=1, max_size=5, unique_by=lambda path: normalize("NFC", path)))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_list_from_windows_is_the_list_from_here(tmp_path: Path, names: list[str]) -> None:
    here = [Row(name) for name in names]
    there = ["D:\\Sounds\\" + name.replace("/", "\\") for name in names]
    path = tmp_path / "list.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\r\n").writerows(
            [["path", "labels"], *([name, ""] for name in there)]
        )
    found = manifest.read(path, remap=[("d:/sounds", "")])
    assert list(found.rows) == here and found.root == tmp_path
    if os.name != "nt":
        with pytest.raises(BadManifest, match="absolute and not below the root"):
            manifest.read(path)


def test_absolute_paths_are_taken_below_the_root_or_give_it(tmp_path: Path) -> None:
    folder = tmp_path.as_posix()
    mixed = table(tmp_path, "path,labels", f"{folder}/a/x.wav,", "b.wav,")
    assert [row.path for row in manifest.read(mixed).rows] == ["a/x.wav", "b.wav"]
    (tmp_path / "lists").mkdir()
    all_absolute = table(
        tmp_path / "lists", "path,labels", f"{folder}/rec/a/x.wav,", f"{folder}/rec/ab/y.wav,"
    )
    found = manifest.read(all_absolute)
    assert found.root == tmp_path / "rec" and [row.path for row in found.rows] == ["a/x.wav", "ab/y.wav"]
    with pytest.raises(BadManifest, match=rf"line 2, column 'path'.*--remap {folder}/rec=FOLDER"):
        manifest.read(all_absolute, root="/elsewhere")
    remapped = manifest.read(all_absolute, root="/elsewhere", remap=[(f"{folder}/rec", "new")])
    assert remapped.rows[0].path == "new/a/x.wav"


def test_paths_that_lead_out_move_the_root_up(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    found = manifest.read(table(inner, "path,labels", "../../c/x.wav,", "y.wav,", "../z.wav,"))
    assert found.root == tmp_path
    assert [row.path for row in found.rows] == ["c/x.wav", "a/b/y.wav", "a/z.wav"]


def test_several_roots_become_one(tmp_path: Path) -> None:
    path = table(tmp_path, "path,labels,root", "x.wav,,rec/one", "x.wav,,rec/two", "x.wav,,../three")
    found = manifest.read(path)
    assert found.root == tmp_path.parent
    here = tmp_path.name
    assert [row.path for row in found.rows] == [
        f"{here}/rec/one/x.wav",
        f"{here}/rec/two/x.wav",
        "three/x.wav",
    ]
    two = table(tmp_path, "path,labels,root", "x.wav,,rec/one", "x.wav,,rec/two")
    assert manifest.read(two, root="/r") == Manifest(
        (Row("one/x.wav"), Row("two/x.wav")), Path("/r").absolute()
    )


def test_path_of_finds_the_other_normalisation_and_refuses_the_other_case(tmp_path: Path) -> None:
    composed, decomposed = (normalize(form, "é.wav") for form in ("NFC", "NFD"))
    sound(tmp_path / decomposed)
    sound(tmp_path / "Bee.wav")
    found = Manifest((Row(composed), Row("bee.wav")), tmp_path)
    assert found.path_of(found.rows[0]).exists()
    if not (tmp_path / "bee.wav").exists():
        with pytest.raises(UnreadableAudio, match=r"is 'Bee\.wav' on this disk"):
            found.path_of(found.rows[1])


# ---- defects -----------------------------------------------------------------------------------------------

DEFECTS = {
    "path,labels,start_s\na.wav,,x": ("line 2, column 'start_s': 'x' is not a number", "decimal point"),
    "path,labels,start_s\na.wav,,nan": ("'nan' is not a number", "seconds"),
    'path,labels,start_s\na.wav,,"1,5"': ("'1,5' is not a number", "decimal point"),
    "path,labels,start_s\nb.wav,,1\na.wav,,-1": ("line 3, column 'start_s': '-1' is negative", "0 or more"),
    "path,labels,duration_s\na.wav,,0": ("column 'duration_s': '0' is no length", "empty"),
    "path,labels,start_s,end_s\na.wav,,3,2": ("column 'end_s': '2' is not after the start, 3", "Swap"),
    "path,labels,duration_s,end_s\na.wav,,3,2": ("column 'end_s': '2' is not start plus duration, 3", "Correct"),
    "path,labels,start_datetime\na.wav,,2024-05-17T04:30:00": ("has no offset from UTC", "+02:00"),
    "path,labels,start_datetime\na.wav,,yesterday": ("'yesterday' is not an ISO 8601 time", "2024"),
    "path,labels\na.wav,x\nb.wav,x\na.wav,y": ("line 4, column 'path': 'a.wav' from 0 s is in line 2", "Remove"),
    "path,labels\n,x": ("line 2, column 'path': '' names no file", "Fill it in"),
    "path,labels\n./..,x": ("names no file", "Correct"),
    "path,labels\na\0.wav,x": ("line 2, column 'path': 'a\\x00.wav' holds a zero byte", "UTF-8"),
    "path,labels\na.wav,x;*": ("line 2, column 'labels': 'x;*' holds '*', which is no label", "'unknown'"),
    "path,labels,absent\na.wav,x,*": ("column 'absent': '*' holds '*', which is no label", "'unknown'"),
    "path,labels\nhttps://x.org/a.wav,x": ("is an address, not a path", "Fetch"),
    "path,labels,absent\na.wav,x;y,y": ("column 'absent': 'y' names 'y', which 'labels' names too", "Remove"),
    "pth,labels\na.wav,x": ("line 1: no column 'path'", "Did you mean 'pth'"),
    "path;labels\na.wav;x;y": ("line 2: 3 cells under 2 column names", "semicolon not quoted"),
    "path;labels;start_s\na.wav;x;1.250\nb.wav;x;0,5": ("column 'start_s': '1.250' is not a number", "thousands"),
    "path;labels;start_s\na.wav;x;1.250": ("column 'start_s': '1.250' is not a number", "thousands"),
    "path\tlabels\tstart_s\na.wav\tx\t1,250": ("column 'start_s': '1,250' is not a number", "thousands"),
    'path,labels,start_s\na.wav,x,"1,5"': ("column 'start_s': '1,5' is not a number", "decimal point"),
    'path,labels\na.wav,NA': ("line 2, column 'labels': 'NA' is R's word for what is missing", "empty"),
    "Sounds of 2025,,\npath,labels,site\na.wav,x,y": ("line 2: 3 cells under 1 column names", "a title above"),
    "path,,labels\na.wav,x,y": ("line 1: column 2 has no name", "Give it one"),
    "path,labels,,\na.wav,x,,y": ("line 2: 4 cells under 2 column names", "not quoted"),
    "path,labels,path\na.wav,x,y": ("line 1: two columns 'path'", "Rename"),
    "path,labels\na.wav": ("line 2: 1 cells under 2 column names", "cut off"),
    'path,labels\na.wav,"x': ("line 2: unexpected end of data", "table with commas"),
    "path,labels,schema\na.wav,x,2": ("column 'schema': '2' is not 1", "Update sonoscope"),
    "": ("empty; a manifest has at least its header", ""),
}  # fmt: skip


@pytest.mark.parametrize("text", DEFECTS)
def test_a_defect_is_an_error_that_names_file_line_column_value_and_remedy(tmp_path: Path, text: str) -> None:
    path = table(tmp_path, *text.split("\n"))
    what, remedy = DEFECTS[text]
    with pytest.raises(BadManifest) as raised:
        manifest.read(path)
    message = str(raised.value)
    assert message.startswith(str(path)) and raised.value.exit_code == 2
    assert what in message
    assert remedy in message


SAVED = {
    "German Excel, CSV": (
        'path;labels;start_s;duration_s;;\r\né.wav;"x;y";1,25;1234,5;;\r\n;;;;;\r\n',
        "utf-8-sig",
    ),
    "French Excel, Unicode text": (
        "path\tlabels\tstart_s\tduration_s\r\né.wav\tx;y\t1,25\t1234,500\r\n",
        "utf-16",
    ),
    "pandas, sep=';'": ('path;labels;start_s;duration_s\né.wav;"x;y";1.25;1234.5\n', "utf-8"),
    "R, write.csv2": ('"";"path";"labels";"start_s";"duration_s"\n"1";"é.wav";"x;y";1,25;1234,5\n', "utf-8"),
    "R, write.csv": ('"","path","labels","start_s","duration_s"\n"1","é.wav","x;y",1.25,1234.5\n', "utf-8"),
    "Excel with empty columns": (
        "path,labels,start_s,duration_s,,\né.wav,x;y,1.25,1234.5,,\n,,,,,\n",
        "utf-8",
    ),
}


@pytest.mark.parametrize("program", SAVED)
def test_a_table_is_read_as_spreadsheets_and_r_save_it(tmp_path: Path, program: str) -> None:
    text, encoding = SAVED[program]
    (tmp_path / "m.csv").write_bytes(text.encode(encoding))
    (row,) = manifest.read(tmp_path / "m.csv").rows
    assert (row.path, row.labels, row.start_s, row.duration_s) == ("é.wav", ("x", "y"), 1.25, 1234.5)
    assert row.extra == {}


@pytest.mark.parametrize("program", ["German Excel, CSV", "French Excel, Unicode text", "pandas, sep=';'"])
def test_nothing_is_added_to_a_table_whose_lines_are_of_another_kind(tmp_path: Path, program: str) -> None:
    text, encoding = SAVED[program]
    (tmp_path / "m.csv").write_bytes(text.encode(encoding))
    new = manifest.Manifest((Row("b.wav", labels=("x",)),), tmp_path)
    with pytest.raises(BadManifest, match=r"saved by a spreadsheet.*sonoscope data manifest"):
        manifest.append(tmp_path / "m.csv", new)
    assert (tmp_path / "m.csv").read_bytes() == text.encode(encoding)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("path,labels\nété.wav,x\n".encode("latin-1"))
    with pytest.raises(BadManifest, match=r"latin\.csv, line 2: not UTF-8"):
        manifest.read(tmp_path / "latin.csv")
    (tmp_path / "wide.csv").write_bytes("path,labels\n".encode("utf-16")[:-1])
    with pytest.raises(BadManifest, match="not the UTF-16 that it begins as"):
        manifest.read(tmp_path / "wide.csv")
    (tmp_path / "m.parquet").write_text("path,labels")
    with pytest.raises(SonoscopeError, match="not a Parquet file"):
        manifest.read(tmp_path / "m.parquet")
    with pytest.raises(BadManifest, match="there is no such file"):
        manifest.read(tmp_path / "none.csv")
    with pytest.raises(BadManifest, match="a folder, not a manifest"):
        manifest.read(tmp_path)


def test_a_label_that_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    for label in ("a;b", " a", "", "a|b"):
        with pytest.raises(BadManifest, match="cannot be a label"):
            manifest.write(Manifest((Row("a.wav", labels=(label,)),), tmp_path), tmp_path / "m.csv")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match=r"a \.csv or a \.parquet file"):
        manifest.write(Manifest((), tmp_path), tmp_path / "m.txt")
    with pytest.raises(UsageError, match="there is no folder"):
        manifest.write(Manifest((), tmp_path), tmp_path / "none" / "m.csv")
    with pytest.raises(UnknownName, match="Did you mean 'columns'"):
        manifest.write(Manifest((), tmp_path), tmp_path / "m.csv", form="column")


# ---- labels ------------------------------------------------------------------------------------------------


def test_what_a_row_says_about_a_label(tmp_path: Path) -> None:
    row = Row("a.wav", labels=("piano",), absent=("violin",), unknown=("drums",))
    assert [row.says(label) for label in ("piano", "violin", "drums", "flute")] == [True, False, None, False]
    partial = replace(row, unknown=("*",))
    assert [partial.says(label) for label in ("piano", "violin", "drums", "flute")] == [
        True,
        False,
        None,
        None,
    ]
    found = Manifest((row, partial), tmp_path)
    assert found.labels() == ("drums", "piano", "violin")
    sounds, known = found.targets(("piano", "violin", "drums", "flute"))
    np.testing.assert_array_equal(sounds, [[1, 0, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_array_equal(known, [[1, 1, 0, 1], [1, 1, 0, 0]])
    assert sounds.dtype == np.float32 and known.dtype == bool
    mapped = replace(found, label_map=("piano", "violin", "drums"))
    assert mapped.says(row, "flute") is None, "nobody judged what is not in the map"
    assert Manifest((), tmp_path).targets(("a", "b"))[0].shape == (0, 2)


def test_where_chooses_rows_by_columns_labels_and_functions(tmp_path: Path) -> None:
    found = Manifest(
        (
            Row("a.wav", labels=("x", "y"), split="train", extra={"fold": "A"}),
            Row("b.wav", 70, labels=("y",), split="val", extra={"fold": "B"}),
            Row("c.wav", split="test"),
        ),
        tmp_path,
    )
    assert [row.path for row in found.where(split=("train", "test")).rows] == ["a.wav", "c.wav"]
    assert [row.path for row in found.where(labels="y", fold="B").rows] == ["b.wav"]
    assert [row.path for row in found.where(lambda row: row.start_s < 60, split=["val", "test"]).rows] == [
        "c.wav"
    ]
    with pytest.raises(UsageError, match=r"no column 'fld' of text.*fold"):
        found.where(fld="A")


def test_a_label_map_beside_the_manifest_is_its_map(tmp_path: Path) -> None:
    path = table(tmp_path, "path,labels", "a.wav,violin", "b.wav,vio;dr")
    labelmap.write(
        [Label("violin", code="vio"), Label("drums", "Drums", synonyms=("dr",), low_hz=40.0)], tmp_path
    )
    assert (tmp_path / "labels.txt").read_text() == "violin\ndrums\n"
    found = manifest.read(path)
    assert found.label_map == ("violin", "drums") == found.labels()
    assert found.rows[1].labels == ("violin", "drums")
    assert labelmap.read(tmp_path / "labels.json")[1] == Label(
        "drums", "Drums", synonyms=("dr",), low_hz=40.0
    )
    with pytest.raises(BadManifest, match=r"line 2, column 'labels': 'violn'.*Did you mean 'violin'"):
        manifest.read(table(tmp_path, "path,labels", "a.wav,violn"))
    (tmp_path / "labels.txt").write_text("drums\nviolin\n")
    with pytest.raises(BadManifest, match="different labels or orders"):
        manifest.read(path)


@pytest.mark.parametrize(
    "text", ['["a", "b"]', '{"a": 0, "b": 1}', '{"b": 1, "a": 0}', '{"labels": [{"id": "a"}, "b"]}']
)
def test_label_maps_of_others_are_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.json").write_text(text)
    assert [label.id for label in labelmap.read(tmp_path / "map.json")] == ["a", "b"]
    (tmp_path / "map.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\r\n\r\n")
    found = manifest.read(table(tmp_path, "path,labels", "x.wav,b"), labels=str(tmp_path / "map.txt"))
    assert found.label_map == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 0, "b": 2}', "not 0 to 1, each once"),
        ('["a", "a"]', "'a' is there twice"),
        ("[]", "no labels"),
        ('["a;b"]', "'a;b' cannot be a label"),
        ('[{"id": "a", "nme": "A"}]', "unknown key 'nme'. Did you mean 'name'"),
        ('[{"name": "A"}]', "an object with an id"),
        ('"a"', "not a label map"),
        ("{a}", "line 1: not JSON"),
        ('{"schema": "2.0", "labels": ["a"]}', "schema 2.0, not 1"),
    ],
)
def test_a_damaged_label_map_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(BadManifest) as raised:
        manifest.read(table(tmp_path, "path,labels", "x.wav,"))
    assert message in str(raised.value) and str(raised.value).startswith(str(tmp_path / "labels.json"))


def test_label_sets_have_names(tmp_path: Path) -> None:
    path = table(tmp_path, "path,labels", "x.wav,gac;sax")
    found = manifest.read(path, labels="instruments")
    assert found.label_map == tuple(label.id for label in INSTRUMENTS)
    assert found.rows[0].labels == ("acoustic_guitar", "saxophone")
    with pytest.raises(UnknownName, match="Did you mean 'instruments'"):
        manifest.read(path, labels="instrument")
    with pytest.raises(BadManifest, match="there is no such label map"):
        manifest.read(path, labels=str(tmp_path / "none.json"))


# ---- more rows ---------------------------------------------------------------------------------------------


def test_merge_adds_only_new_rows_and_says_what_nobody_judged(tmp_path: Path) -> None:
    old = Manifest((Row("x.wav", labels=("a",)), Row("y.wav", 1, 2)), tmp_path / "one", ("a", "b"))
    new = Manifest(
        (Row("x.wav", labels=("c",)), Row("y.wav", 1, 2, ("c",)), Row("y.wav", 3, 2, ("c",))),
        tmp_path / "one",
        ("a", "c"),
    )
    both = manifest.merge(old, new)
    assert both.label_map == ("a", "b", "c") and both.root == old.root
    assert [(row.path, row.start_s) for row in both.rows] == [("x.wav", 0), ("y.wav", 1), ("y.wav", 3)]
    assert both.rows[0] == replace(old.rows[0], unknown=("c",)), "the old row stays"
    assert both.rows[2].unknown == ("b",)
    assert manifest.merge(both, new) == both
    other = manifest.merge(old, replace(new, root=tmp_path / "two"))
    assert other.root == tmp_path and len(other) == 5
    assert other.rows[2].path == "two/x.wav" and other.rows[0].path == "one/x.wav"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MANIFESTS, MANIFESTS)
def test_merge_keeps_the_old_and_nothing_twice(tmp_path: Path, one: list[Row], two: list[Row]) -> None:
    both = manifest.merge(Manifest(tuple(one), tmp_path), Manifest(tuple(two), tmp_path))
    assert list(both.rows[: len(one)]) == one
    keys = [(normalize("NFC", row.path), row.start_s, row.duration_s) for row in both.rows]
    assert len(keys) == len(set(keys)) <= len(one) + len(two)
    assert {row.path for row in two} <= {normalize("NFC", row.path) for row in both.rows} | {
        row.path for row in both.rows
    }


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_append_leaves_what_is_there_byte_for_byte(tmp_path: Path, end: str, bom: bytes) -> None:
    before = bom + (
        f'duration_s,path,labels,mine{end}  01.50,"old.wav","a; b","x ""y"""{end}{end},./b.wav,,'.encode()
    )
    path = tmp_path / "m.csv"
    path.write_bytes(before)
    assert manifest.append(path, Manifest((Row("n,ew.wav", duration_s=2, labels=("c",)),), tmp_path)) == 1
    assert path.read_bytes() == before + f'{end}2.000,"n,ew.wav",c,{end}'.encode()
    assert [row.path for row in manifest.read(path).rows] == ["old.wav", "b.wav", "n,ew.wav"]


def test_append_adds_a_column_where_a_value_has_none(tmp_path: Path) -> None:
    path = table(tmp_path, "file,labels,mine", "a.wav,x,  1")
    manifest.append(path, Manifest((Row("b.wav", split="test"),), tmp_path / "sub"))
    manifest.append(path, Manifest((Row("c.wav"),), tmp_path.parent / "other"))
    assert path.read_text().splitlines() == [
        "file,labels,mine,split,root",
        "a.wav,x,  1,,",
        "sub/b.wav,,,test,",
        "c.wav,,,,../other",
    ]
    assert [row.path.split("/")[-1] for row in manifest.read(path).rows] == ["a.wav", "b.wav", "c.wav"]
    other = table(tmp_path, "filepath,label", "a.wav,x", name="other.csv")
    with pytest.raises(BadManifest, match="of another form"):
        manifest.append(other, Manifest((Row("b.wav"),), tmp_path))


# ---- folders -----------------------------------------------------------------------------------------------


def test_a_folder_is_a_row_per_file_with_counted_lengths(tmp_path: Path) -> None:
    sound(tmp_path / "b" / "two.wav", 0.25)
    sound(tmp_path / "a,c" / "one.FLAC", 0.5)
    sound(tmp_path / "-a" / "three.wav", 0.5)
    sound(tmp_path / "Noise" / "four.wav", 0.5)
    (tmp_path / "b" / "notes.txt").write_text("no sound")
    found = manifest.from_folder(tmp_path, labels_from="folder")
    assert [(row.path, row.duration_s, row.labels, row.absent) for row in found.rows] == [
        ("-a/three.wav", 0.5, (), ("a",)),
        ("Noise/four.wav", 0.5, (), ()),
        ("a,c/one.FLAC", 0.5, ("a", "c"), ()),
        ("b/two.wav", 0.25, ("b",), ()),
    ]
    assert all(found.path_of(row).is_file() for row in found.rows)
    plain = manifest.from_folder(tmp_path, durations=False)
    assert [row.path for row in plain.rows] == [row.path for row in found.rows]
    assert {(row.duration_s, row.labels) for row in plain.rows} == {(None, ())}
    with pytest.raises(UsageError, match="is no folder"):
        manifest.from_folder(tmp_path / "none")
    with pytest.raises(UsageError, match="labels_from='names' must be one of folder"):
        manifest.from_folder(tmp_path, labels_from="names")


def test_what_cannot_be_decoded_is_a_problem_and_no_row(tmp_path: Path) -> None:
    sound(tmp_path / "good.wav")
    (tmp_path / "text.wav").write_text("this is text")
    (tmp_path / "empty.wav").touch()
    cut = sound(tmp_path / "cut.flac", 4)
    cut.write_bytes(cut.read_bytes()[:-9000])
    sound(tmp_path / "back\\slash.wav")
    told: list[manifest.Problem] = []
    found = manifest.from_folder(tmp_path, on_problem=told.append)
    assert [row.path for row in found.rows] == ["good.wav"]
    assert [problem.path for problem in told] == ["back\\slash.wav", "cut.flac", "empty.wav", "text.wav"]
    assert "back-slash" in told[0].reason and all(problem.remedy for problem in told)


def test_listing_is_lazy(tmp_path: Path) -> None:
    for name in "abc":
        sound(tmp_path / f"{name}.wav")
    found = manifest.survey(tmp_path)
    assert next(found).path == "a.wav"
    (tmp_path / "b.wav").write_text("changed since")
    assert "b.wav" in [row.path for row in found if isinstance(row, manifest.Problem)]


def test_an_update_adds_what_is_new_and_keeps_what_was_edited(tmp_path: Path) -> None:
    folder, path = tmp_path / "rec", tmp_path / "m.csv"
    sound(folder / "a" / "x.wav")
    sound(folder / "b" / "y.wav")
    assert update.add_folder(path, folder, labels_from="folder").added == 2
    edited = path.read_text().replace(",a,,,", ",mine,,,").replace("0.000,0.500,b", "0.1,0.2,b")
    path.write_text(edited)
    assert update.add_folder(path, folder, labels_from="folder") == update.Updated(0, 2)
    assert path.read_text() == edited
    sound(folder / "a" / "new.wav")
    done = update.add_folder(path, folder, labels_from="folder")
    assert (done.added, done.kept) == (1, 2) and path.read_text().startswith(edited)
    assert manifest.read(path).rows[-1] == Row("rec/a/new.wav", 0, 0.5, ("a",))
    sound(tmp_path / "second" / "z.wav")
    assert update.add_folder(path, tmp_path / "second").added == 1
    assert update.add_folder(path, tmp_path).added == 0, "everything below is there already"


def test_an_interrupted_update_goes_on_where_it_was(tmp_path: Path) -> None:
    for name in "abcd":
        sound(tmp_path / "rec" / f"{name}.wav")

    def interrupt(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        update.add_folder(tmp_path / "m.csv", tmp_path / "rec", progress=interrupt)
    assert len(manifest.read(tmp_path / "m.csv")) == 2
    assert update.add_folder(tmp_path / "m.csv", tmp_path / "rec") == update.Updated(2, 2)
    assert [row.path for row in manifest.read(tmp_path / "m.csv").rows] == [
        f"rec/{name}.wav" for name in "abcd"
    ]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["m.csv", "rec"]


def test_an_update_refuses_folders_that_the_label_map_lacks(tmp_path: Path) -> None:
    sound(tmp_path / "rec" / "vio" / "x.wav")
    labels = [Label("violin", code="vio"), Label("cello")]
    done = update.add_folder(tmp_path / "m.csv", tmp_path / "rec", labels_from="folder", labels=labels)
    assert done.added == 1 and manifest.read(tmp_path / "m.csv").rows[0].labels == ("violin",)
    assert manifest.read(tmp_path / "m.csv").label_map == ("violin", "cello"), "the map is beside it"
    sound(tmp_path / "rec" / "celo" / "x.wav")
    with pytest.raises(UsageError, match=r"celo/x\.wav: the folder's name 'celo'.*Did you mean 'cello'"):
        update.add_folder(tmp_path / "m.csv", tmp_path / "rec", labels_from="folder")


def test_names_that_will_not_travel_are_told(tmp_path: Path) -> None:
    sound(tmp_path / "rec" / "what?.wav")
    sound(tmp_path / "rec" / "bee.wav")
    sound(tmp_path / "rec" / "Bee.wav")
    if len(list((tmp_path / "rec").iterdir())) < 3:
        pytest.skip("case does not count on this disk")
    done = update.add_folder(tmp_path / "m.csv", tmp_path / "rec", durations=False)
    assert done.added == 3 and len(done.warnings) == 2
    assert "'what?.wav' ('?' is not allowed" in done.warnings[0]
    assert "'bee.wav' and 'Bee.wav'" in done.warnings[1]


def test_a_recording_that_the_manifest_has_in_other_case_is_not_added_twice(tmp_path: Path) -> None:
    sound(tmp_path / "rec" / "bee.wav")
    path = table(tmp_path, "path,labels", "rec/BEE.wav,bee")
    done = update.add_folder(path, tmp_path / "rec")
    assert done.added == 0 and len(manifest.read(path)) == 1
    (problem,) = done.problems
    assert "the manifest has it as 'BEE.wav'" in problem.reason


# ---- files against rows ------------------------------------------------------------------------------------


def test_check_says_what_is_wrong_with_rows(tmp_path: Path) -> None:
    sound(tmp_path / "one.wav", 1.0)
    (tmp_path / "text.wav").write_text("this is text")
    (tmp_path / "one.txt").touch()
    found = Manifest(
        (
            Row("one.wav", annotation="one.txt"),
            Row("one.wav", 0.5, 0.5),
            Row("one.wav", 0.5, 0.55),
            Row("one.wav", 0.5, 0.7),
            Row("one.wav", 1.0, 1.0),
            Row("one.wav", 0.25, annotation="two.txt"),
            Row("ones.wav"),
            Row("text.wav"),
        ),
        tmp_path,
    )
    files: list[int] = []
    good, problems = manifest.check(found, progress=files.append)
    assert good.rows == found.rows[:3] and files == [1, 2, 3], "each file is decoded once"
    told = {(problem.path, problem.start_s, problem.duration_s): problem for problem in problems}
    assert "ends at 1.2 s, the file at 1.000 s" in told["one.wav", 0.5, 0.7].reason
    assert "begins at 1 s, the file ends at 1.000 s" in told["one.wav", 1.0, 1.0].reason
    assert "no annotation 'two.txt'" in told["one.wav", 0.25, None].reason
    missing = told["ones.wav", 0.0, None]
    assert "no such file" in missing.reason and missing.remedy == "Did you mean 'one.wav'?"
    assert "text" in told["text.wav", 0.0, None].reason
    good, problems = manifest.check(found, decode=False)
    assert [problem.path for problem in problems] == ["one.wav", "ones.wav"]

    badrows.write(told.values(), tmp_path / "m.bad_rows.csv")
    assert badrows.read(tmp_path / "m.bad_rows.csv") == list(told.values())
    assert badrows.beside("clips/m.parquet") == Path("clips/m.bad_rows.csv")


def test_add_rows_takes_new_and_good_rows_only(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    sound(tmp_path / "b.wav")
    path = table(tmp_path, "path,labels", "a.wav,x")
    new = Manifest((Row("a.wav", labels=("y",)), Row("b.wav"), Row("c.wav")), tmp_path)
    done = update.add_rows(path, new)
    assert (done.added, done.kept, [problem.path for problem in done.problems]) == (1, 1, ["c.wav"])
    assert [(row.path, row.labels) for row in manifest.read(path).rows] == [("a.wav", ("x",)), ("b.wav", ())]
    assert update.add_rows(path, new, look=False).added == 1, "without a look c.wav may be anywhere"
    with pytest.raises(UsageError, match="rows can be added to the form sonoscope only"):
        update.add_rows(path, new, form="label")


def test_rows_of_a_narrower_map_say_what_nobody_judged(tmp_path: Path) -> None:
    labels = [Label("violin", code="vio"), Label("drums")]
    new = Manifest((Row("a.wav", labels=("vio",)), Row("b.wav", unknown=("*",))), tmp_path, ("vio",))
    done = update.add_rows(tmp_path / "m.csv", new, look=False, labels=labels)
    assert done == update.Updated(2, 0)
    found = manifest.read(tmp_path / "m.csv")
    assert found.label_map == ("violin", "drums"), "the map lies beside it"
    assert found.rows[0] == Row("a.wav", labels=("violin",), unknown=("drums",))
    assert found.rows[1].unknown == ("*",)
    before = (tmp_path / "m.csv").read_bytes()
    with pytest.raises(
        UsageError, match=r"c\.wav: the label 'drum' is not in the label map\. Did you mean 'drums'"
    ):
        update.add_rows(tmp_path / "m.csv", Manifest((Row("c.wav", labels=("drum",)),), tmp_path), look=False)
    with pytest.raises(BadManifest, match="is another label map"):
        update.add_rows(tmp_path / "m.csv", new, look=False, labels="irmas")
    assert (tmp_path / "m.csv").read_bytes() == before


def test_labels_of_one_side_only_are_told_where_there_is_no_map(tmp_path: Path) -> None:
    update.add_rows(tmp_path / "m.csv", Manifest((Row("a.wav", labels=("bee",)),), tmp_path), look=False)
    new = Manifest((Row("b.wav", labels=("fly",)),), tmp_path)
    (warning,) = update.add_rows(tmp_path / "m.csv", new, look=False).warnings
    assert "or only the new ones: bee, fly. The other rows count as not having them" in warning
    again = Manifest((Row("c.wav", labels=("fly", "bee")),), tmp_path)
    assert update.add_rows(tmp_path / "m.csv", again, look=False).warnings == ()


def test_the_copy_for_a_model_tells_no_path_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    found = Manifest(
        (Row("a/x.wav", 0, 1, ("violin",), group="g", extra={"fold": "A"}),), tmp_path / "far" / "away"
    )
    copy = manifest.copy_into(found, tmp_path / "model")
    assert copy == tmp_path / "model" / "training-manifest.csv" and "away" not in copy.read_text()
    assert manifest.read(copy, root=found.root) == found


def test_ten_thousand_rows_are_written_read_and_turned_into_targets(tmp_path: Path) -> None:
    found = Manifest(tuple(Row(f"{i % 100}/{i}.wav", 0, 1, ("a", "b")) for i in range(10_000)), tmp_path)
    manifest.write(found, tmp_path / "m.csv")
    assert manifest.read(tmp_path / "m.csv") == found
    sounds, known = found.targets()
    assert sounds.shape == (10_000, 2) and sounds.all() and known.all()


@pytest.mark.data
def test_the_recordings_beside_the_project_make_a_manifest(data_dir: Path, tmp_path: Path) -> None:
    done = update.add_folder(
        tmp_path / "m.csv", data_dir / "field_events", labels_from="folder", durations=False
    )
    found = manifest.read(tmp_path / "m.csv")
    assert done.added == len(found) == sum(1 for _ in (data_dir / "field_events").rglob("*.ogg"))
    good, problems = manifest.check(Manifest(found.rows[:5], found.root))
    assert len(good) == 5 and not problems


def test_a_label_map_that_was_found_beside_the_table_is_named(tmp_path):
    labelmap.write(labelmap.find(["flute", "violin"], tmp_path), tmp_path)
    (tmp_path / "m.csv").write_text("path,labels\na.wav,violn\n")
    with pytest.raises(BadManifest) as raised:
        manifest.read(tmp_path / "m.csv")
    assert str(raised.value).endswith(
        "'violn' holds 'violn', which is not in the label map, labels.json beside this table. Did you mean 'violin'? "
        "Correct it, or add it to the map, or put the table into a folder of its own."
    )
    with pytest.raises(
        BadManifest, match=r"not in the label map\. Did you mean 'violin'\? Correct it, or add it to"
    ):
        manifest.read(tmp_path / "m.csv", labels=["violin"])
