"""Runs of a model of notes: the same bytes on every way, other wishes without the recordings, several models."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mido
import numpy as np
import pytest
import soundfile

from sonoscope import models, runs
from sonoscope.errors import RunRefused, UnknownName, UsageError
from sonoscope.models.bundle import Bundle
from sonoscope.notes import scores as note_scores
from sonoscope.runs.notewishes import NoteWishes
from sonoscope.runs.setup import prepare

RATE = 24_000
MELODY = [(0.3, 0.9, 60), (0.9, 1.5, 64), (1.5, 2.4, 67), (1.5, 2.4, 79)]
#: A wish, and whether the files of a run show it.
WISHES = [
    {"onset": 0.9},
    {"sustain": 0.9, "min_length_s": 0.3},
    {"low": 62},
    {"mono": True},
    {"pitch_classes": True, "tempo": "90"},
    {"audio": "notes", "piano_roll": "svg"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tones: Callable[..., np.ndarray]) -> Path:
    root = tmp_path_factory.mktemp("notes") / "recordings"
    (root / "sub").mkdir(parents=True)
    soundfile.write(root / "a.wav", tones(MELODY, 2.6, RATE), RATE)
    soundfile.write(root / "sub" / "b.flac", tones([(0.5, 1.0, 72)], 1.2, 8000), 8000)
    soundfile.write(root / "silent.wav", np.zeros(RATE), RATE)
    (root / "bad.wav").write_text("no sound")
    return root


@pytest.fixture
def start(tmp_path: Path, notes: Bundle, monkeypatch: pytest.MonkeyPatch) -> Callable[..., runs.RunSummary]:
    """``start(folder, "out", notes={…})`` runs with the hand-written model of notes."""
    monkeypatch.setenv("SONOSCOPE_MODELS", str(notes.path.parent))

    def run(*inputs: Path, out: str = "out", **options: Any) -> runs.RunSummary:
        given = {"models": ("notes",), "formats": ("midi", "notes"), "workers": 1} | options
        given["notes"] = NoteWishes(**given.get("notes", {}))
        return runs.run(runs.RunSpec(tuple(map(str, inputs)), str(tmp_path / out), **given))

    return run


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_a_folder_of_recordings(start, folder, tmp_path, leftovers):
    summary = start(folder, formats=("csv", "midi", "notes", "jams"))
    out = tmp_path / "out"
    assert (summary.done, summary.failed, summary.exit_code, summary.events) == (3, 1, 1, 5)
    events = [row for row in rows(out / "events.csv") if row["file"] == "a.wav"]
    assert sorted(float(row["pitch"]) for row in events) == [60, 64, 67, 79]
    assert {row["label"] for row in events} == {"note"} and {row["model"] for row in events} == {"notes"}
    events.sort(key=lambda row: float(row["pitch"]))
    for row, (begin, end, _) in zip(events, MELODY, strict=True):
        assert float(row["start"]) == pytest.approx(begin, abs=0.05)
        assert float(row["end"]) == pytest.approx(end, abs=0.15)
    midi = mido.MidiFile(out / "a.wav.mid")
    assert [m.note for t in midi.tracks for m in t if m.type == "note_on"] and midi.type == 1
    silent = mido.MidiFile(out / "silent.wav.mid")
    assert silent.length == 0 and (out / "silent.wav.notes.csv").read_text().count("\n") == 1
    notes_of = {row["file"]: row["note"] for row in rows(out / "files.csv")}
    assert notes_of["sub/b.flac"].startswith("sampled at 8,000 Hz")
    assert notes_of["silent.wav"].startswith("silent: digital silence")
    # Special things are said in the end.
    assert any(remark.startswith("sub/b.flac: sampled at 8,000 Hz") for remark in summary.remarks)
    assert leftovers(out) == []


def test_a_recording_without_notes_is_not_called_unknown(start, folder, tmp_path):
    summary = start(folder / "a.wav", notes={"low": 108})
    assert summary.events == 0 and not any("unknown" in remark for remark in summary.remarks)
    assert [row["note"] for row in rows(tmp_path / "out" / "files.csv")] == [""]


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: ",".join(wish))
def test_a_new_wish_gives_what_a_fresh_run_gives(start, folder, tmp_path, contents, leftovers, wish):
    start(folder)
    before = contents(tmp_path / "out")
    summary = start(folder, notes=wish)
    assert (summary.done, summary.decided, summary.failed) == (3, 3, 1)
    start(folder, out="fresh", notes=wish)
    after = contents(tmp_path / "out")
    assert after == contents(tmp_path / "fresh") != before
    assert leftovers(tmp_path / "out") == []
    start(folder)
    assert contents(tmp_path / "out") == before


def test_from_scores_the_recordings_are_not_needed(start, folder, tmp_path, contents):
    recordings = shutil.copytree(folder, tmp_path / "recordings")
    start(recordings, notes={"onset": 0.6})
    start(recordings, out="fresh", notes={"onset": 0.6, "low": 62})
    shutil.rmtree(recordings)
    summary = runs.decide(tmp_path / "out", {"notes": {"low": 62}})
    # The onset of the run before holds on.
    assert (summary.done, summary.decided, summary.failed) == (3, 3, 1)
    assert "low: the model's own -> 62" in summary.message
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
    with pytest.raises(UsageError, match="--audio stereo plays the recordings too"):
        runs.decide(tmp_path / "out", {"notes": {"audio": "stereo"}})
    with pytest.raises(RunRefused, match=r"tuning: auto -> 20\.0"):
        runs.decide(tmp_path / "out", {"notes": {"tuning": 20.0}})


def test_workers_and_shards_change_no_byte(start, folder, tmp_path, contents):
    options = {"notes": {"audio": "stereo", "tempo": "auto"}, "formats": ("csv", "midi", "jams")}
    start(folder, **options)
    start(folder, out="two", workers=2, **options)
    for part in (1, 2):
        start(folder, out="shards", shard=(part, 2), **options)
    assert contents(tmp_path / "out") == contents(tmp_path / "two") == contents(tmp_path / "shards")


def test_a_run_goes_on_where_it_stopped(start, folder, tmp_path, contents):
    start(folder, out="fresh")
    (tmp_path / "few").mkdir()
    start(folder)
    journal = tmp_path / "out" / ".sonoscope" / "journal-all.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]) + lines[2][:9])
    (tmp_path / "out" / "sub" / "b.flac.mid").unlink()
    summary = start(folder)
    assert summary.done == 3 and summary.skipped < 3
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_damaged_scores_are_heard_again(start, folder, tmp_path, contents):
    start(folder)
    before = contents(tmp_path / "out")
    kept = tmp_path / "out" / ".sonoscope" / "scores" / "a.wav.npz"
    damaged = bytearray(kept.read_bytes())
    damaged[200:260] = bytes(60)
    kept.write_bytes(bytes(damaged))
    summary = start(folder, notes={"onset": 0.6})
    assert (summary.done, summary.decided) == (3, 2)
    start(folder)
    assert contents(tmp_path / "out") == before


def test_scores_need_not_be_kept(start, folder, tmp_path, leftovers):
    start(folder, keep_scores=False)
    assert not (tmp_path / "out" / ".sonoscope" / "scores").exists()
    assert (tmp_path / "out" / "a.wav.mid").is_file() and leftovers(tmp_path / "out") == []


def test_what_is_kept_is_small_and_says_what_it_is(start, folder, tmp_path):
    start(folder)
    kept = tmp_path / "out" / ".sonoscope" / "scores" / "a.wav.npz"
    about = note_scores.load_about(kept)
    assert about["model"] == "notes" and about["cents"] == 0.0 and about["bits"] == 8
    assert len(note_scores.load(kept)) == 130 and kept.stat().st_size < 8000


def test_sound_and_pictures(start, folder, tmp_path):
    start(folder, notes={"audio": "stereo", "piano_roll": "svg"})
    out = tmp_path / "out"
    sound, rate = soundfile.read(out / "a.wav.notes.wav")
    assert rate == RATE and sound.shape == (round(2.6 * RATE), 2)
    recording, _ = soundfile.read(folder / "a.wav")
    assert np.abs(sound[:, 0] - recording).max() < 1e-3 and sound[round(1.6 * RATE) :, 1].any()
    drawn = ElementTree.parse(out / "a.wav.notes.svg").getroot()
    assert sum(1 for _ in drawn.iter("{http://www.w3.org/2000/svg}title")) == 4


def test_our_own_sound_is_no_input(start, folder, tmp_path):
    start(folder, out="recordings2", notes={"audio": "notes"})
    shutil.copy(folder / "a.wav", tmp_path / "recordings2" / "c.wav")
    assert start(tmp_path / "recordings2", out="again").done == 1


# ---- several models ------------------------------------------------------------------------------------------------


def test_notes_and_instruments_in_one_run(start, folder, tmp_path, contents):
    both = {"models": ("notes", "instruments"), "formats": ("csv", "midi")}
    start(folder / "a.wav", **both, threshold="0.001")
    out = tmp_path / "out"
    assert {f.name for f in out.iterdir() if f.name.startswith("a.wav")} == {
        "a.wav.notes.events.csv", "a.wav.notes.mid", "a.wav.instruments.events.csv",
    }  # fmt: skip
    heard = rows(out / "events.csv")
    assert {row["model"] for row in heard} == {"notes", "instruments"}
    assert [float(row["start"]) for row in heard] == sorted(float(row["start"]) for row in heard)
    start(folder / "a.wav", **both, threshold="0.001", notes={"tracks": "by-instrument"})
    assert start(
        folder / "a.wav", out="fresh", **both, threshold="0.001", notes={"tracks": "by-instrument"}
    ).done
    assert contents(out) == contents(tmp_path / "fresh")
    notes = [row for row in rows(out / "a.wav.notes.events.csv") if row["pitch"]]
    assert len(notes) == 4 and all(row["flags"] == "guess" and row["label"] != "note" for row in notes)
    tracks = [track.name for track in mido.MidiFile(out / "a.wav.notes.mid").tracks]
    assert sorted(tracks[1:]) == sorted({row["label"] for row in notes})
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert settings["notes"] == {"tracks": "by-instrument"}


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": "0.5"}, "--threshold is about windows, and notes hears notes: --onset and --sustain"),
        ({"hop_s": 0.1}, "--hop is about windows"),
        ({"min_duration_s": 0.1}, "--min-duration is about windows.*: --min-length"),
        ({"max_gap_s": 0.1}, "--max-gap is about windows"),
        ({"scores": "csv"}, "--scores is about windows"),
        ({"formats": ("buzzdetect",)}, "the format buzzdetect holds scores of windows"),
        ({"notes": {"tracks": "by-instrument"}}, "needs a model of instruments.*-m notes,instruments"),
        ({"notes": {"tempo": "2"}}, r"tempo='2' must be auto, or lie in 4\.\.1000"),
        ({"notes": {"tempo": "fast"}}, "tempo='fast' must be auto"),
        ({"notes": {"tuning": 70.0}}, r"tuning=70 must lie in -50\.\.50"),
        ({"notes": {"low": 70, "high": 60}}, "low=A#4 lies above high=C4"),
        ({"notes": {"min_length_s": -0.1}}, "min-length=-0.1 must be 0 or more"),
        ({"notes": {"audio": "sterio"}}, "unknown audio 'sterio'. Did you mean 'stereo'"),
        ({"notes": {"piano_roll": "pdf"}}, "unknown piano-roll 'pdf'"),
        ({"notes": {"onset": 3.0}}, r"onset=3 must lie in 0\.02\.\.1"),
        (
            {"models": ("instruments",), "formats": ("csv",), "notes": {"onset": 0.3}},
            "none of the models hears any",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(start, folder, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        start(folder, **options)
    assert not (tmp_path / "out").exists()


def test_window_options_act_on_the_other_model(start, notes, tmp_path, monkeypatch):
    spec = runs.RunSpec(("x",), str(tmp_path / "out"), models=("notes", "instruments"), threshold="0.7")
    assert prepare(spec).decisions[1].thresholds["violin"] == 0.7


def test_another_tuning_needs_another_folder(start, folder):
    start(folder)
    with pytest.raises(RunRefused, match=r"tuning: auto -> 10\.0"):
        start(folder, notes={"tuning": 10.0})


def test_wishes_survive_json():
    wishes = NoteWishes(tuning=-10.0, onset=0.3, low=40, mono=True, tempo="auto", audio="mixed")
    spec = runs.RunSpec(("a",), "out", notes=wishes)
    assert runs.RunSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert NoteWishes().to_json() == {} and NoteWishes.from_json({}) == NoteWishes()
    for given, error, message in (
        ({"onsett": 1}, UnknownName, "unknown setting of notes 'onsett'. Did you mean 'onset'"),
        ({"onset": "x"}, UsageError, "setting notes.onset='x' must be of type float"),
        ({"mono": 1}, UsageError, "setting notes.mono=1 must be of type bool"),
        ({"low": True}, UsageError, "setting notes.low=True must be of type int"),
        ([], UsageError, "must be an object"),
    ):
        with pytest.raises(error, match=message):
            NoteWishes.from_json(given)


def test_every_wish_but_the_tuning_is_told_when_it_changes():
    other = {"float": 0.5, "int": 50, "bool": True, "str": "auto"}
    for field in fields(NoteWishes):
        changed = replace(NoteWishes(), **{field.name: other[str(field.type).removesuffix(" | None")]})
        assert len(NoteWishes().differences(changed)) == (field.name != "tuning")


def test_models_are_found_by_the_name_of_their_folder(start, notes):
    assert models.load("notes").path == notes.path
