"""Notes in MIDI, CSV and JAMS: against pretty_midi and jams, there and back, and by hand."""

from __future__ import annotations

import io
import itertools
import json
import math
import time
from dataclasses import replace

import mido
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonoscope.data import annotation
from sonoscope.errors import UsageError
from sonoscope.outputs import UnreadableTable
from sonoscope.values import Event, Label


def note(
    start_s: float, end_s: float, pitch: float, velocity: int | None = 80, label: str = "piano"
) -> Event:
    return Event(start_s, end_s, label, 0.75, pitch=pitch, velocity=velocity)


TICK_S = 60 / 120 / 960


def heard(events) -> list[tuple]:
    return [(e.label, e.start_s, e.end_s, e.pitch, e.velocity) for e in events]


CHORD = (
    note(0.0, 1.0, 60),
    note(0.0, 1.0, 64, 127),
    note(0.5, 2.0, 67, 1),
    note(1.0, 1.25, 60, 64, "violin"),
)


def test_pretty_midi_reads_what_is_written(make, write):
    pretty_midi = pytest.importorskip("pretty_midi")
    drums = note(0.25, 0.5, 38, 100, "drums")
    found = pretty_midi.PrettyMIDI(io.BytesIO(write("midi", make((*CHORD, drums)))))
    tracks = {track.name: track for track in found.instruments}
    assert {name: (track.program, track.is_drum) for name, track in tracks.items()} == {
        "drums": (0, True), "piano": (0, False), "violin": (40, False),
    }  # fmt: skip
    seen = [(n.start, n.end, n.pitch, n.velocity) for n in tracks["piano"].notes]
    assert sorted(seen) == [(0.0, 1.0, 60, 80), (0.0, 1.0, 64, 127), (0.5, 2.0, 67, 1)]


def test_it_is_of_type_1_and_says_its_tempo(make, write):
    midi = mido.MidiFile(file=io.BytesIO(write("midi", make(CHORD), tempo=97.3)))
    assert (midi.type, midi.ticks_per_beat, len(midi.tracks)) == (1, 960, 3)
    assert [m.tempo for m in midi.tracks[0] if m.type == "set_tempo"] == [round(60e6 / 97.3)]
    assert midi.length == pytest.approx(2.0, abs=0.001)
    labelled = make((note(0, 1, 60, label="zither"),), labels=(Label("zither", gm_program=15),))
    track = mido.MidiFile(file=io.BytesIO(write("midi", labelled))).tracks[1]
    assert next(m.program for m in track if m.type == "program_change") == 15


@pytest.mark.parametrize("tempo", [4, 33.3, 120, 121.7, 999])
def test_ticks_never_drift(tempo, make, write, read):
    """An hour of notes: each time is within half a tick, whatever the tempo."""
    notes = tuple(note(k * 7.123457, k * 7.123457 + 0.5, 60) for k in range(0, 500, 7))
    (found,) = read("midi", write("midi", make(notes), tempo=tempo))
    half = 60 / tempo / 960 / 2 + 1e-5
    assert all(abs(a.start_s - b.start_s) <= half for a, b in zip(found.events, notes, strict=True))
    assert all(abs(a.end_s - b.end_s) <= half for a, b in zip(found.events, notes, strict=True))


@pytest.mark.parametrize("tempo", [0, 3.9, 1001, -120, math.nan])
def test_tempos_that_cannot_be_stated(tempo, make, write):
    with pytest.raises(UsageError, match=r"tempo .* must lie in 4\.\.1000 beats a minute"):
        write("midi", make(), tempo=tempo)


def notes_at_random() -> st.SearchStrategy[tuple[Event, ...]]:
    tick = st.integers(0, 4000)
    one = st.builds(
        lambda start, length, pitch, velocity, label: note(
            round(start * TICK_S, 6), round((start + length) * TICK_S, 6), float(pitch), velocity, label
        ),
        tick, st.integers(1, 2000), st.integers(58, 62), st.integers(1, 127), st.sampled_from(["piano", "violin"]),
    )  # fmt: skip
    return st.lists(one, max_size=8).map(tuple)


def apart(notes: tuple[Event, ...]) -> tuple[Event, ...]:
    """Only notes that overlap none before them of their pitch and label."""
    kept: list[Event] = []
    for one in sorted(notes):
        same = [k for k in kept if (k.label, k.pitch) == (one.label, one.pitch)]
        if all(k.end_s <= one.start_s for k in same):
            kept.append(one)
    return tuple(kept)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(notes=notes_at_random())
def test_notes_go_to_midi_and_back(notes, make, write, read):
    (found,) = read("midi", write("midi", make(apart(notes))))
    seen, wanted = (sorted(heard(events)) for events in (found.events, apart(notes)))
    for one, two in zip(seen, wanted, strict=True):
        assert (one[0], *one[3:]) == (two[0], *two[3:])
        assert one[1:3] == pytest.approx(two[1:3], abs=2e-6)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(notes=notes_at_random())
def test_notes_that_overlap_end_where_the_next_begins(notes, make, write, read):
    (found,) = read("midi", write("midi", make(notes)))
    assert {(e.label, e.pitch) for e in found.events} == {(e.label, e.pitch) for e in notes}
    for key in {(e.label, e.pitch) for e in notes}:
        own = sorted(e for e in found.events if (e.label, e.pitch) == key)
        assert all(a.end_s <= b.start_s for a, b in itertools.pairwise(own))
        starts = {round(e.start_s, 4) for e in notes if (e.label, e.pitch) == key}
        assert {round(e.start_s, 4) for e in own} == starts


def test_no_notes_is_a_valid_file_that_others_open(make, write, read):
    content = write("midi", make())
    assert mido.MidiFile(file=io.BytesIO(content)).length == 0
    pretty_midi = pytest.importorskip("pretty_midi")
    assert pretty_midi.PrettyMIDI(io.BytesIO(content)).instruments == []
    assert read("midi", content, name="a.wav.mid")[0].file == "a.wav"


def test_short_notes_fractions_and_unknown_velocities(make, write, read):
    short = (note(1.0, 1.00001, 60.4, None), Event(2.0, 3.0, "piano", math.nan, pitch=61.0))
    (found,) = read("midi", write("midi", make(short)))
    assert [(e.pitch, e.velocity) for e in found.events] == [(60.0, 95), (61.0, 64)]
    assert found.events[0].end_s == pytest.approx(1 + TICK_S, abs=1e-6)


def test_twenty_labels_have_their_own_tracks_and_none_is_on_the_channel_of_drums(make, write, read):
    notes = tuple(note(0.0, 1.0, 60, label=f"label {k:02}") for k in range(20))
    content = write("midi", make(notes))
    channels = {m.channel for m in mido.MidiFile(file=io.BytesIO(content)) if m.type == "note_on"}
    assert 9 not in channels and len(channels) == 15
    assert {e.label for e in read("midi", content)[0].events} == {e.label for e in notes}


def test_events_that_are_no_notes_are_markers(make, write, read):
    mixed = (Event(0.5, 1.5, "voice", 0.9), note(1.0, 2.0, 60))
    content = write("midi", make(mixed))
    marks = [m.text for m in mido.MidiFile(file=io.BytesIO(content)) if m.type == "marker"]
    assert marks == ["voice", "voice ends"]
    assert heard(read("midi", content)[0].events) == [
        ("voice", 0.5, 1.5, None, None),
        ("piano", 1.0, 2.0, 60.0, 80),
    ]


def test_changes_of_tempo_and_type_0_are_followed(read):
    track = mido.MidiTrack([
        mido.MetaMessage("set_tempo", tempo=500_000), mido.Message("note_on", note=60, velocity=90, time=480),
        mido.MetaMessage("set_tempo", tempo=1_000_000, time=480),
        mido.Message("note_on", note=60, velocity=0, time=480),
        mido.Message("note_on", note=62, velocity=90), mido.MetaMessage("end_of_track", time=960),
    ])  # fmt: skip
    midi, file = mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]), io.BytesIO()
    midi.save(file=file)
    assert heard(read("midi", file.getvalue())[0].events) == [
        ("note", 0.5, 2.0, 60.0, 90),
        ("note", 2.0, 4.0, 62.0, 90),
    ]


def test_a_performance_whose_tempo_changes_at_every_note_is_read_in_good_time(read):
    track, many = mido.MidiTrack(), 20_000
    for place in range(many):
        track += [
            mido.MetaMessage("set_tempo", tempo=400_000 + place % 200_000),
            mido.Message("note_on", note=60, velocity=90),
            mido.Message("note_off", note=60, time=48),
        ]
    midi, file = mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]), io.BytesIO()
    midi.save(file=file)
    began = time.process_time()
    notes = read("midi", file.getvalue())[0].events
    assert time.process_time() - began < 20.0  # looking through all changes for each note took minutes
    assert len(notes) == many
    assert notes[-1].end_s == pytest.approx(sum(0.04 + i % 200_000 * 1e-7 for i in range(many)), abs=1e-3)


@pytest.mark.parametrize(
    "content", [b"", b"MThd", b"RIFF....WAVE", b"MThd\x00\x00\x00\x06\x00\x01\x00\x02\x01\xe0MTrk"]
)
def test_what_is_no_midi_file(content, read):
    with pytest.raises(UnreadableTable, match=r"x\.txt: not a MIDI file"):
        read("midi", content)


# ---- tables ------------------------------------------------------------------------------------------------


def test_the_table_by_hand(make, write, read):
    exact = (replace(CHORD[0], pitch=60.25), replace(CHORD[2], velocity=None, score=math.nan))
    content = write("notes", make(exact))
    assert content == (
        "onset,offset,pitch,velocity,label,score\n0.000,1.000,60.25,80,piano,0.7500\n0.500,2.000,67,,piano,\n"
    )
    (back,) = read("notes", content, name="out/a.wav.notes.csv")
    assert back.file == "a.wav" and heard(back.events) == heard(exact)


def test_tables_of_others(read):
    (found,) = read("notes", "pitch,onset,offset\n60,0.5,1\n")
    assert heard(found.events) == [("note", 0.5, 1.0, 60.0, None)]
    with pytest.raises(UnreadableTable, match=r"line 2, column 'pitch': is 200\. A MIDI number is needed"):
        read("notes", "pitch,onset,offset\n200,0.5,1\n")


def test_notes_beside_recordings_are_annotations(tmp_path, make, write):
    for name, file in (("notes", "a.notes.csv"), ("midi", "a.mid"), ("jams", "a.jams")):
        content = write(name, make(CHORD[:3]))
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        found = annotation.read(tmp_path / file, label="piano")
        assert [(e.start_s, e.end_s, e.pitch) for e in found] == [
            (e.start_s, e.end_s, e.pitch) for e in CHORD[:3]
        ]


# ---- jams --------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Passing a schema:DeprecationWarning")
def test_jams_has_notes_of_its_namespace(make, write, read, tmp_path):
    jams = pytest.importorskip("jams")
    mixed = make((Event(0.5, 1.5, "voice", 0.9), *CHORD))
    path = tmp_path / "a.jams"
    path.write_text(write("jams", mixed), encoding="utf-8")
    found = jams.load(str(path), validate=True, strict=True)
    (notes,) = found.annotations.search(namespace="note_midi")
    assert [o.value for o in notes.data] == [60.0, 64.0, 67.0, 60.0]
    assert notes.sandbox["velocity"] == [80, 127, 1, 64] and notes.sandbox["label"][3] == "violin"
    assert [o.value for o in found.annotations.search(namespace="segment_open")[0].data] == ["voice"]
    (back,) = read("jams", write("jams", mixed))
    assert sorted(heard(back.events), key=repr) == sorted(heard(mixed.events), key=repr)
    only = json.loads(write("jams", make(CHORD)))
    assert [a["namespace"] for a in only["annotations"]] == ["note_midi"]
