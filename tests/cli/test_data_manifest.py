"""``sonoscope data manifest`` and ``data init`` as a user types them."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from sonoscope.data import badrows, manifest

from .conftest import Sonoscope


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_second_run_adds_only_what_is_new(
    sonoscope: Sonoscope, recordings: Path, tmp_path: Path, broken: Path
):
    out = tmp_path / "m.csv"
    ran = sonoscope("data", "manifest", recordings, "-o", out)
    assert ran.code == 0 and ran.out == f"{out}\n" and "3 rows added, 0 rows kept" in ran.err
    rows = table(out)
    assert [row["path"] for row in rows] == ["beat.flac", "organ.wav", "sub/string.wav"]
    assert all(float(row["duration_s"]) == pytest.approx(4, abs=0.01) for row in rows)
    assert not any(cell.startswith("/") for row in rows for cell in row.values())
    edited = out.read_text().replace(",,", ",beat,", 1)
    out.write_text(edited)
    ran = sonoscope("data", "manifest", recordings, "-o", out)
    assert ran.code == 0 and "0 rows added, 3 rows kept" in ran.err and out.read_text() == edited

    found = manifest.read(out)
    assert all(found.path_of(row).is_file() for row in found.rows), "the manifest knows where they are"


def test_what_cannot_be_used_is_listed_beside_the_manifest(
    sonoscope: Sonoscope, organ_wav: Path, broken: Path, tmp_path: Path
):
    folder = tmp_path / "rec"
    folder.mkdir()
    (folder / "organ.wav").write_bytes(organ_wav.read_bytes())
    broken.rename(folder / "broken.wav")
    out = tmp_path / "m.csv"
    ran = sonoscope("data", "manifest", folder, "-o", out)
    assert ran.code == 1 and [row["path"] for row in table(out)] == ["rec/organ.wav"]
    assert f"1 row left out, listed in {tmp_path / 'm.bad_rows.csv'}; the first: broken.wav: " in ran.err
    (problem,) = badrows.read(tmp_path / "m.bad_rows.csv")
    assert problem.path == "broken.wav" and "text" in problem.reason
    (folder / "broken.wav").unlink()
    assert sonoscope("data", "manifest", folder, "-o", out).code == 0
    assert not (tmp_path / "m.bad_rows.csv").exists()


def test_labels_from_folders_and_a_map(sonoscope: Sonoscope, recordings: Path, tmp_path: Path):
    labels = tmp_path / "map.txt"
    labels.write_text("strng\n")
    out = tmp_path / "m.csv"
    ran = sonoscope(
        "data", "manifest", recordings / "sub", "-o", out, "--labels-from", "folder", "--no-durations"
    )
    assert ran.code == 0 and table(out)[0]["labels"] == "" and table(out)[0]["duration_s"] == ""
    ran = sonoscope(
        "data",
        "manifest",
        recordings,
        "-o",
        tmp_path / "n.csv",
        "--labels-from",
        "folder",
        "--labels",
        labels,
    )
    assert ran.code == 2 and "the folder's name 'sub' is not in the label map" in ran.err
    labels.write_text("sub\n")
    ran = sonoscope("data", "manifest", recordings / "sub" / "..", "-o", tmp_path / "n.csv", "--labels-from", "folder",
                    "--labels", labels)  # fmt: skip
    assert ran.code == 0 and [row["labels"] for row in table(tmp_path / "n.csv")] == ["", "", "sub"]
    assert (tmp_path / "labels.txt").read_text() == "sub\n" and (tmp_path / "labels.json").is_file()


def test_a_table_becomes_another(sonoscope: Sonoscope, recordings: Path, tmp_path: Path):
    listed = tmp_path / "list.csv"
    listed.write_text(
        "filepath,label\nD:\\rec\\organ.wav,organ\nD:\\rec\\sub\\string.wav,guitar\nD:\\rec\\no.wav,organ\n"
    )
    words = ("data", "manifest", listed, "-o")
    ran = sonoscope(*words, tmp_path / "m.csv")
    assert ran.code == 2 and "line 2, column 'filepath'" in ran.err and "--remap D:/rec=FOLDER" in ran.err
    ran = sonoscope(*words, tmp_path / "m.csv", "--remap", f"D:\\rec={recordings}")
    assert ran.code == 1 and "2 rows added" in ran.err
    assert manifest.read(tmp_path / "m.csv").root.samefile(recordings)
    (tmp_path / "m.csv").unlink()
    ran = sonoscope(*words, tmp_path / "m.csv", "--remap", "D:\\rec=", "--root", recordings)
    assert ran.code == 1 and [row["labels"] for row in table(tmp_path / "m.csv")] == ["organ", "guitar"]
    (problem,) = badrows.read(tmp_path / "m.bad_rows.csv")
    assert problem.path == "no.wav" and "no such file" in problem.reason
    ran = sonoscope("data", "manifest", tmp_path / "m.csv", "-o", tmp_path / "c.csv", "--form", "columns")
    assert ran.code == 0
    assert [(row["file"], row["guitar"], row["organ"]) for row in table(tmp_path / "c.csv")] == [
        ("organ.wav", "0", "1"), ("sub/string.wav", "1", "0"),
    ]  # fmt: skip
    ran = sonoscope(*words, tmp_path / "all.parquet", "--remap", "D:\\rec=", "--no-check")
    assert ran.code == 0 and len(manifest.read(tmp_path / "all.parquet")) == 3
    ran = sonoscope("data", "manifest", tmp_path / "m.csv", "-o", tmp_path / "c.csv", "--form", "columns")
    assert ran.code == 2 and "rows can be added to the form sonoscope only" in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.csv", "-o", "m.csv"], "no such file or folder: 'none.csv'"),
        ([".", "-o", "m.csv", "--form", "bits"], "--form bits is for tables"),
        (["m.csv", "-o", "n.csv", "--labels-from", "folder"], "--labels-from is for folders"),
        ([".", "-o", "m.csv", "--labels-from", "names"], "labels_from='names' must be one of folder"),
        ([".", "-o", "m.txt"], "a .csv or a .parquet file"),
        ([".", "-o", "none/m.csv"], "there is no folder"),
        (["m.csv", "-o", "n.csv", "--form", "colums"], "Did you mean 'columns'"),
        (["m.csv", "-o", "n.csv", "--labels", "instrument"], "Did you mean 'instruments'"),
        (["m.csv", "-o", "n.csv", "--remap", "x"], "must be OLD=NEW"),
        (["irms:x", "-o", "n.csv"], "Did you mean 'irmas'"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    sonoscope: Sonoscope, tmp_path: Path, monkeypatch, words: list[str], message: str
):
    monkeypatch.chdir(tmp_path)
    Path("m.csv").write_text("path,labels\nx.wav,violin\n")
    ran = sonoscope("data", "manifest", *words)
    assert ran.code == 2 and message in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_a_project_goes_from_folders_to_a_manifest(
    sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path, monkeypatch
):
    ran = sonoscope("data", "init", tmp_path / "bees", "--labels", "bee, fly")
    assert ran.code == 0 and ran.out == f"{tmp_path / 'bees'}\n" and "made" in ran.err
    (tmp_path / "bees" / "clips" / "bee" / "x.wav").write_bytes(organ_wav.read_bytes())
    (tmp_path / "bees" / "clips" / "background" / "y.wav").write_bytes(organ_wav.read_bytes())
    monkeypatch.chdir(tmp_path / "bees")
    readme = Path("README.md").read_text()
    line = next(line for line in readme.splitlines() if "data manifest" in line)
    assert sonoscope(*line.split()[1:]).code == 0
    assert [(row["path"], row["labels"]) for row in table(Path("manifest.csv"))] == [
        ("clips/background/y.wav", ""), ("clips/bee/x.wav", "bee"),
    ]  # fmt: skip
    Path("clips/fly").rename("clips/flies")
    Path("clips/flies/z.wav").write_bytes(organ_wav.read_bytes())
    ran = sonoscope(*line.split()[1:])
    assert ran.code == 2 and "'flies' is not in the label map. Did you mean 'fly'" in ran.err
    assert "all of it is there" in sonoscope("data", "init", ".").err
    ran = sonoscope("data", "init", ".", "--labels", "instruments")
    assert ran.code == 2 and "is another label map" in ran.err


def test_help_needs_nothing_heavy():
    code = (
        "import sys; from sonoscope.cli import main; main(['data', 'manifest', '--help']); "
        "print(sorted({'numpy', 'soundfile', 'sonoscope.data'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("[]\n") and "--labels-from" in ran.stdout
