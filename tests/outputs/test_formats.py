"""Every format against text written by hand, without events, with odd names, and there and back."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonoscope import outputs
from sonoscope.errors import UnknownName, UsageError
from sonoscope.outputs import READERS, WRITERS
from sonoscope.values import Event

HEADER = (
    "file,start,end,label,score,channel,low_hz,high_hz,pitch,velocity,"
    "model,start_datetime,site,recorder,raw,flags\n"
)

GOLDEN = {
    "csv": HEADER
    + "night1/a.wav,0.000,2.500,violin,0.8176,,196,3520.5,,,"
    "instruments,2026-05-01T21:30:00+02:00,meadow,AM7,,padded\n"
    "night1/a.wav,7.500,10.000,wind,0.8800,2,,,,,"
    "instruments,2026-05-01T21:30:00+02:00,meadow,AM7,,\n",
    "jsonl": '{"file": "night1/a.wav", "start": 0.0, "end": 2.5, "label": "violin", "score": 0.8176, '
    '"low_hz": 196.0, "high_hz": 3520.5, "model": "instruments", '
    '"start_datetime": "2026-05-01T21:30:00+02:00", "site": "meadow", "recorder": "AM7", "flags": "padded"}\n'
    '{"file": "night1/a.wav", "start": 7.5, "end": 10.0, "label": "wind", "score": 0.88, "channel": 2, '
    '"model": "instruments", '
    '"start_datetime": "2026-05-01T21:30:00+02:00", "site": "meadow", "recorder": "AM7"}\n',
    "raven": "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t"
    "Begin Path\tFile Offset (s)\tBegin File\tLabel\tScore\n"
    "1\tSpectrogram 1\t1\t0.000\t2.500\t196.0\t3520.5\t"
    "/data/field/night1/a.wav\t0.000\ta.wav\tviolin\t0.8176\n"
    "2\tSpectrogram 1\t2\t7.500\t10.000\t0.0\t8000.0\t"
    "/data/field/night1/a.wav\t7.500\ta.wav\twind\t0.8800\n",
    "audacity": "0.000000\t2.500000\tviolin 0.82\n7.500000\t10.000000\twind 0.88\n",
    "birdnet": "Start (s),End (s),Scientific name,Common name,Confidence,File\n"
    "0.000,2.500,violin,violin,0.8176,night1/a.wav\n"
    "7.500,10.000,wind,wind,0.8800,night1/a.wav\n",
    "kaleidoscope": "INDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,TOP1MATCH,TOP1DIST,MANUAL ID\n"
    "/data/field,night1,a.wav,0,0.000,2.500,violin,0.8176,\n"
    "/data/field,night1,a.wav,1,7.500,2.500,wind,0.8800,\n",
    "dcase": "filename\tonset\toffset\tevent_label\n"
    "night1/a.wav\t0.000\t2.500\tviolin\n"
    "night1/a.wav\t7.500\t10.000\twind\n",
    "buzzdetect": "start,activation_violin,activation_wind,activation_other\n"
    "0.000,1.500,-2.250,0.000\n2.500,3.000,-2.000,0.000\n5.000,-7.125,0.500,1.000\n7.500,-1.000,2.000,-3.000\n",
}  # fmt: skip

#: What a format can say of an event; times and label are everywhere.
HOLDS = {
    "csv": ("score", "channel", "low_hz", "high_hz", "pitch", "velocity", "raw", "flags"),
    "parquet": ("score", "channel", "low_hz", "high_hz", "pitch", "velocity", "raw", "flags"),
    "jsonl": ("score", "channel", "low_hz", "high_hz", "pitch", "velocity", "raw", "flags"),
    "raven": ("score",),
    "audacity": (),
    "birdnet": ("score",),
    "kaleidoscope": ("score",),
    "dcase": (),
    "jams": ("score", "channel", "low_hz", "high_hz", "pitch", "velocity", "raw", "flags"),
    "midi": (),
    "notes": ("score", "pitch", "velocity"),
}
FROM_EVENTS = tuple(HOLDS)
NAMES_THE_RECORDING = ("csv", "parquet", "jsonl", "birdnet", "kaleidoscope", "dcase", "jams")


# --- golden ---


@pytest.mark.parametrize("name", GOLDEN)
def test_text_by_hand(name, result, write):
    assert write(name, result) == GOLDEN[name]


def test_raw_is_a_column_on_request(result, write):
    rows = list(csv.DictReader(io.StringIO(write("csv", result, raw=True))))
    assert [row["raw"] for row in rows] == ["1.5", "2"]
    assert [json.loads(line)["raw"] for line in write("jsonl", result, raw=True).splitlines()] == [1.5, 2.0]


def test_audacity_frequencies_on_request(result, write):
    assert write("audacity", result, frequencies=True) == (
        "0.000000\t2.500000\tviolin 0.82\n\\\t196.000000\t3520.500000\n7.500000\t10.000000\twind 0.88\n"
    )


def test_buzzdetect_detections_on_request(result, write):
    assert write("buzzdetect", result, detections=True) == (
        "start,detections_violin,detections_wind,detections_other\n0.000,1,0,0\n2.500,0,0,0\n5.000,0,0,0\n7.500,0,1,0\n"
    )


def test_unknown_scores_are_empty_cells(make, write):
    plain = make((Event(1.0, 2.0, "violin", math.nan),))
    assert ",violin,,,," in write("csv", plain)
    assert write("audacity", plain) == "1.000000\t2.000000\tviolin\n"
    assert write("raven", plain).endswith("\tviolin\t\n")
    assert "score" not in write("jsonl", plain)
    assert json.loads(write("jams", plain))["annotations"][0]["data"][0]["confidence"] is None


def test_events_are_written_in_order_of_time(make, write):
    shuffled = make(
        (
            Event(5.0, 6.0, "a", 0.5),
            Event(1.0, 3.0, "b", 0.5),
            Event(1.0, 2.0, "c", 0.5),
            Event(1.0, 2.0, "a", 0.5),
        )
    )
    assert [line.split("\t")[1:4:2] for line in write("dcase", shuffled).splitlines()[1:]] == [
        ["1.000", "a"], ["1.000", "c"], ["1.000", "b"], ["5.000", "a"],
    ]  # fmt: skip


# --- raven ---


def test_raven_boxes_stay_within_what_was_heard(make, write):
    event = Event(0.0, 1.0, "violin", 0.5, low_hz=100.0, high_hz=12_000.0)
    columns = lambda r: write("raven", r).splitlines()[1].split("\t")[5:7]  # noqa: E731
    assert columns(make((event,))) == ["100.0", "8000.0"]  # the model hears up to 8 kHz
    assert columns(make((event,), sample_rate=11_025)) == ["100.0", "5512.5"]  # the recording has less
    assert columns(make((replace(event, low_hz=None, high_hz=None),), scores=None)) == ["0.0", "22050.0"]


def test_combined_raven_table_counts_on_from_file_to_file(make, write):
    event = (Event(1.0, 2.0, "violin", 0.5),)
    first, silent, last = (
        make(events, file=f"{name}.wav", path=f"/d/{name}.wav", duration_s=seconds)
        for name, events, seconds in (("a", event, 60.0), ("b", (), 30.25), ("c", event, 5.0))
    )
    rows = [line.split("\t") for line in write("raven", first, silent, last).splitlines()[1:]]
    assert [row[0] for row in rows] == ["1", "2"]
    assert [row[3:5] for row in rows] == [
        ["1.000", "2.000"],
        ["91.250", "92.250"],
    ]  # over the sequence of files
    assert [row[8] for row in rows] == ["1.000", "1.000"]  # inside the file
    assert [row[7] for row in rows] == ["/d/a.wav", "/d/c.wav"]


def test_a_combined_raven_table_needs_the_lengths(make, write):
    with pytest.raises(UsageError, match=r"the length of 'night1/a\.wav' is unknown.*give a folder"):
        write("raven", make(duration_s=0.0), make())


# --- no events, odd names ---


@pytest.mark.parametrize("name", WRITERS)
def test_no_events_is_a_valid_file(name, make, write, read):
    found = read(name, write(name, make()), threshold=99.0)
    assert [event for recording in found for event in recording.events] == []


@pytest.mark.parametrize("name", sorted(GOLDEN.keys() - {"audacity", "jsonl", "buzzdetect"}))
def test_no_events_is_the_header_alone(name, make, write):
    assert write(name, make()) == GOLDEN[name].splitlines(keepends=True)[0]


ODD = [
    'say "hi"',
    "a,b;c",
    "=1+1",
    "Ünïcode 🎻",
    "it's",
    " spaced ",
    "\\",
    "#x",
    "-1",
    "line\u2028break",
    "\x85",
]


@pytest.mark.parametrize("name", FROM_EVENTS)
@pytest.mark.parametrize("label", [*ODD, "tab\there", "two\nlines", "cr\rlf\r\n"])
def test_odd_labels(name, label, make, write, read):
    found = read(name, write(name, make((Event(0.0, 1.0, label, 0.5), Event(2.0, 3.0, "next", 0.5)))))
    labels = [event.label for event in found[0].events]
    tabbed = name in ("raven", "audacity", "dcase")
    assert labels == [" ".join(_split_at_breaks(label)) if tabbed else label, "next"]


def _split_at_breaks(label: str) -> list[str]:
    for broken in ("\r\n", "\n", "\r", "\t", "\u2028", "\x85"):
        label = label.replace(broken, "\0")
    return label.split("\0")


@pytest.mark.parametrize("name", NAMES_THE_RECORDING)
@pytest.mark.parametrize(
    "file", ['a "b".wav', "ü/ñ,1.wav", "=x.wav", "back\\slash.wav", "it's\there.wav", "two\nlines.wav"]
)
def test_odd_recordings(name, file, make, write, read):
    found = read(name, write(name, make((Event(0.0, 1.0, "violin", 0.5),), file=file, path="/d/" + file)))
    assert [r.file for r in found] == [" ".join(_split_at_breaks(file)) if name == "dcase" else file]


@pytest.mark.parametrize("name", FROM_EVENTS)
def test_bytes_that_are_no_text_can_be_written(name, make, write):
    broken = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    content = write(name, make((Event(0.0, 1.0, "violin", 0.5),), file=broken, path="/d/" + broken))
    if isinstance(content, str):
        content.encode("utf-8")
        assert name in ("audacity", "notes") or "caf\\udce9.wav" in content.replace("\\\\", "\\")


# --- there and back ---


def events() -> st.SearchStrategy[tuple[Event, ...]]:
    seconds = st.integers(0, 10**10).map(lambda n: n / 10**6)
    optional_hz = st.none() | st.integers(0, 48_000_000).map(lambda n: n / 1000)
    event = st.builds(
        lambda start, length, **more: Event(start, round(start + length, 6), **more),
        seconds,
        seconds,
        label=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12),
        score=st.integers(0, 10_000).map(lambda n: n / 10_000),
        raw=st.integers(-32_767, 32_767).map(lambda n: n / 1000),
        channel=st.none() | st.integers(1, 8),
        low_hz=optional_hz,
        high_hz=optional_hz,
        pitch=st.none() | st.integers(0, 127).map(float),
        velocity=st.none() | st.integers(1, 127),
        flags=st.sampled_from(["", "padded"]),
    )
    return st.lists(event, max_size=6).map(lambda found: tuple(sorted(found)))


@pytest.mark.parametrize("name", ["csv", "parquet", "jsonl", "jams", "birdnet", "kaleidoscope"])
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=events())
def test_what_is_written_is_read(name, found, make, write, read):
    again = read(name, write(name, make(found), raw=True))
    assert [r.file for r in again] == (["night1/a.wav"] if found or name == "jams" else [])
    back = again[0].events if again else ()
    assert sorted((_seen(event, name) for event in back), key=repr) == sorted(
        (_seen(event, name) for event in found), key=repr
    )


@pytest.mark.parametrize("name", ["raven", "audacity", "dcase", "notes"])
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=events())
def test_what_is_written_without_quotes_is_read(name, found, make, write, read):
    found = tuple(replace(event, label=f"label {number}") for number, event in enumerate(found))
    again = read(name, write(name, make(found)))
    back = again[0].events if again else ()
    assert sorted((_seen(event, name) for event in back), key=repr) == sorted(
        (_seen(event, name) for event in found), key=repr
    )


def _seen(event: Event, name: str) -> tuple:
    """What the format holds of an event."""
    return (event.start_s, event.end_s, event.label, *(getattr(event, field) for field in HOLDS[name]))


@pytest.mark.parametrize("name", ["csv", "parquet", "jsonl"])
def test_what_is_known_of_the_recording_is_read(name, result, make, write, read):
    other = make(
        (Event(0.5, 1.0, "wind", 0.7),), file="b.wav", model="field", start_datetime="", site="", recorder=""
    )
    back = read(name, write(name, result, other))
    for before, after in zip((result, other), back, strict=True):
        for field in ("file", "model", "start_datetime", "site", "recorder"):
            assert getattr(after, field) == getattr(before, field)
        assert {label.id for label in after.labels} == {event.label for event in before.events}


def test_audacity_keeps_scores_to_two_decimals_and_ranges(result, write, read):
    back = read("audacity", write("audacity", result, frequencies=True), name="out/night1/a.wav.labels.txt")[
        0
    ]
    assert back.file == "a.wav"
    assert [(e.label, e.score, e.low_hz, e.high_hz) for e in back.events] == [
        ("violin", 0.82, 196.0, 3520.5),
        ("wind", 0.88, None, None),
    ]


def test_detections_of_buzzdetect_become_events_again(result, write, read):
    back = read("buzzdetect", write("buzzdetect", result, detections=True), name="a.wav.buzzdetect.csv")[0]
    assert back.file == "a.wav"
    assert [(e.start_s, e.end_s, e.label) for e in back.events] == [(0.0, 2.5, "violin"), (7.5, 10.0, "wind")]


# --- other programs read them ---


@pytest.mark.filterwarnings("ignore:Passing a schema:DeprecationWarning")
def test_jams_is_valid_for_its_own_package(result, make, write, tmp_path):
    jams = pytest.importorskip("jams")
    for recording in (
        result,
        make(),
        make((Event(1.0, 2.0, "violin", math.nan),), duration_s=0.0, start_datetime=""),
    ):
        path = tmp_path / "a.jams"
        path.write_text(write("jams", recording), encoding="utf-8")
        found = jams.load(str(path), validate=True, strict=True)
        annotation = found.annotations.search(namespace="segment_open")[0]
        assert [(o.time, round(o.time + o.duration, 6), o.value) for o in annotation.data] == [
            (e.start_s, e.end_s, e.label) for e in recording.events
        ]
        assert found.file_metadata.duration == max(
            [recording.duration_s, *(e.end_s for e in recording.events)]
        )
        assert annotation.annotation_metadata.data_source == "program"


def test_parquet_through_pandas(result, make, write):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(io.BytesIO(write("parquet", result)))
    text = pandas.read_csv(io.StringIO(write("csv", result)))
    assert list(frame.columns) == list(text.columns) == HEADER.strip().split(",")
    assert frame["start"].tolist() == text["start"].tolist() == [0.0, 7.5]
    assert frame["score"].tolist() == text["score"].tolist()
    empty = pandas.read_parquet(io.BytesIO(write("parquet", make())))
    assert list(empty.columns) == list(frame.columns)
    assert (empty["start"].dtype, len(empty)) == (float, 0)


def test_parquet_without_pyarrow_names_the_extra(result, write, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(
        UsageError, match=r"parquet needs the package pyarrow.*pip install 'sonoscope\[tables\]'"
    ):
        write("parquet", result)


def test_buzzdetect_needs_scores(make, write):
    with pytest.raises(
        UsageError, match=r"a value for every window, and 'night1/a\.wav' comes without scores"
    ):
        write("buzzdetect", make(scores=None))


@pytest.mark.parametrize("name", [name for name, form in WRITERS.items() if not form.many])
def test_formats_for_one_recording_refuse_a_second(name, result, write):
    with pytest.raises(UsageError, match=f"a file of the format {name} holds one recording; give a folder"):
        write(name, result, result)


# --- names of formats ---


def test_the_tables_of_formats_agree_with_themselves():
    assert list(WRITERS) == [form.name for form in WRITERS.values()]
    assert all(form.writer and form.reader for form in WRITERS.values())
    assert READERS["sonicvisualiser"].writer is None
    assert outputs.suffixes() == {
        "csv": ".events.csv", "parquet": ".events.parquet", "jsonl": ".events.jsonl",
        "raven": ".selections.txt", "audacity": ".labels.txt", "birdnet": ".birdnet.csv",
        "kaleidoscope": ".kaleidoscope.csv", "dcase": ".dcase.tsv", "buzzdetect": ".buzzdetect.csv",
        "buzzr": "_buzzdetect.csv", "jams": ".jams", "midi": ".mid", "notes": ".notes.csv",
    }  # fmt: skip
    assert all(outputs.format_for(f"a.wav{form.suffix}") is form for form in WRITERS.values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("song.csv", "csv"), ("song.JSONL", "jsonl"), ("x/song.jams", "jams"), ("song.parquet", "parquet"),
        ("song.tsv", "dcase"), ("250704_0000_buzzdetect.csv", "buzzr"), ("a.Labels.TXT", "audacity"),
        ("events.csv", "csv"),
    ],
)  # fmt: skip
def test_endings_that_mean_a_format(name, expected):
    assert outputs.format_for(name).name == expected


@pytest.mark.parametrize("name", ["results", "results/", "song.wav", ".csv.d"])
def test_endings_that_mean_none(name):
    assert outputs.recognise(name) is None
    with pytest.raises(UnknownName, match=r"has the ending of no known format.* Known: .*\.events\.csv"):
        outputs.format_for(name)


def test_the_nearest_ending_is_named():
    with pytest.raises(UnknownName, match=r"Did you mean '\.selections\.txt'"):
        outputs.format_for("a.selection.txts")


def test_txt_alone_is_ambiguous():
    with pytest.raises(
        UsageError,
        match=r"\.txt could be several formats; end it with \.selections\.txt \(raven\) or \.labels",
    ):
        outputs.format_for("song.txt")


def test_a_table_of_scores_is_no_table_of_events():
    with pytest.raises(UsageError, match=r"\.scores\.csv is a table of window scores"):
        outputs.format_for("a.wav.scores.csv")


def test_unknown_format_names_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown format 'ravn'\. Did you mean 'raven'"):
        outputs.format_named("ravn")
