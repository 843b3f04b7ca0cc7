"""``sonoscope data mix`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data import badrows, manifest
from sonoscope.data.mix import mixrecords

from .conftest import Sonoscope

RATE = 16_000


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders cello, flute, piano and organ with four tones each, and a manifest with a genre."""
    folder = tmp_path_factory.mktemp("clips")
    lines = ["path,labels,split,genre"]
    for k, label in enumerate(("cello", "flute", "piano", "organ")):
        (folder / label).mkdir()
        for j in range(4):
            sound = 0.2 * np.sin(2 * np.pi * (200 + 90 * (4 * k + j)) * np.arange(RATE // 2 + 900 * j) / RATE)
            soundfile.write(folder / label / f"{j}.wav", sound, RATE)
            lines.append(f"{label}/{j}.wav,{label},{('train', 'test')[j % 2]},{('folk', 'jazz')[k % 2]}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_mixtures_their_manifest_and_labels(sonoscope: Sonoscope, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    words = ("data", "mix", clips, "-o", out, "--count", 6, "--rate", RATE, "--seed", 3)
    ran = sonoscope(*words)
    assert ran.code == 0 and ran.out == f"{out / 'manifest.csv'}\n"
    assert "6 mixtures made, 0 mixtures kept" in ran.err
    assert {file.name for file in out.iterdir()} == {
        "labels.json", "labels.txt", "manifest.csv", "mix.json", "mixtures.jsonl", "sound",
    }  # fmt: skip
    found = manifest.read(out / "manifest.csv")
    assert all(3 <= len(row.labels) <= 4 and row.split in ("train", "test") for row in found.rows)
    ran = sonoscope("data", "mix", clips, "-o", out, "--count", 8, "--rate", RATE, "--seed", 3)
    assert ran.code == 0 and "2 mixtures made, 6 mixtures kept" in ran.err


def records(folder: Path) -> list[dict]:
    return list(mixrecords.read(folder / "mixtures.jsonl").values())


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        (("--files", "2"), lambda r: len(r["sources"]) == 2),
        (("--files", "1=0.5,3=0.5"), lambda r: len(r["sources"]) in (1, 3)),
        (("--files", "1-2", "--most-labels", 1), lambda r: len(r["labels"]) == 1),
        (("--same", "genre"), lambda r: set(r["labels"]) in ({"cello", "piano"}, {"flute", "organ"})),
        (("--same", "family", "--files", "2"), lambda r: r["labels"] in (["cello"], ["flute"], ["organ", "piano"])),
        (("--how", "concat"), lambda r: r["how"] == "concat"),
        (("--duration", 0.3), lambda r: r["n"] <= 0.3 * RATE),
        (("--duration", 2, "--exact"), lambda r: r["n"] == 2 * RATE),
        (("--levels=-20", "--against", "recorded"), lambda r: r["sources"][1]["gain_db"] == -20),
        (("--levels", "0"), lambda r: r["gain_db"] <= 0),
        (("--where", "split=test"), lambda r: r["split"] == "test"),
        (("--where", "labels=cello,piano"), lambda r: set(r["labels"]) <= {"cello", "piano"}),
        (("--schedule", "progressive", "--progress", 0), lambda r: len(r["sources"]) == 1),
        (("--schedule", "pairs"), lambda r: len(r["sources"]) <= 2),
        (("--format", "wav"), lambda r: r["path"].endswith(".wav")),
        (("--labels-each", 2, "--memory", 1, "--labels", "instruments"), lambda r: len(r["sources"]) >= 3),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_every_option_has_its_effect(
    sonoscope: Sonoscope, clips: Path, tmp_path: Path, options: tuple, holds
) -> None:
    ran = sonoscope("data", "mix", clips, "-o", tmp_path / "m", "--count", 8, "--rate", RATE, *options)
    assert ran.code == 0, ran.err
    found = records(tmp_path / "m")
    assert len(found) == 8 and all(map(holds, found))
    assert all((tmp_path / "m" / record["path"]).is_file() for record in found)


def test_again_makes_what_a_record_states(sonoscope: Sonoscope, clips: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert sonoscope("data", "mix", clips, "-o", one, "--count", 3, "--rate", RATE, "--workers", 1).code == 0
    ran = sonoscope("data", "mix", clips, "-o", two, "--again", one / "mixtures.jsonl")
    assert ran.code == 0 and "3 mixtures made" in ran.err
    for record in records(one):
        assert (one / record["path"]).read_bytes() == (two / record["path"]).read_bytes()
    assert (one / "manifest.csv").read_bytes() == (two / "manifest.csv").read_bytes()


def test_damage_is_told_and_the_code_is_1(sonoscope: Sonoscope, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("text")
    (tmp_path / "m.csv").write_text("path,labels,split\nbad.wav,tuba,train\n")
    out = tmp_path / "out"
    words = ("data", "mix", clips, tmp_path / "m.csv", "-o", out, "--count", 12, "--rate", RATE)
    ran = sonoscope(*words)
    assert ran.code == 1 and "12 mixtures made" in ran.err
    assert f"1 row left out, listed in {out / 'manifest.bad_rows.csv'}; the first: " in ran.err
    (problem,) = badrows.read(out / "manifest.bad_rows.csv")
    assert problem.path.endswith("bad.wav") and problem.remedy
    assert sonoscope(*words).code == 1, "nothing new, and still not all of it good"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "say how many mixtures (--count N), or which (--again mixtures.jsonl); not both"),
        (("--count", 3, "--again", "x.jsonl"), "not both"),
        (("--count", 0), "count=0 must be at least 1"),
        (("--count", 3, "--files", "many"), "--files 'many' is no number of sounds, no range (3-5)"),
        (("--count", 3, "--files", "5-3"), "5 to 3 sources"),
        (("--count", 3, "--files", "0=1"), "--files '0=1' is no number"),
        (("--count", 3, "--files", "1=0.5,2=0.4"), "add up to 0.9, not to 1"),
        (("--count", 3, "--same", "gnre"), "Did you mean 'genre'?"),
        (("--count", 3, "--how", "concta"), "unknown way of mixing 'concta'. Did you mean 'concat'?"),
        (("--count", 3, "--levels", "loud"), "levels 'loud' are no numbers of dB"),
        (("--count", 3, "--progress", 0.5), "--progress is a place in a schedule"),
        (("--count", 3, "--schedule", "pair"), "Did you mean 'pairs'?"),
        (("--count", 3, "--schedule", "pairs", "--files", "2"), "--files and --schedule exclude each other"),
        (("--count", 3, "--schedule", "pairs", "--progress", 2), "progress=2.0 must lie in 0..1"),
        (("--count", 3, "--where", "split"), "--where 'split' must be COLUMN=VALUE"),
        (("--count", 3, "--where", "split=valid"), "--where split=valid: no row has that"),
        (("--count", 3, "--rate", 10), "--rate 10 must lie in 8000..96000 Hz"),
        (("--count", 3, "--memory", 0), "--memory 0 must be at least 1 MiB"),
        (("--count", 3, "--files", "9"), "no split has the 9 rows"),
        (("--count", 3, "--format", "mp3"), "unknown format 'mp3'"),
    ],
)  # fmt: skip
def test_mistakes_are_named_before_anything_is_written(
    sonoscope: Sonoscope, clips: Path, tmp_path: Path, options: tuple, message: str
) -> None:
    ran = sonoscope("data", "mix", clips, "-o", tmp_path / "m", *options)
    assert ran.code == 2 and message in ran.err and ran.out == ""
    assert not (tmp_path / "m").exists()


def test_another_seed_is_refused(sonoscope: Sonoscope, clips: Path, tmp_path: Path) -> None:
    words = ("data", "mix", clips, "-o", tmp_path / "m", "--count", 2, "--rate", RATE)
    assert sonoscope(*words).code == 0
    ran = sonoscope(*words, "--seed", 9)
    assert ran.code == 2 and "holds other mixtures (seed: 0 there, 9 now)" in ran.err
    assert json.loads((tmp_path / "m" / "mix.json").read_text())["seed"] == 0
