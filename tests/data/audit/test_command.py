"""``sonoscope data audit`` from the recordings to the files, task by task."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.cli import main
from sonoscope.data import manifest
from sonoscope.data.rows import Manifest, Row


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def data(made: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest with two wrong labels."""
    path = tmp_path_factory.mktemp("data") / "clips.csv"
    rows = list(made.rows)
    rows[12] = replace(rows[12], labels=("sine",))
    rows[60] = replace(rows[60], labels=("clicks",))
    manifest.write(replace(made, rows=tuple(rows)), path)
    return path


@pytest.fixture(scope="module")
def audited(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an audit of it."""
    folder = tmp_path_factory.mktemp("audits") / "audit"
    assert main(["data", "audit", str(data), "-o", str(folder), "--top", "3"]) == 0
    return folder


def test_an_audit_leaves_a_page_and_tables(audited: Path, made: Manifest) -> None:
    issues = table(audited / "issues.csv")
    names = [Path(row["path"]).name for row in issues]
    assert {made.rows[12].path, made.rows[60].path} <= set(names[:4])
    scores = [float(row["score"]) for row in issues]
    assert scores == sorted(scores)
    assert [row["rank"] for row in issues] == [str(k + 1) for k in range(len(issues))]
    first = issues[names.index(made.rows[12].path)]
    assert first["given"] == "sine" and first["suggested"] == made.rows[12].labels[0]
    rows = table(audited / "rows.csv")
    assert len(rows) == 100 and sum(int(row["flagged"]) for row in rows) == len(issues)
    present = table(audited / "presence.csv")
    assert len(present) == 100 and {row["flagged"] for row in present} <= {"0", "1"}
    assert len(list((audited / "audit-sounds").iterdir())) == min(3, len(issues))
    assert not (audited / "bad_rows.csv").exists()


def test_a_second_audit_listens_to_nothing(
    data: Path, audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sonoscope.models import runtime

    def never(*_: object, **__: object) -> None:
        raise AssertionError("listened again")

    monkeypatch.setattr(runtime.Runtime, "scorer", never)
    out = tmp_path / "again"
    assert main(["data", "audit", str(data), "-o", str(out), "--embeddings", str(audited)]) == 0
    assert (out / "issues.csv").read_bytes() == (audited / "issues.csv").read_bytes()


def test_decisions_are_applied_and_compared(
    data: Path, audited: Path, made: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decisions = tmp_path / "overrides.csv"
    lines = [f"{made.rows[12].path},0,relabel,{made.rows[12].labels[0]}", f"{made.rows[60].path},,remove,"]
    decisions.write_text("path,start_s,action,labels\n" + "\n".join(lines) + "\n")
    out = tmp_path / "cleaned.csv"
    words = ["data", "audit", str(data), "--apply", str(decisions), "-o", str(out)]
    assert main([*words, "--no-compare"]) == 0
    cleaned = manifest.read(out)
    assert len(cleaned) == 99
    assert cleaned.path_of(cleaned.rows[12]).name == made.rows[12].path
    assert cleaned.rows[12].labels == made.rows[12].labels
    capsys.readouterr()
    assert main([*words, "--embeddings", str(audited)]) == 0
    shown = capsys.readouterr()
    assert re.search(r"top-1 +after +0\.\d+ +0\.\d+ +[+-]0\.\d+ \([+-].* to [+-].*\) +99", shown.out)
    assert "relabel 1, remove 1; 2 rows changed, 99 of 100 rows left" in shown.err
    folder = tmp_path / "folder"
    assert main([*words[:-1], str(folder), "--embeddings", str(audited)]) == 0
    assert {"cleaned.csv", "comparison.csv", "embeddings.npz"} == {path.name for path in folder.iterdir()}
    figures = table(folder / "comparison.csv")
    assert [row["truth"] for row in figures] == ["after", "after", "before", "before"]


def test_one_labelling_against_another(
    data: Path, made: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "human.csv"
    manifest.write(made, other)
    assert main(["data", "audit", str(data), "--against", str(other), "-o", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert re.search(r"exactly right +0\.980 \(0\.\d+ to 1\.000\) +100", shown.out)
    assert "2 rows labelled differently" in shown.err
    assert len(table(tmp_path / "out" / "differences.csv")) == 2
    assert {row["label"] for row in table(tmp_path / "out" / "agreement.csv")} == {
        "clicks",
        "hiss",
        "saw",
        "sine",
    }


def test_a_rehearsal_says_how_much_is_found(
    made: Manifest, data: Path, audited: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "audit", str(data), "--embeddings", str(audited), "-o", str(tmp_path / "out")]
    assert main([*words, "--rehearse", "0.1"]) == 0
    assert "50 exchanged labels, 100 rows judged each time, 20 groups" in capsys.readouterr().out
    figures = {row["figure"]: float(row["value"]) for row in table(tmp_path / "out" / "rehearsal.csv")}
    assert figures["wrong rows that are flagged (recall)"] > 0.7


def test_a_class_is_split(
    made: Manifest, bundle: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows called ``tone`` become ``saw`` or ``sine``, as the labelled ones say."""
    coarse = [
        replace(row, labels=("tone",), extra={"is": row.labels[0]})
        if row.group in ("saw-4", "sine-4")
        else row
        for row in made.rows
    ]
    manifest.write(replace(made, rows=tuple(coarse)), tmp_path / "clips.csv")
    out = tmp_path / "split.csv"
    words = ["data", "audit", str(tmp_path / "clips.csv"), "--split-class", "tone=saw,sine", "-o", str(out)]
    assert main([*words, "--keep-share", "0.6"]) == 0
    shown = capsys.readouterr()
    assert re.search(r"the most confident 60 % +\S+ \(", shown.out)
    assert "10 rows of tone" in shown.err and "4 left unknown" in shown.err
    split = [row for row in manifest.read(out).rows if row.extra["split_from"]]
    named = [row for row in split if row.labels]
    assert len(split) == 10 and len(named) == 6
    assert np.mean([row.labels == (row.extra["is"],) for row in named]) >= 5 / 6
    assert all(set(row.unknown) == {"saw", "sine"} for row in split if not row.labels)


def test_rows_that_cannot_be_heard_are_listed_and_the_rest_is_done(
    data: Path, audited: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.csv"
    lines = data.read_text().splitlines()
    columns = lines[0].split(",")
    cells = dict(zip(columns, lines[1].split(","), strict=True)) | {"path": "gone.wav"}
    broken.write_text("\n".join([*lines, ",".join(cells[name] for name in columns)]) + "\n")
    out = tmp_path / "out"
    words = ["data", "audit", str(broken), "-o", str(out), "--embeddings", str(audited)]
    assert main(words) == 1
    (bad,) = table(out / "bad_rows.csv")
    assert bad["path"].endswith("gone.wav")
    assert (out / "audit.html").exists()
    assert "1 row left out" in capsys.readouterr().err


def test_nothing_but_unusable_rows_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (Row("a.wav", labels=("x",)), Row("b.wav", labels=("y",)))
    manifest.write(Manifest(rows, tmp_path), tmp_path / "m.csv")
    assert main(["data", "audit", str(tmp_path / "m.csv"), "-o", str(tmp_path / "out")]) == 2
    assert "none of 2 rows can be listened to. The first: a.wav" in capsys.readouterr().err
    assert (tmp_path / "out" / "bad_rows.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--apply", "o.csv", "--rehearse", "0.1"], "--apply and --rehearse are two tasks"),
        (["--pairs", "x.csv"], "--pairs is for --split-class"),
        (["--no-compare"], "--no-compare is for --apply"),
        (["--group-by", "grop"], "no column 'grop' of text to group by. Did you mean 'group'"),
        (["--folds", "1"], "folds=1 must be at least 2"),
        (["--present", "2"], "present=2 must lie in"),
        (["--top", "-1"], "top=-1 must be at least 0"),
        (["--rehearse", "0.9"], "a share of errors of 0.9"),
        (["--split-class", "x"], "'x' does not say what to split"),
        (["--split-class", "tone=saw,sine"], "no row has the label 'tone'"),
        (["--model", "instrument"], "Did you mean 'instruments'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    data: Path,
    audited: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["data", "audit", str(data), "-o", str(tmp_path / "out"), "--embeddings", str(audited)]
    assert main([*command, *words]) == 2
    assert message in capsys.readouterr().err


def test_a_file_is_no_folder(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "audit", str(data), "-o", str(tmp_path / "x.csv")]) == 2
    assert "must be a folder" in capsys.readouterr().err
    (tmp_path / "x").write_text("")
    assert main(["data", "audit", str(data), "-o", str(tmp_path / "x")]) == 2
    assert "is a file. Give a folder" in capsys.readouterr().err


def test_partial_labels_and_several_at_once(
    bundle: object, make: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    """Rows with two labels, one, and none, some not judged: the whole way."""
    rng = np.random.default_rng(2)
    rows = []
    for k in range(48):
        kinds = [("saw",), ("hiss",), ("saw", "hiss"), ()][k % 4]
        samples = sum((make(kind, 1.0, rng.uniform(300, 600), rng) for kind in kinds), start=np.zeros(24_000))
        samples = samples + 0.003 * rng.standard_normal(24_000)
        soundfile.write(tmp_path / f"{k}.wav", samples, 24_000)
        unknown = ("hiss",) if k % 5 == 0 else ()
        rows.append(
            Row(
                f"{k}.wav",
                labels=tuple(x for x in kinds if x not in unknown),
                unknown=unknown,
                group=str(k // 4),
            )
        )
    rows[6] = replace(rows[6], labels=("saw",), unknown=())  # hiss sounds, and is not written down
    manifest.write(Manifest(tuple(rows), tmp_path), tmp_path / "m.csv")
    assert main(["data", "audit", str(tmp_path / "m.csv"), "-o", str(tmp_path / "out")]) == 0
    issues = table(tmp_path / "out" / "issues.csv")
    assert "6.wav" in {row["path"] for row in issues[:3]}
    found = next(row for row in issues if row["path"] == "6.wav")
    assert found["given"] == "saw" and found["suggested"] == "hiss;saw"
