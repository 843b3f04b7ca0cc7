"""``sonoscope notes`` as it is typed: to the screen, to a file, to a folder, and what it refuses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from sonoscope.cli import rolls
from sonoscope.cli.display import Screen
from sonoscope.models.bundle import Bundle
from sonoscope.values import Event

RATE = 24_000
MELODY = [(0.3, 0.9, 60), (0.9, 1.5, 64), (1.5, 2.4, 67), (1.5, 2.4, 79)]


@pytest.fixture(autouse=True)
def models_of_notes(notes: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONOSCOPE_MODELS", str(notes.path.parent))


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory, tones: Callable[..., np.ndarray]) -> Path:
    file = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(file, tones(MELODY, 2.6, RATE), RATE)
    return file


def pitches(file: Path) -> list[int]:
    return [m.note for track in mido.MidiFile(file).tracks for m in track if m.type == "note_on"]


def test_the_screen_shows_a_table_and_a_roll(sonoscope, song):
    ran = sonoscope("notes", song)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert "song.wav  0:02.60, 24 kHz, 1 channel; model notes" in lines[0]
    assert lines[2].split() == ["start", "end", "pitch", "midi", "velocity", "score"]
    named = sorted(tuple(line.split()[2:4]) for line in lines[3:7])
    assert named == [("C4", "60"), ("E4", "64"), ("G4", "67"), ("G5", "79")]
    assert any(line.startswith("   C4 │") for line in lines) and "▄" in ran.out
    assert f"sonoscope notes {song} -o results" in ran.err and "song.mid" in ran.err


def test_several_recordings_have_a_line_each(sonoscope, song, organ_wav):
    ran = sonoscope("notes", song, organ_wav)
    assert ran.code == 0 and "4 notes from C4 to G5" in ran.out and "2 recordings" in ran.out


def test_one_midi_file_with_sound_and_picture_beside(sonoscope, song, tmp_path):
    out = tmp_path / "x.mid"
    ran = sonoscope("notes", song, "-o", out, "--audio", "--piano-roll", "--tempo", "96")
    assert ran.code == 0 and "written to" in ran.err and ran.out == ""
    assert ran.err.startswith("1 recording: 4 notes in 0:02.60 of sound")
    assert sorted(pitches(out)) == [60, 64, 67, 79]
    assert [round(60e6 / m.tempo) for m in mido.MidiFile(out).tracks[0] if m.type == "set_tempo"] == [96]
    assert soundfile.info(tmp_path / "x.notes.wav").channels == 2
    assert (tmp_path / "x.notes.svg").read_text().startswith("<svg")
    again = sonoscope("notes", song, "-o", tmp_path / "x.midi", "--audio")
    assert again.code == 2 and "x.notes.wav exists: --overwrite replaces it" in again.err
    assert sonoscope("notes", song, "-o", tmp_path / "x.midi", "--audio", "--overwrite").code == 0


def test_a_full_disk_leaves_all_of_the_files_or_none(sonoscope, song, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "x.notes.svg"))

    words = ("notes", song, "-o", tmp_path / "x.mid", "--audio", "--piano-roll")
    with monkeypatch.context() as broken:
        broken.setattr("sonoscope.noteapi.NoteResult.plot", full)
        ran = sonoscope(*words)
    assert ran.code == 3 and "x.notes.svg: make room there, then run the same command again" in ran.err
    assert not list(tmp_path.glob("x.*"))
    assert sonoscope(*words).code == 0
    assert sorted(path.name for path in tmp_path.glob("x.*")) == ["x.mid", "x.notes.svg", "x.notes.wav"]


def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_written(
    sonoscope, song, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for out in (tmp_path / "x.mid", tmp_path / "folder"):
        ran = sonoscope("notes", song, "-o", out, "--piano-roll", "png")
        assert ran.code == 2 and "needs the package matplotlib" in ran.err and "svg needs nothing" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_table_on_stdout(sonoscope, song):
    ran = sonoscope("notes", song, "-o", "-", "-q", "--low", "E4", "--high", "C5")
    assert ran.code == 0 and ran.err == ""
    header, *rows = ran.out.splitlines()
    assert header == "onset,offset,pitch,velocity,label,score"
    assert [row.split(",")[2] for row in rows] == ["64", "67"]
    assert sonoscope("notes", song, "-o", "-", "--format", "jsonl").out.startswith('{"file": "song.wav"')
    assert "need a place" in sonoscope("notes", song, "-o", "-", "--audio").err


def test_a_folder_and_other_rules_later(sonoscope, song, tmp_path):
    out = tmp_path / "out"
    assert sonoscope("notes", song, "-o", out, "--min-length", "0.1").code == 0
    assert sorted(f.name for f in out.iterdir() if f.name.startswith("song")) == [
        "song.wav.mid", "song.wav.notes.csv",
    ]  # fmt: skip
    assert len(pitches(out / "song.wav.mid")) == 4
    ran = sonoscope("notes", "--from-scores", out, "--mono")
    assert ran.code == 0 and "decided again from kept scores (mono: no -> yes)" in ran.err
    assert len(pitches(out / "song.wav.mid")) == 3
    assert sonoscope("notes", "--from-scores", out, "--poly", "--format", "csv,midi").code == 0
    assert (out / "song.wav.events.csv").is_file() and len(pitches(out / "song.wav.mid")) == 4
    assert sonoscope("notes", "--config", out / "run.json", "-o", tmp_path / "again").code == 0
    same = (tmp_path / "again" / "song.wav.mid").read_bytes()
    assert same == (out / "song.wav.mid").read_bytes()
    planned = sonoscope("notes", song, "-o", tmp_path / "new", "--dry-run")
    assert planned.code == 0 and "formats: midi, notes" in planned.out and not (tmp_path / "new").exists()


def test_analyze_knows_the_model_too(sonoscope, song, tmp_path):
    assert sonoscope("analyze", song, "-m", "notes", "-o", tmp_path / "song.csv").code == 0
    assert (tmp_path / "song.csv").read_text().count(",note,") == 4
    assert sonoscope("analyze", song, "-m", "notes", "-o", tmp_path / "song.mid").code == 0
    both = sonoscope("analyze", song, "-m", "notes,instruments")
    assert both.code == 0 and "model notes" in both.out and "model instruments" in both.out


def test_tracks_by_instrument(sonoscope, song, tmp_path):
    ran = sonoscope("notes", song, "-o", tmp_path / "song.mid", "--tracks")
    assert ran.code == 0
    names = {track.name for track in mido.MidiFile(tmp_path / "song.mid").tracks[1:]}
    assert names and "note" not in names
    assert "?" in sonoscope("notes", song, "--tracks").out
    assert sonoscope("notes", song, "-m", "notes", "--tracks").code == 2


def test_telephone_sound_is_said_on_stderr_and_on_the_screen(sonoscope, tones, tmp_path):
    soundfile.write(tmp_path / "phone.wav", tones(MELODY, 2.6, 8000), 8000)
    ran = sonoscope("notes", tmp_path / "phone.wav", "-o", tmp_path / "phone.mid")
    assert "phone.wav: sampled at 8,000 Hz: nothing above 4,000 Hz, no note above B7" in ran.err
    assert sorted(pitches(tmp_path / "phone.mid")) == [60, 64, 67, 79]
    folder = sonoscope("notes", tmp_path / "phone.wav", "-o", tmp_path / "out")
    assert "phone.wav: sampled at 8,000 Hz" in folder.err
    assert "Note: sampled at 8,000 Hz" in sonoscope("notes", tmp_path / "phone.wav").out


def test_silence_is_an_empty_midi_file(sonoscope, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    assert sonoscope("notes", tmp_path / "silent.wav", "-o", tmp_path / "silent.mid").code == 0
    assert pitches(tmp_path / "silent.mid") == [] and mido.MidiFile(tmp_path / "silent.mid").type == 1
    assert "no note is heard" in sonoscope("notes", tmp_path / "silent.wav").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--low", "H2"], "'H2' is no pitch"),
        (["--onset", "2"], "onset=2 must lie in 0.02..1"),
        (["--tuning", "sharp"], "--tuning sharp must be auto"),
        (["--audio"], "--audio needs a place for files: add -o OUT"),
        (["--tempo", "90"], "--tempo needs a place for files"),
        (["--format", "midi"], "--format needs a place for files"),
        (["--tempo", "1", "-o", "x.mid"], "tempo='1' must be auto, or lie in 4..1000"),
        (["--hop", "0.1"], "unknown option '--hop'"),
        (["-v", "-q"], "contradict each other"),
        (["roll.png", "--piano-roll", "svg", "-o", "out"], "--piano-roll takes no file name"),
        (["--piano-roll", "pnj", "-o", "out"], "unknown piano-roll 'pnj'. Did you mean 'png'"),
        (["--audio", "stero", "-o", "out"], "unknown audio 'stero'. Did you mean 'stereo'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused(sonoscope, song, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    ran = sonoscope("notes", song, *words)
    assert ran.code == 2 and message in ran.err
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_do(sonoscope):
    ran = sonoscope("notes")
    assert ran.code == 2 and "sonoscope notes recordings/" in ran.err


def test_models_know_a_model_of_notes(sonoscope):
    assert "notes        notes         88" in sonoscope("models", "list").out
    shown = sonoscope("models", "show", "notes")
    assert "88 pitches from A0 to C8, a frame every 0.02 s" in shown.out and "soft_length_s" in shown.out


# ---- rolls ---------------------------------------------------------------------------------------------------------


def note(start_s: float, end_s: float, pitch: int) -> Event:
    return Event(start_s, end_s, "note", 0.9, pitch=float(pitch), velocity=80)


def screen(*, blocks: bool = True, width: int = 40) -> Screen:
    return Screen(width, colour=False, blocks=blocks, terminal=False)


def test_a_roll_in_block_characters():
    notes = [note(0.0, 1.0, 60), note(1.0, 2.0, 61), note(1.0, 2.0, 60)]
    lines = rolls.roll(notes, 2.0, screen())
    assert lines[0] == "   C4 │" + "▄" * 16 + "█" * 16
    assert lines[1].strip() == "0:00.00                  0:02.00"


def test_a_roll_without_block_characters():
    lines = rolls.roll([note(0.0, 1.0, 60), note(1.0, 2.0, 61)], 2.0, screen(blocks=False))
    assert lines[:2] == ["      |" + " " * 16 + "#" * 16, "   C4 |" + "#" * 16]


def test_a_roll_without_any_c_names_its_highest_note():
    lines = rolls.roll([note(0.0, 1.0, 69), note(1.0, 2.0, 66)], 2.0, screen())
    assert [line[:6].strip() for line in lines[:3]] == ["A4", "", ""]


def test_short_notes_are_seen_and_long_recordings_cut():
    lines = rolls.roll([note(0.0, 0.01, 60), note(100.0, 100.1, 62)], 120.0, screen())
    assert lines[0] == "   C4 │▄" and lines[-1].strip() == "... and 1:36.00 more"
