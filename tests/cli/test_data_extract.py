"""``sonoscope data extract`` as a user types it."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from .conftest import Sonoscope


@pytest.fixture
def spec(recordings: Path, tmp_path: Path) -> Path:
    """An organ for two stretches, and a beat."""
    path = tmp_path / "spec.yaml"
    path.write_text(
        "- file: organ.wav\n  labels: [organ]\n  ranges: [[0, 1], ['0:02', end]]\n- file: beat.flac\n  labels: drums\n"
    )
    return path


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_clips_a_manifest_and_counts(
    sonoscope: Sonoscope, recordings: Path, spec: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("data", "extract", spec, "-o", out, "--media", recordings, "--length", "1")
    ran = sonoscope(*words)
    assert ran.code == 0 and ran.out == f"{out / 'manifest.csv'}\n"
    assert "7 clips; 2 recordings cut now, 0 before" in ran.err
    lines = [" ".join(line.split()) for line in ran.err.splitlines()]
    assert "organ 3 0:03.00 1 697 clips (11:37.00) missing" in lines
    rows = table(out / "manifest.csv")
    assert [row["path"] for row in rows] == [
        *(f"organ/[organ]organ__{n}.wav" for n in (1, 2, 3)), *(f"drums/[drums]beat__{n}.wav" for n in (1, 2, 3, 4)),
    ]  # fmt: skip
    info = soundfile.info(out / rows[0]["path"])
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (44_100, 1, 44_100, "PCM_16")
    ran = sonoscope(*words, "--target", "3")
    assert (
        ran.code == 0
        and "7 clips; 0 recordings cut now, 2 before" in ran.err
        and ran.err.count("reached") == 2
    )
    ran = sonoscope(*words, "--tail", "keep")
    assert ran.code == 2 and "was cut with other settings: tail keep (there: drop)" in ran.err
    ran = sonoscope(*words, "--format", "flac", "--sample-rate", "own", "--overwrite")
    assert ran.code == 0 and not list(out.rglob("*.wav")) and len(list(out.rglob("*.flac"))) == 7


def test_a_dry_run_shows_what_would_be_cut(
    sonoscope: Sonoscope, recordings: Path, spec: Path, tmp_path: Path
) -> None:
    words = ("data", "extract", spec, "-o", tmp_path / "out", "--media", recordings, "--dry-run")
    ran = sonoscope(*words)
    assert ran.code == 0 and not (tmp_path / "out").exists()
    assert [line.split() for line in ran.out.splitlines()[1:]] == [
        ["organ.wav", "2", "to", "its", "end", "?", "organ", "cut"],
        ["beat.flac", "1", "to", "its", "end", "?", "drums", "cut"],
    ]
    spec.write_text("- {file: none.wav, labels: [a], ranges: [[0, 7]]}\n")
    ran = sonoscope(*words)
    assert ran.code == 1 and "0:07.00      2  a       there is no such file below" in ran.out


def test_what_cannot_be_cut_ends_with_1(
    sonoscope: Sonoscope, recordings: Path, spec: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with open(spec, "a") as file:
        file.write(
            "- {video: 'https://youtu.be/abc', labels: organ}\n- {file: organ.flac, labels: [organ]}\n"
        )
    ran = sonoscope("data", "extract", spec, "-o", out, "--media", recordings)
    assert (
        ran.code == 1
        and f"2 recordings or ranges left out, listed in {out / 'manifest.bad_rows.csv'}" in ran.err
    )
    assert "does not download from video sites" in ran.err and len(table(out / "manifest.csv")) == 1
    video, flac = table(out / "manifest.bad_rows.csv")
    assert video["path"] == "https://youtu.be/abc" and "Did you mean 'organ.wav'" in flac["remedy"]
    assert "note: 2 ranges are too short for a clip of 3 s (the first in organ.wav)" in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.yaml"], "none.yaml: there is no such file"),
        (["spec.yaml", "--labels", "instruments"], "line 5: the label 'dums' is not in the label map. Did you"),
        (["spec.yaml", "--labels", "instrument"], "Did you mean 'instruments'"),
        (["spec.yaml", "--tail", "cut"], "tail='cut' must be one of drop, keep, pad"),
        (["spec.yaml", "--sample-rate", "44k"], "--sample-rate '44k' must be a number of Hz"),
        (["spec.yaml", "--length", "0"], "length=0 s must be at least 0.1 s"),
        (["spec.yaml", "--target", "-1"], "target=-1 must be at least 0"),
        (["spec.yaml", "--decimals", "min"], "must be seconds (2.30 is 2.3 s) or minutes"),
        (["spec.yaml", "--remap", "x"], "must be OLD=NEW"),
        (["spec.yaml", "--media", "none"], "--media 'none' is no folder"),
        (["decimals.yaml"], "line 3: 2.30 may be 2 min 30 s or 2.3 s. Write 2:30 or '2.3 s'"),
        (["reversed.yaml"], "line 3: the range 0:05-0:01 ends before it begins"),
        (["overlap.yaml"], "line 5: organ.wav: 0:01-0:03 overlaps 0:00-0:02 of line 4"),
        (["keys.yaml"], "line 2: unknown key 'lables'. Did you mean 'labels'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    sonoscope: Sonoscope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "spec": "- file: organ.wav\n  labels: [organ]\n  ranges: []\n- file: beat.flac\n  labels: [dums]\n",
        "decimals": "- file: organ.wav\n  labels: [organ]\n  ranges: [[0, 2.30]]\n",
        "reversed": "- file: organ.wav\n  labels: [organ]\n  ranges: [['0:05', '0:01']]\n",
        "overlap": "- file: organ.wav\n  labels: [organ]\n  ranges:\n    - [0, 2]\n    - [1, 3]\n",
        "keys": "- file: organ.wav\n  lables: [organ]\n",
    }.items():
        Path(f"{name}.yaml").write_text(text)
    ran = sonoscope("data", "extract", *words, "-o", "out")
    assert ran.code == 2 and message in ran.err
    assert not Path("out").exists()


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; from sonoscope.cli import main; main(['data', 'extract', '--help']); "
        "print(sorted({'numpy', 'soundfile', 'yaml', 'sonoscope.data'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("[]\n") and "--decimals" in ran.stdout
