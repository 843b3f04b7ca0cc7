"""The tables of a run, and the schema of all JSON objects."""

from __future__ import annotations

import io
import json

import pytest

from sonoscope.outputs import UnreadableTable, jsonl, tables
from sonoscope.outputs.tables import ErrorsRow, FilesRow
from sonoscope.values import Event

FILES = [
    FilesRow(
        "n1/a.wav", "ok", "2026-05-01T21:30:00+02:00", "meadow", "AM7", 60.5, 60.0, 48_000, 3, "clipped"
    ),
    FilesRow('odd, "b"\n.wav', "failed", note="zero bytes"),
]


def text(write, rows) -> str:
    file = io.StringIO(newline="")
    write(rows, file)
    return file.getvalue()


def test_files_by_hand():
    assert text(tables.write_files, FILES) == (
        "file,status,start_datetime,site,recorder,duration,analysed,sample_rate,events,note\n"
        "n1/a.wav,ok,2026-05-01T21:30:00+02:00,meadow,AM7,60.500,60.000,48000,3,clipped\n"
        '"odd, ""b""\n.wav",failed,,,,,,,,zero bytes\n'
    )


def test_files_read_back():
    assert list(tables.read_files(io.StringIO(text(tables.write_files, FILES), newline=""))) == FILES


def test_errors_by_hand():
    rows = [ErrorsRow("a.wav", "zero bytes", "Record it again")]
    assert text(tables.write_errors, rows) == "file,reason,remedy\na.wav,zero bytes,Record it again\n"
    assert text(tables.write_errors, []) == "file,reason,remedy\n"


def test_files_that_are_none():
    with pytest.raises(UnreadableTable, match=r"files\.csv, line 1: no column 'status'.*restore it"):
        list(tables.read_files(io.StringIO("file,duration\n")))


def test_events_of_all_recordings_in_one_table(tmp_path, make, write):
    names = ["a.wav", "b\n.wav", "c.wav"]
    events = [(Event(1.0, 2.0, "v", 0.5), Event(3.0, 4.0, "v", 0.5)), (Event(0.0, 1.0, "w", 0.5),), ()]
    results = [make(e, file=name) for name, e in zip(names, events, strict=True)]
    paths = []
    for number, result in enumerate(results):
        paths.append(tmp_path / f"{number}.events.csv")
        paths[-1].write_bytes(write("csv", result).encode())
    out = io.StringIO(newline="")
    tables.concatenate(paths, out)
    assert out.getvalue() == write("csv", *results)


def test_no_recordings_give_the_header_alone(write):
    out = io.StringIO(newline="")
    tables.concatenate([], out)
    assert out.getvalue() == write("csv")


def test_a_table_of_another_version_is_not_mixed_in(tmp_path):
    (tmp_path / "old.events.csv").write_text("file,start\na.wav,1\n")
    with pytest.raises(
        UnreadableTable, match=r"old\.events\.csv: begins with 'file,start.*Delete it and run again"
    ):
        tables.concatenate([tmp_path / "old.events.csv"], io.StringIO())


# --- the schema ---


@pytest.fixture(scope="module")
def matches():
    """Which definitions an object fits, as sorted names; the whole schema must agree."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = tables.schema()
    jsonschema.Draft202012Validator.check_schema(schema)

    def found(value) -> list[str]:
        names = [
            name
            for name, part in schema["$defs"].items()
            if part.get("type") == "object" or "required" in part
        ]
        fits = []
        for name in names:
            root = {"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]}
            if jsonschema.Draft202012Validator(root).is_valid(value):
                fits.append(name)
        assert jsonschema.Draft202012Validator(schema).is_valid(value) == bool(fits)
        return sorted(fits)

    return found


def test_lines_of_events_fit_the_schema(result, write, matches):
    lines = write("jsonl", result, raw=True).splitlines()
    assert [matches(json.loads(line)) for line in lines] == [["event"], ["event"]]


def test_notes_are_events_with_a_pitch(make, matches):
    note = Event(0.0, 1.0, "violin", 0.5, pitch=69.5, velocity=90)
    assert matches(jsonl.event_object(make((note,)), note)) == ["event", "note"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"file": "a", "start": -1, "end": 1, "label": "v"},
        {"file": "a", "start": 0, "end": 1, "label": "v", "score": 1.5},
        {"file": "a", "start": 0, "end": 1, "label": "v", "colour": "red"},
    ],
)
def test_other_objects_do_not_fit(wrong, matches):
    assert matches(wrong) == []
