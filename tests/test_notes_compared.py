"""The comparison of transcriptions: what is scored and how, on recordings that the tests make."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.evaluation.notes import Notes

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import notes as command
from transcription import figures, recordings

RATE = 44_100


def notes_of(*rows: tuple[float, float, float]) -> Notes:
    return figures.notes_of(rows)


def recording(group: str, *rows: tuple[float, float, float]) -> recordings.Recording:
    return recordings.Recording(group, group, Path("none.wav"), notes_of(*rows))


def test_figures_are_mir_evals() -> None:
    mir_eval = pytest.importorskip("mir_eval")
    rng = np.random.default_rng(0)
    start = np.sort(rng.uniform(0.1, 9, 60))
    truth = Notes(start, start + rng.uniform(0.1, 1, 60), rng.integers(40, 80, 60).astype(float))
    moved = start + rng.normal(0, 0.04, 60)
    order = np.argsort(moved)
    guess = Notes(moved[order], (truth.end_s + rng.normal(0, 0.1, 60))[order], truth.pitch[order])
    (f1, precision, recall, ends), late = figures.of_recording(truth, guess)
    given = (
        truth.intervals,
        440 * 2 ** ((truth.pitch - 69) / 12),
        guess.intervals,
        440 * 2 ** ((guess.pitch - 69) / 12),
    )
    expected = mir_eval.transcription.precision_recall_f1_overlap(*given, offset_ratio=None)[:3]
    assert (precision, recall, f1) == pytest.approx(expected, abs=1e-9)
    assert ends == pytest.approx(mir_eval.transcription.precision_recall_f1_overlap(*given)[2], abs=1e-9)
    assert len(late) == round(recall * 60)


def test_what_sounds_at_the_start_is_not_asked_for() -> None:
    truth, guess = (
        notes_of((-1.0, 0.4, 60.0), (1.0, 2.0, 62.0)),
        notes_of((0.01, 0.4, 60.0), (1.02, 2.0, 62.0)),
    )
    (f1, precision, recall, ends), late = figures.of_recording(truth, guess)
    assert (f1, precision, recall, ends) == (1.0, 1.0, 1.0, 1.0)
    assert late == pytest.approx([0.02])
    assert figures.of_recording(notes_of((-1.0, 0.4, 60.0)), guess) is None


def test_groups_are_compared_pairwise() -> None:
    asked = [recording("a", (1.0, 2.0, 60.0), (3.0, 4.0, 62.0)) for _ in range(4)]
    right = [notes_of((1.0, 2.0, 60.0), (3.0, 4.0, 62.0))] * 4
    half = [notes_of((1.0, 1.2, 60.0))] * 4
    entry = figures.compared(asked, {"ours": right, "other": half}, "ours")["a"]
    assert entry["recordings"] == 4
    assert entry["systems"]["ours"]["onset_f1"] == 1.0
    assert entry["systems"]["other"]["onset_f1"] == pytest.approx(2 / 3, abs=1e-4)
    assert entry["systems"]["other"]["offset_f1"] == 0.0
    assert entry["ahead"]["other"]["onset_f1"] == pytest.approx([1 / 3] * 3, abs=1e-4)


def test_false_notes_are_counted_by_the_minute() -> None:
    asked = [recording("noise"), recording("noise")]
    given = {"ours": [notes_of(), notes_of((1.0, 2.0, 60.0))]}
    assert figures.false_notes(asked, given, [30.0, 60.0]) == {"noise": {"ours": 0.7}}


def test_keys_are_a_group_of_their_own_where_they_differ() -> None:
    heard = recording("timgm6mb: organ", (1.0, 2.0, 48.0))
    moved = recordings.Recording("timgm6mb: organ", "o", Path(), heard.notes, notes_of((1.0, 2.0, 60.0)))
    same = recordings.Recording("timgm6mb: electric_guitar", "g", Path(), heard.notes, heard.notes)
    found = recordings.again([moved, same])
    assert [(number, r.group) for number, r in found] == [
        (0, "timgm6mb: all instruments"), (0, "timgm6mb: organ, by key"), (1, "timgm6mb: all instruments"),
    ]  # fmt: skip
    assert found[1][1].notes.pitch.tolist() == [60.0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen notes of a clarinet, a quiet click before each, and one that takes half a second to rise."""
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for k in range(17):
        time_s = np.arange(2 * RATE) / RATE
        tone = 0.5 * np.sin(2 * np.pi * 220 * 2 ** (k / 12) * time_s) * (time_s > 0.3) * (time_s < 1.7)
        tone[1000] += 0.02  # 28 dB below: not the note
        if k == 16:
            tone *= np.clip((time_s - 0.3) / 0.5, 0, 1)
        soundfile.write(folder / f"note-{k}.wav", tone, RATE)
        rows.append({"path": f"note-{k}.wav", "labels": "clarinet", "pitch_midi": 57 + k, "pitch_check": "agrees",
                     "source": "here"})  # fmt: skip
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return folder


def test_phrases_say_where_their_notes_begin(data: Path, tmp_path: Path) -> None:
    found = list(recordings.phrases(data, tmp_path, 3))
    assert [r.group for r in found] == ["real notes: clarinet"] * 3
    assert 73.0 not in np.concatenate([r.notes.pitch for r in found])  # nobody can say when it begins
    for one in found[:2]:  # a single voice
        samples, rate = soundfile.read(one.path)
        for start, end in zip(one.notes.start_s, one.notes.end_s, strict=True):
            before = samples[max(round((start - 0.012) * rate), 0) : round((start - 0.006) * rate)]
            after = samples[round((start + 0.006) * rate) : round((min(end, start + 0.05)) * rate)]
            assert np.abs(after).max() > 0.05
            sounding = ((one.notes.start_s < start - 0.001) & (one.notes.end_s > start - 0.04)).any()
            assert sounding or np.abs(before).max(initial=0.0) < 0.02
    again = list(recordings.phrases(data, tmp_path / "again", 3))
    assert [r.notes.start_s.tolist() for r in again] == [r.notes.start_s.tolist() for r in found]


def test_recordings_are_kept_with_what_was_asked_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for maker in ("rendered", "pianos", "unmusical"):
        monkeypatch.setattr(recordings, maker, lambda *_: iter(()))
    options = argparse.Namespace(
        folder=tmp_path, each=1, mixtures=0, phrases=2, data=data, soundfont=command.FONT
    )
    made, without = command.kept_recordings(options)
    assert made and not without
    (tmp_path / "phrases" / "more.wav").write_bytes(b"")
    again, _ = command.kept_recordings(options)
    assert [(r.group, r.name, r.path) for r in again] == [(r.group, r.name, r.path) for r in made]
    for one, other in zip(again, made, strict=True):
        np.testing.assert_array_equal(one.notes.intervals, other.notes.intervals)
        np.testing.assert_array_equal(one.notes.pitch, other.notes.pitch)
    assert (tmp_path / "phrases" / "more.wav").exists()
    options.phrases = 1
    fewer, _ = command.kept_recordings(options)
    assert len(fewer) < len(made) and not (tmp_path / "phrases" / "more.wav").exists()


def test_another_font_is_asked_about_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["notes.py", "--soundfont", "generaluser", "--data", "somewhere"])
    with pytest.raises(SystemExit):
        command.main()
    assert "leave out --data" in capsys.readouterr().err
    notes = recording("x: organ", (1.0, 2.0, 48.0))
    found = recordings.again([notes, recording(f"x: {recordings.MIXED}"), recording(recordings.PIANOS)])
    assert [(number, one.group) for number, one in found] == [(0, "x: all instruments")]


def test_a_table_goes_between_its_markers(tmp_path: Path) -> None:
    document = tmp_path / "notes.md"
    document.write_text(f"before\n{command.MARKERS[0]}\nold\n{command.MARKERS[1]}\nafter\n")
    command.write_table(document, "| new |")
    assert document.read_text() == f"before\n{command.MARKERS[0]}\n| new |\n{command.MARKERS[1]}\nafter\n"
    document.write_text("no markers")
    with pytest.raises(SystemExit, match="add them"):
        command.write_table(document, "| new |")


def test_speed_alone_leaves_what_was_found_in_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    held = json.loads(command.RESULTS.read_text())
    asked: list[argparse.Namespace] = []
    monkeypatch.setattr(command, "kept_recordings", asked.append)
    monkeypatch.setattr(command, "speeds", lambda options: held["speed"][:1])
    given = ["notes.py", "--only-speed", "--peer", "python", "--folder", str(tmp_path), "--json"]
    monkeypatch.setattr(sys, "argv", [*given, str(tmp_path / "none.json")])
    with pytest.raises(SystemExit):
        command.main()
    assert not asked and "earlier --json" in capsys.readouterr().err
    kept = tmp_path / "results.json"
    kept.write_text(json.dumps(held))
    monkeypatch.setattr(sys, "argv", [*given, str(kept)])
    command.main()
    assert json.loads(kept.read_text()) == {**held, "speed": held["speed"][:1]} and len(asked) == 1


@pytest.mark.parametrize("font", [command.FONT, "generaluser"])
def test_the_committed_results_make_the_documents_table(font: str) -> None:
    text = (Path(__file__).parents[1] / "docs" / "notes.md").read_text()
    results, (begin, end) = command.of_font(font)
    held = text.split(begin)[1].split(end)[0].strip()
    assert figures.markdown(json.loads(results.read_text())) == held
