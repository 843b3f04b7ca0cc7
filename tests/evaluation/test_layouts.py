"""Folders as other programs leave them, whole: what lies beside the predictions, empty files, names and labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.cli import main

#: Recording -> start, end, scientific name, common name, confidence: two right, one false, and one missing below.
BIRDS = {
    "site1/A": [
        (0.0, 3.0, "Turdus merula", "Common Blackbird", 0.9123),
        (6.0, 9.0, "Troglodytes troglodytes", "Eurasian Wren", 0.4512),
    ],
    "site1/B": [(3.0, 6.0, "Turdus merula", "Common Blackbird", 0.3001)],
    "site2/C": [],
}
ROOT = "/home/me/recordings"
RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tCommon Name\tSpecies Code\t"
    "Confidence\tBegin Path\tFile Offset (s)"
)
KALEIDOSCOPE = ",".join(
    (
        "INDIR",
        "FOLDER",
        "IN FILE",
        "OFFSET",
        "DURATION",
        "scientific_name",
        "common_name",
        "confidence",
        "lat",
        "lon",
    )
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings of 9 s, their birds and their buzzes, by common name."""
    folder = tmp_path_factory.mktemp("recordings")
    for name in BIRDS:
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / f"{name}.wav", np.zeros(8000 * 9), 8000)
    lines = {
        "birds": ["site1/A.wav,0,3,Common Blackbird", "site1/A.wav,6,9,Eurasian Wren", "site2/C.wav,3,6,Eurasian Wren"],
        "buzz": ["site1/A.wav,0.96,2.88,ins_buzz", "site2/C.wav,4.8,5.76,ins_buzz"],
    }  # fmt: skip
    for what, events in lines.items():
        (folder / f"{what}-events.csv").write_text("\n".join(["file,start,end,label", *events]) + "\n")
        rows = ["path,labels,annotation"]
        for name in BIRDS:
            labels = [event.rpartition(",")[2] for event in events if event.startswith(name)]
            rows.append(f"{name}.wav,{';'.join(labels)},{what}-events.csv")
        (folder / f"{what}.csv").write_text("\n".join(rows) + "\n")
    return folder


def put(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def birdnet_csv(folder: Path) -> None:
    head, together = "Start (s),End (s),Scientific name,Common name,Confidence,File", []
    for name, rows in BIRDS.items():
        lines = [f"{a},{b},{sci},{common},{p:.4f},{ROOT}/{name}.wav" for a, b, sci, common, p in rows]
        put(folder / f"{name}.BirdNET.results.csv", head, *lines)
        together += lines
    put(folder / "BirdNET_CombinedTable.csv", head, *together)
    put(folder / "BirdNET_analysis_params.csv", "File splitting duration,Segment length", "600,3.0")


def birdnet_table(folder: Path) -> None:
    for name, rows in BIRDS.items():
        lines = [
            f"{k}\tSpectrogram 1\t1\t{a}\t{b}\t0\t4000\t{common}\tcode\t{p:.4f}\t{ROOT}/{name}.wav\t{a}"
            for k, (a, b, _, common, p) in enumerate(rows, 1)
        ]
        nothing = f"1\tSpectrogram 1\t1\t0\t3\t0\t4000\tnocall\tnocall\t1.0\t{ROOT}/{name}.wav\t0"
        put(folder / f"{name}.BirdNET.selection.table.txt", RAVEN, *(lines or [nothing]))


def birdnet_kaleidoscope(folder: Path) -> None:
    for name, rows in BIRDS.items():
        site, _, stem = name.partition("/")
        lines = [
            f"{ROOT},{site},{stem}.wav,{a},{b - a},{sci},{common},{p:.4f},-1.0000,-1.0000"
            for a, b, sci, common, p in rows
        ]
        put(folder / f"{name}.BirdNET.results.kaleidoscope.csv", KALEIDOSCOPE, *lines)


def buzzdetect(folder: Path, detections: bool = False) -> None:
    """Frames of 0.96 s; the buzz of the last recording is weak."""
    for name, buzzing in {"site1/A": (1, 2), "site1/B": (), "site2/C": (5,)}.items():
        logits = [(-0.9 if name == "site2/C" else 0.4) if k in buzzing else -2.31 for k in range(9)]
        if detections:
            lines = [
                "start,detections_ins_buzz",
                *(f"{0.96 * k:.2f},{int(x > -1.2)}" for k, x in enumerate(logits)),
            ]
        else:
            lines = ["start,activation_ambient_rain,activation_ins_buzz",
                     *(f"{0.96 * k:.2f},-1.20,{x:.2f}" for k, x in enumerate(logits))]  # fmt: skip
        put(folder / f"{name}_buzzdetect.csv", *lines)
    put(folder / "buzzdetect_manifest.json", json.dumps({"modelname": "model_general_v3"}))
    put(folder / "20261121.log", "INFO done")


def figures(out: Path, *words: object) -> dict[str, float | None]:
    assert main(["evaluate", *map(str, words), "-o", str(out), "--overwrite"]) == 0
    return {name: each["value"] for name, each in json.loads(out.read_text())["figures"].items()}


LAYOUTS = {"csv": birdnet_csv, "table": birdnet_table, "kaleidoscope": birdnet_kaleidoscope}


@pytest.mark.parametrize("layout", [*LAYOUTS, "combined"])
def test_birdnet_by_either_name_and_whatever_lies_beside(layout, recordings, tmp_path):
    said = tmp_path / "said"
    LAYOUTS.get(layout, birdnet_csv)(said)
    words = (said / "BirdNET_CombinedTable.csv" if layout == "combined" else said, recordings / "birds.csv")
    found = figures(tmp_path / "f.json", *words, "--protocol", "events")
    assert (found["event_precision"], found["event_recall"]) == pytest.approx((2 / 3, 2 / 3))
    clips = figures(tmp_path / "f.json", *words, "--protocol", "clip", "--draws", "0")
    assert clips["lrap"] == pytest.approx((1 + 1 / 2) / 2), "A is right; of C nothing is said: a tie of two"


def test_labels_that_nobody_knows_are_no_zeros(recordings, tmp_path, capsys):
    """Scientific names in the data are met too; other names are refused, not counted as nothing heard."""
    birdnet_csv(tmp_path / "said")
    for common, other in (("Common Blackbird", "Turdus merula"), ("Common Blackbird", "Amsel")):
        for name in ("birds.csv", "birds-events.csv"):
            text = (recordings / name).read_text().replace(common, other).replace("Eurasian Wren", other)
            (recordings / f"{other[:3]}-{name}").write_text(text.replace("birds-", f"{other[:3]}-birds-"))
    words = ["evaluate", str(tmp_path / "said"), "--protocol", "events"]
    assert main([*words, str(recordings / "Tur-birds.csv")]) == 0
    capsys.readouterr()
    assert main([*words, str(recordings / "Ams-birds.csv")]) == 2
    error = capsys.readouterr().err
    assert (
        "said names none of the 1 labels of the data (Amsel), but Troglodytes troglodytes_Eurasian Wren"
        in error
    )


def test_buzzdetect_with_activations_and_with_detections(recordings, tmp_path):
    buzzdetect(tmp_path / "raw")
    found = figures(tmp_path / "f.json", tmp_path / "raw", recordings / "buzz.csv", "--protocol", "events")
    assert (found["sensitivity_at_precision"], found["psds1"], found["event_recall"]) == (1.0, 1.0, 0.5)
    buzzdetect(tmp_path / "decided", detections=True)
    words = (tmp_path / "decided", recordings / "buzz.csv")
    decided = figures(tmp_path / "f.json", *words, "--protocol", "events")
    assert decided["event_f1"] == 1.0 and "psds1" not in decided
    assert figures(tmp_path / "f.json", *words, "--protocol", "clip", "--draws", "0")["lrap"] == 1.0


def test_basic_pitchs_table_without_its_midi_file(recordings, tmp_path, capsys):
    """As ``--save-note-events`` leaves it: rows end with as many bends as a note has."""
    rows = ["0.0116,0.5108,60,80,0,0,1", "1.0,1.6,64,50", "1.7,2.4,79,90,-1,-1"]
    put(
        tmp_path / "said" / "A_basic_pitch.csv",
        "start_time_s,end_time_s,pitch_midi,velocity,pitch_bend",
        *rows,
    )
    put(
        tmp_path / "notes.csv",
        "onset,offset,pitch,velocity",
        "0.0,0.5,60,80",
        "1.0,1.6,64,50",
        "1.7,2.4,67,100",
    )
    put(tmp_path / "data.csv", "path,annotation", "A.wav,notes.csv")
    (tmp_path / "A.wav").write_bytes((recordings / "site1" / "A.wav").read_bytes())
    found = figures(tmp_path / "f.json", tmp_path / "said", tmp_path / "data.csv", "--protocol", "notes")
    assert found["onset_f1"] == pytest.approx(2 / 3) and found["onset_velocity_f1"] == pytest.approx(2 / 3)
    assert "instrument_full_f1" not in found
    put(
        tmp_path / "said" / "A_basic_pitch.csv",
        "start_time_s,end_time_s,pitch_midi,velocity,pitch_bend",
        "0.1,0.5",
    )
    words = ["evaluate", str(tmp_path / "said"), str(tmp_path / "data.csv"), "--protocol", "notes"]
    assert main(words) == 2
    assert (
        "A_basic_pitch.csv, line 2: 2 cells, and start_time_s, end_time_s, pitch_midi, velocity"
        in capsys.readouterr().err
    )
