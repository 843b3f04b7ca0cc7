"""MIDI files played as they are: what is read, what is heard, and the notes that are written beside it."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from sonoscope.data.rendering import orchestra, render, songs
from sonoscope.data.rendering.synth import soundfonts
from sonoscope.data.rows import BadManifest
from sonoscope.errors import RunRefused, UsageError


def track(*messages: tuple[int, mido.Message | mido.MetaMessage]) -> mido.MidiTrack:
    return mido.MidiTrack([message.copy(time=ticks) for ticks, message in messages])


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A violin at 120 a minute, then at 60; a piano with its pedal, and its volume in another track; drums."""
    say = mido.Message
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(
        track((0, mido.MetaMessage("set_tempo", tempo=500_000)),
              (0, say("control_change", channel=1, control=7, value=50)),
              (960, mido.MetaMessage("set_tempo", tempo=1_000_000)))
    )  # fmt: skip
    file.tracks.append(
        track((0, say("program_change", channel=0, program=40)), (480, say("note_on", channel=0, note=69, velocity=90)),
              (480, say("note_off", channel=0, note=69)), (480, say("note_on", channel=0, note=71, velocity=80)),
              (480, say("note_on", channel=0, note=71, velocity=0)))
    )  # fmt: skip
    file.tracks.append(
        track((0, say("control_change", channel=1, control=64, value=127)), (0, say("note_on", channel=1, note=48)),
              (240, say("note_off", channel=1, note=48)), (720, say("control_change", channel=1, control=64, value=0)))
    )  # fmt: skip
    file.tracks.append(
        track((0, say("note_on", channel=9, note=38)), (120, say("note_off", channel=9, note=38)))
    )
    file.save(tmp_path / "song.mid")
    return tmp_path / "song.mid"


def test_parts_are_read_in_seconds_with_their_programs(song: Path) -> None:
    parts, end_s = songs.read_parts(song)
    assert [(part.program, part.is_kit) for part in parts] == [(40, False), (0, False), (0, True)]
    assert [(n.onset_s, n.offset_s, n.pitch) for n in parts[0].notes] == [(0.5, 1.0, 69), (2.0, 3.0, 71)]
    assert end_s == 3.0
    assert [(c.kind, c.value) for c in parts[1].controls][:2] == [
        ("expression", pytest.approx(63.5)),
        ("pedal", 127.0),
    ]


def test_players_are_those_of_the_file_or_those_that_are_named(song: Path) -> None:
    assert [player.name for player, _, _ in songs.scores(song)] == ["violin", "piano", "drums"]
    flute = orchestra.find("flute")
    named = songs.scores(song, [flute], 1.2)
    assert [(player.name, program) for player, program, _ in named] == [
        ("flute", 73),
        ("flute", 73),
        ("drums", 0),
    ]
    assert [len(score.notes) for _, _, score in named] == [1, 1, 1]
    assert songs.player_of(48, is_kit=False).label == "other"


def test_what_is_no_midi_or_has_no_notes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mid").write_text("no music")
    with pytest.raises(BadManifest, match=r"text\.mid cannot be read as MIDI"):
        songs.read_parts(tmp_path / "text.mid")
    mido.MidiFile().save(tmp_path / "empty.mid")
    with pytest.raises(BadManifest, match="holds no notes"):
        songs.read_parts(tmp_path / "empty.mid")


@pytest.fixture(scope="module")
def font() -> str:
    pytest.importorskip("fluidsynth")
    here = soundfonts()
    if not here:
        pytest.skip("no General MIDI soundfont on this machine")
    return min(here, key=lambda name: here[name].stat().st_size)


def test_a_song_is_heard_with_its_notes_beside_it(song: Path, font: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = songs.render_songs(out, [song], soundfont=font, format="wav")
    (row,) = render.read_csv(manifest)
    assert (row["labels"], row["instrument"]) == ("piano;violin;drums", "violin;piano;drums")
    notes = [
        (float(n["onset"]), float(n["offset"]), n["pitch"], n["label"])
        for n in render.read_csv(out / "song.notes.csv")
    ]
    expected = [
        (0.0, 0.125, "38", "drums"),
        (0.0, 1.0, "48", "piano"),
        (0.5, 1.0, "69", "violin"),
        (2.0, 3.0, "71", "violin"),
    ]
    assert [note[2:] for note in notes] == [note[2:] for note in expected]
    np.testing.assert_allclose([note[:2] for note in notes], [note[:2] for note in expected], atol=0.003)
    samples, rate = soundfile.read(out / "song.wav")
    assert len(samples) == pytest.approx((3.0 + songs.TAIL_S) * rate, abs=64)
    loud = [
        np.abs(samples[round(a * rate) : round(b * rate)]).max()
        for a, b in ((0, 0.4), (1.6, 1.95), (2.1, 2.9))
    ]
    assert min(loud[0], loud[2]) > 4 * loud[1]


def test_a_folder_grows_and_holds_one_kind(song: Path, font: str, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other.mid"
    other.write_bytes(song.read_bytes())
    songs.render_songs(out, [song], soundfont=font, duration_s=1.0)
    before = (out / "song.flac").stat().st_mtime_ns
    rows = render.read_csv(songs.render_songs(out, [song, other], soundfont=font, duration_s=1.0))
    assert [row["path"] for row in rows] == ["song.flac", "other.flac"]
    assert (out / "song.flac").stat().st_mtime_ns == before
    with pytest.raises(RunRefused, match="another bank"):
        songs.render_songs(out, [song], soundfont=font, duration_s=2.0)
    with pytest.raises(UsageError, match="2 files are called song"):
        songs.render_songs(tmp_path / "x", [song, tmp_path / "more" / "song.mid"], soundfont=font)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.mid"], "nothing.mid does not exist"),
        (["note.txt"], "is no MIDI file"),
        (["song.mid", "--pieces", "2"], "--pieces is for music that is composed"),
        (["song.mid", "--seed", "0"], "--seed is for music that is composed"),
    ],
)
def test_what_is_refused(song: Path, monkeypatch: pytest.MonkeyPatch, capsys, words, message) -> None:
    from sonoscope.cli import main

    monkeypatch.chdir(song.parent)
    (song.parent / "note.txt").write_text("")
    assert main(["data", "render", *words, "-o", "out"]) == 2
    assert message in capsys.readouterr().err
