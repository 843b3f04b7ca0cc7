"""``sonoscope data split`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data import badrows, certificate, manifest
from sonoscope.data.rows import Manifest, Row

from .conftest import Sonoscope

RATE = 8_000


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Twelve clips of six players; the last player's second clip is a copy of the first player's first."""
    rows, first = [], None
    for number in range(12):
        rng = np.random.default_rng(number)
        sound = np.repeat(rng.standard_normal(20), 400) * rng.standard_normal(8_000) * 0.1
        first = sound if first is None else first
        name = f"clips/{number}.wav"
        (tmp_path / "clips").mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, 0.5 * first if number == 11 else sound, RATE)
        labels = ("piano",) if number % 4 < 2 else ("violin",)
        rows.append(Row(name, 0, 1.0, labels, group=f"player{number // 2}", site=f"s{number // 4}"))
    manifest.write(Manifest(tuple(rows), tmp_path), tmp_path / "m.csv")
    return tmp_path / "m.csv"


def splits_of(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in manifest.read(path).rows:
        found.setdefault(row.group, set()).add(row.split)
    return found


def test_copies_stay_together_and_the_certificate_lies_beside(sonoscope: Sonoscope, clips: Path):
    out = clips.with_name("s.csv")
    ran = sonoscope("data", "split", clips, "-o", out, "--parts", "train=0.5,test=0.5")
    assert ran.code == 0, ran.err
    found = splits_of(out)
    assert all(len(parts) == 1 for parts in found.values())
    assert found["player0"] == found["player5"]
    assert "groups shared: 0, files shared: 0, known duplicates: 0, near-duplicates: 0" in ran.out
    assert "1 pair of rows" in ran.err and out.with_suffix(".duplicates.csv").is_file()
    stated = json.loads(out.with_suffix(".split.json").read_text())
    assert (
        stated["is_clean"] and stated["how"]["parts"] == "train=0.5,test=0.5" and stated["how"]["seed"] == 0
    )
    assert certificate.of(out, manifest.read(out)).is_clean
    again = clips.with_name("again.csv")
    sonoscope("data", "split", clips, "-o", again, "--parts", "train=0.5,test=0.5")
    assert again.read_bytes() == out.read_bytes()


def test_a_check_changes_nothing_and_tells_leaks(sonoscope: Sonoscope, clips: Path):
    ran = sonoscope("data", "split", clips, "--check")
    assert ran.code == 0 and "no row has a split" in ran.err
    text = clips.read_text().splitlines()
    column = text[0].split(",").index("split")
    cells = [line.split(",") for line in text]
    for number, line in enumerate(cells[1:]):
        line[column] = "train" if number < 7 else "test"
    clips.write_text("\n".join(",".join(line) for line in cells) + "\n")
    before = clips.read_bytes()
    ran = sonoscope("data", "split", clips, "--check")
    assert ran.code == 1 and clips.read_bytes() == before
    assert "group player3 is in test and train" in ran.out and "sound the same" in ran.out
    assert "LEAKS" in ran.err
    assert not certificate.read(clips.with_suffix(".split.json")).is_clean
    quick = sonoscope("data", "split", clips, "--check", "--no-audio")
    assert quick.code == 1 and "near-duplicates: not looked for" in quick.out


def test_folds_leaving_out_and_moving(sonoscope: Sonoscope, clips: Path):
    out = clips.with_name("s.csv")
    ran = sonoscope("data", "split", clips, "-o", out, "--folds", 3, "--no-audio")
    assert ran.code == 0 and {s for p in splits_of(out).values() for s in p} == {"fold1", "fold2", "fold3"}
    ran = sonoscope("data", "split", clips, "-o", out, "--leave-out", "site=s1", "--no-audio", "--overwrite")
    assert ran.code == 0
    assert splits_of(out) == {f"player{i}": {"test" if i in (2, 3) else "train"} for i in range(6)}
    ran = sonoscope("data", "split", clips, "-o", out, "--leave-out", "site", "--overwrite")
    assert ran.code == 1 and "near-duplicates: 1" in ran.out, "what was left out comes back in another site"
    ran = sonoscope("data", "split", clips, "-o", out, "--parts", "a=0.5,b=0.5", "--no-audio", "--overwrite")
    moved = clips.with_name("moved.csv")
    ran = sonoscope("data", "split", out, "-o", moved, "--move", "a:b=0.4", "--no-audio")
    assert ran.code == 0 and all(len(parts) == 1 for parts in splits_of(moved).values())
    changed = {g for g in splits_of(out) if splits_of(out)[g] != splits_of(moved)[g]}
    assert len(changed) == 1 and splits_of(moved)[changed.pop()] == {"b"}


def test_by_another_column_and_by_rows(sonoscope: Sonoscope, clips: Path):
    out = clips.with_name("s.parquet")
    pytest.importorskip("pyarrow")
    ran = sonoscope(
        "data", "split", clips, "-o", out, "--by", "site", "--count", "rows", "--no-audio", "--seed", 3
    )
    assert ran.code == 0
    by_site: dict[str, set[str]] = {}
    for row in manifest.read(out).rows:
        by_site.setdefault(row.site, set()).add(row.split)
    assert all(len(parts) == 1 for parts in by_site.values()) and len(by_site) == 3
    assert certificate.of(out, manifest.read(out)).by == ("site",)


def test_rows_that_cannot_be_heard_are_left_out_and_listed(sonoscope: Sonoscope, clips: Path):
    (clips.parent / "clips" / "3.wav").write_text("no sound")
    out = clips.with_name("s.csv")
    ran = sonoscope("data", "split", clips, "-o", out)
    assert ran.code == 1 and "1 row left out, listed in" in ran.err
    (problem,) = badrows.read(badrows.beside(out))
    assert problem.path == "clips/3.wav"
    assert len(manifest.read(out)) == 11 and certificate.of(out, manifest.read(out)).is_clean


def test_recordings_that_lie_elsewhere_are_missed_with_the_remedy(sonoscope: Sonoscope, tmp_path: Path):
    (tmp_path / "m.csv").write_text("path,labels,group\na.wav,flute,1\nb.wav,violin,2\n")
    ran = sonoscope(
        "data", "split", tmp_path / "m.csv", "-o", tmp_path / "s.csv", "--parts", "train=0.5,test=0.5"
    )
    assert ran.code == 2 and "no row can be used; the first: a.wav: " in ran.err
    assert ran.err.endswith("If it lies elsewhere: sonoscope data manifest TABLE --root FOLDER -o NEW.csv\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "where to? Name a manifest: -o split.csv"),
        (["-o", "OUT", "--folds", "2", "--check"], "--folds and --check are different things"),
        (["-o", "OUT", "--folds", "9"], "6 groups are too few for the 9 parts"),
        (["-o", "OUT", "--by", "sight"], "no column 'sight'"),
        (["-o", "OUT", "--parts", "train=0.7"], "must be two or more"),
        (["-o", "OUT", "--parts", "train=x,test=1"], "'x' is no number"),
        (["-o", "OUT", "--parts", "train=0.7,test=0.7"], "sum to 1.4, not 1"),
        (["-o", "OUT", "--move", "val"], "must be FROM:TO"),
        (["-o", "OUT", "--count", "hours"], "must be seconds or rows"),
        (["-o", "none/x.csv"], "there is no folder 'none'. Make it first"),
        (["-o", "x.txt"], "a manifest is a .csv or a .parquet file, not '.txt'"),
        (["-o", "IN"], "exists. Name another file, or replace it with --overwrite"),
        (["-o", "OUT", "--parts", "a=0.5,b=0.5", "--folds", "2"], "--parts says nothing beside --folds"),
        (["-o", "OUT", "--anew", "--move", "a:b"], "--anew says nothing beside --move"),
        (["-o", "OUT", "--check"], "leave -o out"),
    ],
)
def test_wrong_usage_is_refused_before_any_listening(
    sonoscope: Sonoscope, clips: Path, words: list, message: str
):
    out = clips.with_name("s.csv")
    named = [str({"OUT": out, "IN": clips}.get(word, word)) for word in words]
    ran = sonoscope("data", "split", clips, *named)
    assert ran.code == 2 and message in ran.err
    assert not out.exists()
