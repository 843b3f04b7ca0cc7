"""From the words of the command to figures in time: truth and predictions in the files that programs write."""

from __future__ import annotations

import json
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from sonoscope import models, outputs
from sonoscope.cli import main
from sonoscope.errors import UsageError
from sonoscope.evaluation.timed import files, parts
from sonoscope.notes.scores import NoteScores
from sonoscope.notes.scores import save as save_notes
from sonoscope.values import Event, FileResult, Label

RATE = 16_000
#: Recording -> notes as start, end, key, velocity.
MUSIC = {
    "2303": [(0.5, 1.0, 60, 80), (1.0, 1.6, 64, 50), (1.7, 2.4, 67, 100)],
    "1792": [(0.3, 0.9, 55, 70), (1.2, 2.6, 57, 90)],
}
#: Recording -> events as start, end, label.
FIELD = {
    "north/a": [(1.0, 2.0, "bee"), (5.0, 6.5, "bee")],
    "north/quiet": [],
    "south/b": [(0.5, 1.5, "bee"), (3.0, 4.0, "car")],
}


def sound(path: Path, seconds: float, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.05 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    soundfile.write(path, samples.astype(np.float32), RATE)


def result(path: str, events: list[Event]) -> FileResult:
    labels = tuple(Label(name) for name in sorted({e.label for e in events}))
    return FileResult(path, path, "test", labels, 8.0, RATE, 1, events)


def note(start: float, end: float, key: float, velocity: int | None, label: str = "note") -> Event:
    return Event(start, end, label, 0.9, pitch=float(key), velocity=velocity)


def midi(
    path: Path, notes: list[tuple], program: int | None = None, pedal: tuple[float, float] | None = None
) -> None:
    """A file with one track, and a pedal that is down for a while."""
    track = mido.MidiTrack()
    if program is not None:
        track.append(mido.Message("program_change", program=program, time=0))
    moments = [(end, mido.Message("note_off", note=key)) for _, end, key, _ in notes]
    moments += [
        (start, mido.Message("note_on", note=key, velocity=velocity)) for start, _, key, velocity in notes
    ]
    if pedal:
        moments += [
            (t, mido.Message("control_change", control=64, value=v))
            for t, v in zip(pedal, (64, 63), strict=True)
        ]
    now = 0
    for time, message in sorted(moments, key=lambda moment: moment[0]):
        tick = round(time * 960)  # 480 ticks a beat of half a second
        track.append(message.copy(time=tick - now))
        now = tick
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(type=0, tracks=[track], ticks_per_beat=480).save(path)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings with their notes beside: a MIDI file, and a table."""
    folder = tmp_path_factory.mktemp("music")
    for name in MUSIC:
        sound(folder / f"{name}.wav", 3.0)
    midi(folder / "2303.mid", MUSIC["2303"], program=0)
    with open(folder / "1792.notes.csv", "w", newline="") as file:
        outputs.WRITERS["notes"].write(
            result("1792.wav", [note(*row, "piano") for row in MUSIC["1792"]]), file
        )
    return folder


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of two sites with selection tables beside."""
    folder = tmp_path_factory.mktemp("field")
    for seed, (name, rows) in enumerate(FIELD.items()):
        sound(folder / f"{name}.wav", 8.0, seed)
        events = [Event(*row, float("nan")) for row in rows]
        with open(folder / f"{name}.selections.txt", "w", newline="") as file:
            outputs.WRITERS["raven"].write(result(f"{Path(name).name}.wav", events), file)
    return folder


def figures(tmp_path: Path, *words: object) -> dict[str, float | None]:
    """What the command says, from its JSON."""
    out = tmp_path / "figures.json"
    assert main(["evaluate", *map(str, words), "-o", str(out), "--overwrite"]) == 0
    return {name: each["value"] for name, each in json.loads(out.read_text())["figures"].items()}


# ---- notes -------------------------------------------------------------------------------------------------


def test_midi_of_another_program(music, tmp_path, capsys):
    """Named as basic-pitch names them; one note is missing, one too much, one 120 ms late."""
    said = tmp_path / "said"
    midi(said / "2303_basic_pitch.mid", [MUSIC["2303"][0], (1.0, 1.6, 65, 50), MUSIC["2303"][2]], program=0)
    midi(said / "1792_basic_pitch.mid", [MUSIC["1792"][0], (1.32, 2.6, 57, 90)], program=0)
    found = figures(tmp_path, said, music, "--protocol", "notes")
    assert found["onset_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["onset_pooled_f1"] == pytest.approx(3 / 5)
    assert found["onset_only_f1"] == pytest.approx((1 + 1 / 2) / 2)
    assert found["instrument_full_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert "onset and pitch" in capsys.readouterr().out
    other = tmp_path / "organ"
    for name, rows in MUSIC.items():
        midi(other / f"{name}.mid", rows, program=19)
    named = figures(tmp_path, other, music, "--protocol", "notes")
    assert (named["onset_f1"], named["instrument_full_f1"], named["instrument_flat_f1"]) == (1.0, 0.0, 1.0)


def test_tables_and_jams_of_notes(music, tmp_path):
    for form, binary in (("notes", False), ("jams", False), ("midi", True)):
        said = tmp_path / form
        said.mkdir()
        for name, rows in MUSIC.items():
            path = said / f"{name}.wav{outputs.WRITERS[form].suffix}"
            with open(path, "wb") if binary else open(path, "w", newline="") as file:
                outputs.WRITERS[form].write(result(f"{name}.wav", [note(*row) for row in rows]), file)
        found = figures(tmp_path, said, music, "--protocol", "notes")
        assert found["onset_offset_f1"] == found["velocity_f1"] == 1.0


def test_the_pedal_lengthens_both_or_neither(tmp_path):
    """The key comes up at 1 s, the pedal at 2 s: with it the note ends at 2 s."""
    folder, said = tmp_path / "truth", tmp_path / "said"
    sound(folder / "a.wav", 3.0)
    midi(folder / "a.mid", [(0.5, 1.0, 60, 80)], pedal=(0.6, 2.0))
    midi(said / "a.mid", [(0.5, 2.0, 60, 80)])
    for pedal, offset in (("yes", 1.0), ("no", 0.0)):
        found = figures(tmp_path, said, folder, "--protocol", "notes", "--set", f"pedal={pedal}")
        assert (found["onset_f1"], found["onset_offset_f1"]) == (1.0, offset)


def test_two_programs_side_by_side(music, tmp_path, capsys):
    for name in ("one", "two"):
        for piece, rows in MUSIC.items():
            midi(tmp_path / name / f"{piece}.mid", rows if name == "one" else rows[1:])
    assert (
        main(["evaluate", str(tmp_path / "one"), str(tmp_path / "two"), str(music), "--protocol", "notes"])
        == 0
    )
    out = capsys.readouterr().out
    assert "Side by side" in out and "one" in out and "two" in out


# ---- pitch -------------------------------------------------------------------------------------------------


def scores(rows: list[tuple], seconds: float, hop_s: float = 0.02) -> NoteScores:
    times = np.arange(round(seconds / hop_s)) * hop_s
    sustain = np.full((len(times), 88), 0.05)
    for start, end, key, _ in rows:
        sustain[(times >= start) & (times < end), key - 21] = 0.8
    return NoteScores(np.zeros_like(sustain), sustain, hop_s)


def test_pitches_from_scores_and_from_notes(music, tmp_path):
    said = tmp_path / "scores"
    said.mkdir()
    for name, rows in MUSIC.items():
        save_notes(scores(rows, 3.0), said / f"{name}.npz")
    small = ("--set", "as_in=weiss", "--set", "allowed_errors=0,1")
    found = figures(tmp_path, said, music, "--protocol", "musicnet", *small)
    assert found["ap_pooled"] > 0.97 and found["accuracy"] > 0.95
    assert found["time_error_max_s"] == pytest.approx(0.01, abs=0.011)
    notes = tmp_path / "notes"
    for name, rows in MUSIC.items():
        midi(notes / f"{name}.mid", rows)
    exact = figures(tmp_path, notes, music, "--protocol", "musicnet", *small)
    assert exact["accuracy"] == exact["ap_mean"] == 1.0


def test_lists_and_twins(music, tmp_path, capsys):
    for name, rows in MUSIC.items():
        midi(tmp_path / "said" / f"{name}.mid", rows)
    words = [str(tmp_path / "said"), str(music), "--protocol", "musicnet", "--set", "as_in=weiss"]
    assert main(["evaluate", *words, "--set", "ids=test-3"]) == 0
    assert "the list test-3 is not complete: 1819, 2382 is missing" in capsys.readouterr().out
    assert main(["evaluate", *words, "--set", "ids=2382"]) == 2
    assert "none of these recordings is in the data, which has 1792, 2303" in capsys.readouterr().err


# ---- events ------------------------------------------------------------------------------------------------


def test_events_of_another_program_in_a_folder_and_in_one_file(field, tmp_path):
    """One event is found 300 ms late, one not, one is a false alarm in the quiet recording."""
    said = {
        "north/a": [(1.1, 2.0, "bee"), (5.3, 6.5, "bee")],
        "north/quiet": [(2.0, 2.5, "bee")],
        "south/b": [(3.0, 4.0, "car")],
    }
    results = [result(f"{name}.wav", [Event(*row, 0.8) for row in rows]) for name, rows in said.items()]
    folder = tmp_path / "folder"
    for each in results:
        path = folder / f"{each.file}.labels.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="") as file:
            outputs.WRITERS["audacity"].write(each, file)
    with open(tmp_path / "all.csv", "w", newline="") as file:
        outputs.WRITERS["csv"].write_many(results, file)
    for words in (folder, tmp_path / "all.csv"):
        found = figures(tmp_path, words, field, "--protocol", "events")
        assert found["event_recall"] == 2 / 4 and found["event_precision"] == 2 / 4
        assert "psds1" not in found


def test_a_table_of_events_for_all_need_not_name_the_quiet_ones(field, tmp_path, capsys):
    with open(tmp_path / "all.csv", "w", newline="") as file:
        outputs.WRITERS["csv"].write_many([result("south/b.wav", [Event(3.0, 4.0, "car", 0.9)])], file)
    assert figures(tmp_path, tmp_path / "all.csv", field, "--protocol", "events")["event_recall"] == 1 / 4
    with open(tmp_path / "other.csv", "w", newline="") as file:
        outputs.WRITERS["csv"].write_many([result("west/z.wav", [Event(3.0, 4.0, "car", 0.9)])], file)
    assert main(["evaluate", str(tmp_path / "other.csv"), str(field), "--protocol", "events"]) == 2
    assert "no prediction of 3 of 3 clips" in capsys.readouterr().err


def score_tables(folder: Path, hop_s: float = 0.25) -> None:
    """Windows of a second every ``hop_s``, that score high where the truth is; the columns of another order."""
    for name, rows in FIELD.items():
        path = folder / f"{name}.wav.scores.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["start,end,car,bee"]
        for start in np.arange(0, 8.0 - 1 + 1e-9, hop_s):
            middle = start + 0.5
            high = {label: 0.9 for a, b, label in rows if a <= middle <= b}
            lines.append(f"{start},{start + 1},{high.get('car', 0.1)},{high.get('bee', 0.2)}")
        path.write_text("\n".join(lines) + "\n")


def test_tables_of_scores(field, tmp_path):
    score_tables(tmp_path / "said")
    found = figures(tmp_path, tmp_path / "said", field, "--protocol", "events", "--set", "min_overlap=0.125")
    assert found["sensitivity_at_precision"] == found["sensitivity_at_fpr"] == 1.0
    # The first cell reaches back to the beginning, so the event at 0.5 s is said to begin half a second early.
    assert found["psds2"] == 1.0 and found["event_f1"] == 0.75
    nothing = figures(tmp_path, tmp_path / "said", field, "--protocol", "events", "--threshold", "0.95")
    assert nothing["event_recall"] == 0.0 and nothing["psds2"] == found["psds2"]
    bees = figures(tmp_path, tmp_path / "said", field, "--protocol", "events", "--labels", "bee")
    assert bees["event_recall"] <= 1.0 and bees != found


def test_cells_of_overlapping_windows_are_their_middles():
    starts = np.arange(4) * 0.5
    assert files.cell_edges(starts, starts + 1.0).tolist() == [0.0, 0.75, 1.25, 1.75, 2.5]
    assert files.cell_edges(np.array([0.0, 1.0, 3.0]), np.array([1.0, 2.0, 4.0])).tolist() == [0, 1, 3, 4]


def test_a_model_hears_and_its_results_say_the_same(field, tmp_path):
    """Whatever the instruments make of noise, the folder of results holds what the model says."""
    manifest = tmp_path / "data"
    for name in ("a", "b"):
        sound(manifest / f"{name}.wav", 4.0, ord(name))
        with open(manifest / f"{name}.selections.txt", "w", newline="") as file:
            events = [Event(0.5, 2.0, "piano", float("nan"))] if name == "a" else []
            outputs.WRITERS["raven"].write(result(f"{name}.wav", events), file)
    wish = ("--protocol", "events")
    heard = figures(tmp_path, "instruments", manifest, *wish)
    assert main(["analyze", str(manifest), "-o", str(tmp_path / "out"), "--workers", "1"]) == 0
    kept = figures(tmp_path, tmp_path / "out", manifest, *wish)
    assert kept == heard and heard["psds1"] is not None


@pytest.mark.skipif("notes" not in models.names(), reason="no model of notes comes with this version")
def test_a_model_of_notes_hears(tmp_path):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    folder = tmp_path / "truth"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.r_[np.zeros(RATE // 2), tone].astype(np.float32), RATE)
    midi(folder / "a.mid", [(0.5, 2.5, 69, 80)])
    found = figures(tmp_path, "notes", folder, "--protocol", "notes")
    assert 0.0 <= found["onset_f1"] <= 1.0
    assert main(["notes", str(folder), "-o", str(tmp_path / "out")]) == 0
    # Kept scores are rounded to four decimals, which moves an onset between frames by microseconds.
    kept = figures(tmp_path, tmp_path / "out", folder, "--protocol", "notes")
    assert kept == pytest.approx(found, abs=1e-4)
    pitch = [figures(tmp_path, w, folder, "--protocol", "musicnet", "--set", "as_in=weiss")["ap_pooled"]
             for w in ("notes", tmp_path / "out")]  # fmt: skip
    assert pitch[0] == pytest.approx(pitch[1], abs=1e-3)


# ---- what is refused ---------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["evaluate", *map(str, words)]) == 2
    return capsys.readouterr().err


def test_what_does_not_match_is_refused_with_the_difference(music, field, tmp_path, capsys):
    midi(tmp_path / "one" / "2303.mid", MUSIC["2303"])
    error = refused(capsys, tmp_path / "one", music, "--protocol", "notes")
    assert "no prediction of 1 of 2 clips: 1792.wav. It has predictions of 2303" in error
    for name, rows in MUSIC.items():
        midi(tmp_path / "late" / f"{name}.mid", [(a * 10, b * 10, key, v) for a, b, key, v in rows])
    error = refused(capsys, tmp_path / "late", music, "--protocol", "notes")
    assert "1792.wav (lasts 3.00 s" in error and "or times were counted at another rate" in error
    with open(tmp_path / "events.csv", "w", newline="") as file:
        outputs.WRITERS["csv"].write_many([result("2303.wav", [Event(0, 1, "bee", 0.5)])], file)
    assert "none of its events has a pitch" in refused(
        capsys, tmp_path / "events.csv", music, "--protocol", "notes"
    )
    error = refused(capsys, "instruments", music, "--protocol", "notes")
    assert "instruments holds no notes: its task is tagging; name one of the task notes" in error
    score_tables(tmp_path / "scores")
    error = refused(capsys, tmp_path / "scores", field, "--protocol", "events", "--labels", "bird")
    assert "labels bird are not in the data; there are bee, car" in error
    for path in (tmp_path / "scores").rglob("*.csv"):
        path.write_text(path.read_text().replace("start,end,car,bee", "start,end,car,wasp"))
    assert "lacks 1 of the 2 labels of the data: bee" in refused(
        capsys, tmp_path / "scores", field, "--protocol", "events"
    )
    assert "no model and no predictions 'instrumnets'" in refused(
        capsys, "instrumnets", field, "--protocol", "events"
    )


def test_scores_that_are_too_long_are_refused(field, tmp_path, capsys):
    score_tables(tmp_path / "said")
    path = tmp_path / "said" / "north" / "a.wav.scores.csv"
    path.write_text(path.read_text() + "80,81,0.1,0.1\n")
    error = refused(capsys, tmp_path / "said", field, "--protocol", "events")
    assert "north/a.wav (lasts 8.00 s, scores to 81.00 s)" in error


@pytest.mark.parametrize(
    "ending", [".mid", ".notes.csv", ".jams", ".npz", ".scores.csv", ".csv", ".txt", ".parquet"]
)
@pytest.mark.parametrize("protocol", ["notes", "musicnet", "events"])
def test_damaged_files_are_refused_by_name(tmp_path, capsys, ending, protocol):
    """Empty, random bytes, a header alone, a table with a word for a number: a message, never a crash."""
    sound(tmp_path / "data" / "a.wav", 3.0)
    midi(tmp_path / "data" / "a.mid", MUSIC["2303"])
    rng = np.random.default_rng(7)
    for number, content in enumerate(
        (b"", rng.bytes(200), b"start,end,label\n", b"start,end,bee\nx,1,0.5\n")
    ):
        said = tmp_path / f"said{number}"
        said.mkdir()
        (said / f"a{ending}").write_bytes(content)
        code = main(
            [
                "evaluate",
                str(said),
                str(tmp_path / "data"),
                "--protocol",
                protocol,
                "--set",
                *SMALLEST[protocol],
            ]
        )
        message = capsys.readouterr().err
        assert code in (0, 1, 2), message
        assert "should not have happened" not in message
        assert code == 0 or said.name in message or "a.wav" in message


SMALLEST = {"notes": ("onset=0.05",), "musicnet": ("as_in=weiss",), "events": ("segment=1",)}


def test_recordings_without_times_are_refused(tmp_path, capsys):
    sound(tmp_path / "data" / "bee" / "a.wav", 2.0)
    error = refused(capsys, "instruments", tmp_path / "data", "--protocol", "events")
    assert "1 of 1 recordings have no annotation with times: bee/a.wav" in error


def test_an_unreadable_recording_is_reported_and_left_out(tmp_path, capsys):
    for name in ("a", "b"):
        sound(tmp_path / "data" / f"{name}.wav", 3.0)
        midi(tmp_path / "data" / f"{name}.mid", MUSIC["2303"])
        midi(tmp_path / "said" / f"{name}.mid", MUSIC["2303"])
    (tmp_path / "data" / "b.wav").write_bytes(b"RIFF nothing")
    words = ["evaluate", str(tmp_path / "said"), str(tmp_path / "data"), "--protocol", "notes"]
    assert main(words) == 1
    said = capsys.readouterr()
    assert "1 of 2 recordings were judged" in said.out and "b.wav" in said.err


# ---- parts of recordings -----------------------------------------------------------------------------------


def test_events_are_cut_to_the_part():
    events = [
        Event(0.0, 2.0, "a", 1.0),
        Event(3.0, 4.0, "b", 1.0),
        Event(4.5, 9.0, "c", 1.0),
        Event(6.0, 7.0, "d", 1.0),
    ]
    found = parts.cut(events, 1.0, 4.0)
    assert [(e.start_s, e.end_s, e.label) for e in found] == [
        (0.0, 1.0, "a"),
        (2.0, 3.0, "b"),
        (3.5, 4.0, "c"),
    ]
    assert parts.cut(events, 2.0, 0.5) == ()


def test_rows_about_a_part_of_a_file(music, tmp_path):
    """The second half of a recording by itself: notes before it are no notes of it."""
    folder = tmp_path / "data"
    sound(folder / "2303.wav", 3.0)
    midi(folder / "2303.mid", MUSIC["2303"])
    (folder / "manifest.csv").write_text(
        "path,start_s,duration_s,labels,annotation\n2303.wav,1.5,1.5,piano,2303.mid\n"
    )
    midi(tmp_path / "said" / "2303.mid", MUSIC["2303"][2:])
    found = figures(tmp_path, tmp_path / "said", folder, "--protocol", "notes")
    assert found["onset_recall"] == 0.5  # the note that sounds already at 1.5 s is one of two


def test_nothing_to_judge():
    with pytest.raises(
        UsageError, match="0 of 0 recordings have no annotation with times: there is no recording"
    ):
        from sonoscope.data.rows import Manifest

        parts.parts(Manifest((), Path()))
