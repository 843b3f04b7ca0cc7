"""Annotations of recordings, whatever wrote them: events and notes with times in seconds from the start."""

from __future__ import annotations

import json
import math
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from sonoscope.data import annotation, sources
from sonoscope.data.rows import BadManifest
from sonoscope.outputs import WRITERS, UnreadableTable
from sonoscope.values import Event, FileResult, Label

EVENTS = (Event(0.5, 1.25, "violin", 0.91), Event(2.0, 3.5, "drums", 0.5), Event(2.0, 2.5, "violin", 0.75))


def times(found: tuple[Event, ...]) -> list[tuple[float, float, str]]:
    return [(event.start_s, event.end_s, event.label) for event in found]


def notes(found: tuple[Event, ...]) -> list[tuple[float, float, float | None, int | None]]:
    return [(event.start_s, event.end_s, event.pitch, event.velocity) for event in found]


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def result(name: str) -> FileResult:
    labels = tuple(map(Label, sorted({e.label for e in EVENTS})))
    return FileResult(name, name, "instruments", labels, 10.0, 22_050, 1, tuple(sorted(EVENTS)))


@pytest.mark.parametrize("form", ["csv", "raven", "audacity", "birdnet", "dcase", "jams", "jsonl", "parquet"])
def test_events_written_by_this_package_come_back(form: str, tmp_path: Path) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    writer = WRITERS[form]
    path = tmp_path / f"a.wav{writer.suffix}"
    with open(path, "wb") if writer.binary else open(path, "w", newline="", encoding="utf-8") as file:
        writer.write(result("a.wav"), file)
    assert times(annotation.read(path, recording="a.wav")) == times(tuple(sorted(EVENTS)))


def test_a_table_of_several_recordings_gives_those_of_one(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        WRITERS["csv"].write_many([result("n1/a.wav"), result("n2/b.wav")], file)
    assert (
        len(annotation.read(path, recording="n1/a.wav")) == len(annotation.read(path, recording="b.wav")) == 3
    )
    assert annotation.read(path, recording="n1/c.wav") == ()
    assert len(annotation.read(path)) == 6


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "0.5\t1.5\tbird 0.90\n", [(0.5, 1.5, "bird")]),
        ("a.txt", "", []),
        ("a.txt", "Begin Time (s)\tEnd Time (s)\tAnnotation\n1.0\t2.0\tbee\n", [(1.0, 2.0, "bee")]),
        ("a.csv", "\ufeffTIME,VALUE,DURATION,LABEL\r\n1.5,0,0.25,wind\r\n", [(1.5, 1.75, "wind")]),
        ("a.csv", "1.5,0,0.25,wind\n", [(1.5, 1.75, "wind")]),
        ("a.csv", "start,duration,label\n1.5,0.25,wind\n", [(1.5, 1.75, "wind")]),
        ("a.csv", '"file","start","end","label"\na.wav,0.5,1,bird\n', [(0.5, 1.0, "bird")]),
        ("a.csv", "Start (s),End (s),Scientific name,Common name,Confidence,File\n3.0,6.0,A b,C,0.9,a.wav\n",
         [(3.0, 6.0, "A b_C")]),
    ],
)  # fmt: skip
def test_forms_are_told_by_their_first_line(
    name: str, content: str, expected: list[tuple[float, float, str]], tmp_path: Path
) -> None:
    assert times(annotation.read(write(tmp_path / name, content), recording="a.wav")) == expected


def test_buzzdetect_tables_are_read_by_ident(tmp_path: Path) -> None:
    path = write(
        tmp_path / "annotations.csv",
        '"source","ident","start","end","label"\n"e","site/1/rec",1,2.5,"ins_buzz"\n"e","site/2/rec",3,4,"rain"\n',
    )
    assert times(annotation.read(path, recording="audio/site/1/rec.mp3")) == [(1.0, 2.5, "ins_buzz")]
    assert times(annotation.read(path, recording="audio/site/3/rec.mp3")) == []
    assert len(annotation.read(path)) == 2


def test_a_table_of_many_idents_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    decoded = annotation.table.decoded
    monkeypatch.setattr(annotation.table, "decoded", lambda path: read.append(path) or decoded(path))
    file = tmp_path / "annotations.csv"
    lines = [f"e,site/{number}/rec,{number},{number + 1},ins_buzz" for number in range(300)]
    file.write_text("\n".join(["source,ident,start,end,label", *lines, ""]))
    found = [annotation.read(file, recording=f"audio/site/{number}/rec.mp3") for number in range(300)]
    assert [event.start_s for events in found for event in events] == list(range(300))
    assert len(annotation.read(file)) == 300 and annotation.recordings(file)[7] == "site/7/rec"
    assert len(read) <= 2, "its first line, and all of it"
    file.write_text(file.read_text() + "e,site/0/rec,9,10,rain\n")
    assert len(annotation.read(file, recording="site/0/rec.wav")) == 2, (
        "a file that was changed is read again"
    )


def test_musicnet_times_are_samples_at_44100(tmp_path: Path) -> None:
    path = write(
        tmp_path / "1788.csv",
        "start_time,end_time,instrument,note,start_beat,end_beat,note_value\n"
        "44100,66150,43,53,4.0,1.5,Dotted Quarter\n0,22050,41,76,0.0,1.0,Quarter\n",
    )
    found = annotation.read(path)
    assert times(found) == [(0.0, 0.5, "violin"), (1.0, 1.5, "cello")]
    assert [event.pitch for event in found] == [76, 53]
    with pytest.raises(
        BadManifest, match=r"1788\.csv, line 2, column 'instrument': '53' is no instrument of MusicNet"
    ):
        annotation.read(write(path, path.read_text().replace(",43,53", ",53,53")))


def test_maps_texts_are_notes(tmp_path: Path) -> None:
    path = write(
        tmp_path / "MAPS_x.txt", "OnsetTime\tOffsetTime\tMidiPitch\r\n0.500004\t0.914\t65\r\n0.1\t0.2\t21\r\n"
    )
    assert notes(annotation.read(path, label="piano")) == [(0.1, 0.2, 21, None), (0.500004, 0.914, 65, None)]
    with pytest.raises(
        BadManifest, match=r"line 3, column 'MidiPitch': '210' is no MIDI number \(0\.\.127\)"
    ):
        annotation.read(write(path, path.read_text().replace("\t21\n", "\t210\n")))


def test_guitarset_strings_are_united_and_both_layouts_of_jams_are_read(tmp_path: Path) -> None:
    low = [{"time": 1.0, "duration": 0.5, "value": 40.02, "confidence": None}]
    high = {"time": [0.25, 2.0], "duration": [0.5, 0.25], "value": [64.1, 66.0], "confidence": [None, None]}
    content = {"annotations": [{"namespace": "note_midi", "data": low}, {"namespace": "note_midi", "data": high},
                               {"namespace": "chord", "data": [{"time": 0, "duration": 9, "value": "E"}]}]}  # fmt: skip
    path = write(tmp_path / "a.jams", json.dumps(content))
    found = annotation.read(path, label="acoustic_guitar")
    assert notes(found) == [(0.25, 0.75, 64.1, None), (1.0, 1.5, 40.02, None), (2.0, 2.25, 66.0, None)]
    assert {event.label for event in found} == {"acoustic_guitar"}
    del low[0]["value"]
    with pytest.raises(BadManifest, match=r"a\.jams: a note without time, duration or value"):
        annotation.read(write(path, json.dumps(content)))


def midi_file(path: Path, *messages: tuple[int, mido.Message]) -> Path:
    """A file of messages at given milliseconds: 500 ticks to the beat, two beats to the second."""
    file = mido.MidiFile(ticks_per_beat=500)
    track, now = mido.MidiTrack(), 0
    for at_ms, message in messages:
        track.append(message.copy(time=at_ms - now))
        now = at_ms
    file.tracks.append(track)
    file.save(path)
    return path


def on(note: int, velocity: int = 64, channel: int = 0) -> mido.Message:
    return mido.Message("note_on", note=note, velocity=velocity, channel=channel)


def pedal(value: int, channel: int = 0) -> mido.Message:
    return mido.Message("control_change", control=64, value=value, channel=channel)


@pytest.fixture
def performance(tmp_path: Path) -> Path:
    return midi_file(
        tmp_path / "a.midi",
        (0, on(60, 80)),
        (500, pedal(64)),
        (600, on(60, 0)),  # released while the pedal is down
        (1000, on(62, 70)),
        (1200, on(60, 90)),  # struck again: the first one ends here
        (1300, on(62, 0)),
        (1500, pedal(63)),  # pedal up: 62 ends
        (1800, on(60, 0)),
        (2000, on(64, 50)),  # never released: ends with the file
        (2500, pedal(0)),
    )


def test_midi_notes_end_with_their_keys(performance: Path) -> None:
    assert notes(annotation.read(performance, label="piano")) == [
        (0.0, 0.6, 60, 80),
        (1.0, 1.3, 62, 70),
        (1.2, 1.8, 60, 90),
        (2.0, 2.5, 64, 50),
    ]


def test_the_pedal_extends_notes_until_it_comes_up_or_they_are_struck_again(performance: Path) -> None:
    assert notes(annotation.read(performance, label="piano", pedal=True)) == [
        (0.0, 1.2, 60, 80),
        (1.0, 1.5, 62, 70),
        (1.2, 1.8, 60, 90),
        (2.0, 2.5, 64, 50),
    ]


def test_channels_do_not_meet_and_tempo_changes_count(tmp_path: Path) -> None:
    path = midi_file(
        tmp_path / "b.mid",
        (0, on(60, 80, 0)),
        (0, pedal(127, 1)),
        (500, on(60, 0, 0)),
        (500, mido.Message("note_on", note=60, velocity=1, channel=1)),
        (1000, mido.MetaMessage("set_tempo", tempo=1_000_000)),
        (1500, on(60, 0, 1)),
    )
    assert notes(annotation.read(path, pedal=True)) == [(0.0, 0.5, 60, 80), (0.5, 2.0, 60, 1)]


def test_midi_notes_agree_with_pretty_midi(performance: Path) -> None:
    pretty_midi = pytest.importorskip("pretty_midi")
    expected = sorted(
        (round(n.start, 6), round(n.end, 6), n.pitch, n.velocity)
        for instrument in pretty_midi.PrettyMIDI(str(performance)).instruments
        for n in instrument.notes
    )
    # pretty_midi drops a note that is never released.
    assert notes(annotation.read(performance))[:3] == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.mid", "MThd, but text", r"a\.mid: not a MIDI file .*Fetch it again"),
        ("a.csv", "colour,size\n1,2\n", r"a\.csv, line 1: 'colour,size' begins no annotation.*data formats"),
        ("a.txt", "dear diary\n", r"a\.txt, line 1: 'dear diary' begins no annotation"),
        ("a.jams", "{}", r"a\.jams: not a JAMS file"),
        ("a.txt", "0.5\tx\tbird\n", r"a\.txt, line 1, column 'end': is 'x', not a number"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises((BadManifest, UnreadableTable), match=message):
        annotation.read(write(tmp_path / name, content))


def test_a_missing_annotation_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match=r"x\.csv: there is no such file\. Correct the column 'annotation'"):
        annotation.read(tmp_path / "x.csv")


def test_scores_of_notes_are_unknown(performance: Path) -> None:
    assert all(math.isnan(event.score) for event in annotation.read(performance))


def test_tiers_of_elan_beside_a_recording(tmp_path: Path) -> None:
    """The file names the recording as it was when it was annotated; beside it lies what it was copied to."""
    soundfile.write(tmp_path / "dawn.flac", np.zeros(32_000), 8_000)
    (tmp_path / "dawn.eaf").write_text(
        '<ANNOTATION_DOCUMENT FORMAT="3.0"><HEADER TIME_UNITS="milliseconds">'
        '<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/rec/night/original.wav" MIME_TYPE="audio/x-wav"/></HEADER>'
        '<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/>'
        '<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1250"/></TIME_ORDER><TIER TIER_ID="robin"><ANNOTATION>'
        '<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">'
        "<ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"
    )
    found = sources.load(f"annotated:{tmp_path}")
    (row,) = found.rows
    assert (row.path, row.labels, row.annotation) == ("dawn.flac", ("robin",), "dawn.eaf")
    assert [(e.start_s, e.end_s, e.label) for e in annotation.of(found, row)] == [(0.5, 1.25, "robin")]
