"""The whole way: from snippets to a bundle that analyses, on a toy base that was imported and on the shipped one."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.training.teach.conftest import FEW, RATE, WINDOW, tone

from sonoscope import models, pipeline
from sonoscope.cli import main
from sonoscope.errors import UsageError
from sonoscope.models.runtime import Runtime
from sonoscope.training.teach import Wish, hearing, taught, teach
from sonoscope.training.teach.hearing import Bed, Listener


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of a place where something hums at 800 Hz, with a low tone from second 10 to 12 of each."""
    root, rng = tmp_path_factory.mktemp("field"), np.random.default_rng(9)
    for number in range(4):
        sound = tone(rng, 800.0, 30.0, loud=0.05)
        sound[10 * RATE : 12 * RATE] += tone(rng, 300.0, 2.0)
        soundfile.write(root / f"{number}.wav", sound, RATE)
    return root


@pytest.fixture(scope="module")
def model(
    snippets: Path, toy: Path, field: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A taught model, and what the command printed."""
    out = tmp_path_factory.mktemp("model") / "tones"
    ran = subprocess.run(
        [sys.executable, "-c", "import sys; from sonoscope.cli import main; code = main(sys.argv[1:]); "
         "assert not {'torch', 'sklearn', 'lightning'} & set(sys.modules), 'torch'; sys.exit(code)",
         "train", str(snippets), "--unlabelled", str(field), "--base", str(toy), "--without", ",".join(FEW),
         "-o", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return out, ran.stdout


def test_it_is_taught_without_torch_and_says_what_it_found(model: tuple[Path, str]) -> None:
    folder, said = model
    found = json.loads((folder / "teaching.json").read_text())["left_out"]
    for label in ("low", "high"):
        entry = found[label]
        assert (entry["of"], entry["by"]) == (12, "site") and entry["found"] >= 6
        assert f"{label}: found {entry['found']} of 12 left out by site [" in said
        assert sum(of for _, of in entry["sites"].values()) == 12
    assert "of unlabelled sound it reports" in said and "Nobody judged them" in said
    assert "next: more snippets of high, low: 20 or more of each" in said
    assert f"next: sonoscope analyze RECORDINGS -m {folder} -o OUT" in said


def test_the_bundle_is_whole_and_hears_what_was_taught(model: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = model
    assert main(["models", "check", str(folder)]) == 0
    bundle = models.load(folder)
    assert bundle.label_ids == ("high", "low") and bundle.embedding_size == 24
    assert bundle.spec["built_on"][0]["model"] == "toy"
    sound = tone(np.random.default_rng(77), 800.0, 12.0, loud=0.05)
    sound[4 * RATE : 7 * RATE] += tone(np.random.default_rng(5), 300.0, 3.0)
    soundfile.write(tmp_path / "new.wav", sound, RATE)
    assert (
        main(["analyze", str(tmp_path / "new.wav"), "-m", str(folder), "-o", str(tmp_path / "out"), "-q"])
        == 0
    )
    rows = list(csv.DictReader((tmp_path / "out" / "events.csv").open()))
    low = [(float(row["start"]), float(row["end"])) for row in rows if row["label"] == "low"]
    heard = sum(min(end, 7.0) - max(start, 4.0) for start, end in low)
    assert heard > 2.0 and sum(end - start for start, end in low) < 3.6


def test_the_table_holds_each_snippet_with_its_score(model: tuple[Path, str], snippets: Path) -> None:
    rows = list(csv.DictReader((model[0] / "sounds.csv").open()))
    assert {row["file"] for row in rows} == {
        p.relative_to(snippets).as_posix() for p in snippets.rglob("*.wav")
    }
    assert {row["site"] for row in rows} == set("ABCD")
    folds = {(row["site"], row["fold"]) for row in rows}
    assert len(folds) == 4, "a site is left out whole"
    assert all(0 <= float(row["score_low"]) <= 1 for row in rows)
    card = (model[0] / "README.md").read_text()
    assert "left out with their whole site (4 sites, 4 folds)" in card and "| low | " in card


def test_it_is_the_same_each_time(snippets: Path, toy: Path, tmp_path: Path) -> None:
    wish = Wish((str(snippets),), base=str(toy), without=FEW)
    one, two = (teach(wish, tmp_path / name / "tones", say=quiet) for name in ("1", "2"))
    assert one.bundle.sha256 == two.bundle.sha256 and one.lines[:2] == two.lines[:2]
    assert any("give recordings of your own with --unlabelled" in line for line in one.lines)


def test_one_class_stands_against_built_in_backgrounds_and_one_site_is_said(
    toy: Path, tmp_path: Path
) -> None:
    for number in range(6):
        path = tmp_path / "low" / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, tone(np.random.default_rng(number), 300.0, 0.5), RATE)
    one = teach(
        Wish((str(tmp_path / "low"),), base=str(toy), without=FEW, group_by="(wav)"),
        tmp_path / "one",
        say=quiet,
    )
    (low,) = one.classes
    assert low.by_file and low.found.of == 6 and "built-in" in low.alarms
    assert (
        one.lines[0].startswith("low: found") and "left out by file (all are from one site)" in one.lines[0]
    )
    assert any("one site only: how much is found elsewhere, nobody knows" in line for line in one.lines)


def quiet(line: str) -> None:
    pass


def test_files_that_cannot_be_used_are_told_and_the_command_ends_with_1(
    snippets: Path, toy: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in (snippets / "low").rglob("*.wav"):
        copy = tmp_path / "s" / "low" / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    soundfile.write(tmp_path / "s" / "low" / "A" / "silent.wav", np.zeros(4000), RATE)
    soundfile.write(tmp_path / "s" / "low" / "A" / "short.wav", np.full(20, 0.1), RATE)
    (tmp_path / "s" / "low" / "A" / "text.wav").write_text("no sound")
    words = [
        "train",
        str(tmp_path / "s"),
        "--base",
        str(toy),
        "--without",
        ",".join(FEW),
        "-o",
        str(tmp_path / "m"),
    ]
    assert main(words) == 1
    told = capfd.readouterr().err
    assert (
        "silent.wav: it is silent" in told and "0.003 s of sound is too little" in told and "text.wav" in told
    )
    assert main(words) == 2
    assert "is there already: --overwrite replaces a model" in capfd.readouterr().err
    assert main([*words, "--overwrite"]) == 1
    capfd.readouterr()
    nowhere = tmp_path / "s" / "low" / "A" / "text.wav" / "m"
    assert main([*words[:-1], str(nowhere)]) == 3
    told = capfd.readouterr().err
    assert str(nowhere) in told and "silent.wav" not in told, "before anything is heard"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["cnn-mel", "S", "--base", "field"],
            "--base is for teaching a detector on a model that is there, cnn-mel",
        ),
        (["S", "--seeds", "2", "--only-marked"], "--only-marked is for teaching"),
        (["S", "--hours", "2"], "--hours says how much of --unlabelled is heard"),
        (["S", "--base", "notes"], "--base notes: gives no embedding"),
        (["S", "--base", "feild"], "Did you mean 'field'"),
        (["S", "--without", "rian"], "Did you mean 'rain'"),
        (["S", "--verdicts", "S"], "is no folder of clips"),
        (["--base", "field"], "nothing to teach"),
        (["S", "--unlabelled", "EMPTY"], "there is no recording"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: list[str], message: str, snippets: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"S": str(snippets), "EMPTY": str(tmp_path / "empty")}
    assert main(["train", *(places.get(word, word) for word in words), "-o", str(tmp_path / "m")]) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "m").exists()


def test_verdicts_teach_what_the_field_mistakes(
    model: tuple[Path, str], snippets: Path, toy: Path, field: Path, tmp_path: Path
) -> None:
    """Judged clips join their site, a no is known of that class only, and the new model learns from them."""
    out, clips = tmp_path / "out", tmp_path / "clips"
    assert main(["analyze", str(field), "-m", str(model[0]), "-o", str(out), "-q"]) == 0
    assert main(["clips", str(out), "-o", str(clips), "--labels", "low", "--count", "30"]) == 0
    lines = ["clip,label,verdict"]
    for clip in csv.DictReader((clips / "clips.csv").open()):
        inside = 10.0 <= (float(clip["start"]) + float(clip["end"])) / 2 <= 12.0
        lines.append(f"{clip['clip']},low,{'yes' if inside else 'no'}")
    (clips / "verdicts-anna.csv").write_text("\n".join(lines) + "\n")
    rows = taught.verdicts(clips).rows
    assert len(rows) == 30 and {row.labels for row in rows} == {("low",), ()}
    assert all(row.says("high") is None and row.says("low") is not None for row in rows)
    again = teach(
        Wish((str(snippets),), base=str(toy), without=FEW, verdicts=(clips,)), tmp_path / "again", say=quiet
    )
    low = next(each for each in again.classes if each.label == "low")
    assert low.found.of == 12 + sum(bool(row.labels) for row in rows)
    assert any("thresholds verdicts says how right it is now" in line for line in again.lines)


# ---- hearing -----------------------------------------------------------------------------------------------


def test_windows_are_those_that_analysing_hears(toy: Path) -> None:
    """Away from the ends, vectors are the embeddings of a run over the same sound."""
    listener = Listener(models.load(toy))
    sound = tone(np.random.default_rng(4), 700.0, 2.0)
    found = listener.vectors(sound)
    bundle = models.load(toy)
    scores = pipeline.score_samples(
        sound, RATE, bundle, Runtime(bundle), hop_s=listener.step / RATE, embeddings=True
    ).scores
    assert scores.embeddings is not None
    np.testing.assert_allclose(found, scores.embeddings[: len(found)], atol=1e-4)
    assert len(found) == 1 + (sound.size - WINDOW) // listener.step


def test_only_loud_windows_of_a_long_snippet_are_taught(toy: Path) -> None:
    listener = Listener(models.load(toy))
    sound = np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32) * 0.001
    sound[RATE : RATE + WINDOW] += tone(np.random.default_rng(1), 700.0, WINDOW / RATE)
    heard = listener.taught(sound, Bed([]), np.random.default_rng(2), copies=2)
    assert 1 <= len(heard.vectors) <= 3, "the window of the tone, and those that half of it lies in"
    assert len(heard.copies) >= 2
    long = tone(np.random.default_rng(1), 700.0, 20.0)
    assert len(listener.taught(long, Bed([]), np.random.default_rng(2), 0).vectors) == hearing.MOST_WINDOWS


def test_a_short_snippet_lies_in_background_as_loud_as_its_own(toy: Path) -> None:
    listener = Listener(models.load(toy))
    rng = np.random.default_rng(3)
    short = np.concatenate([rng.standard_normal(800) * 0.001, tone(rng, 700.0, 0.1)]).astype(np.float32)
    bed = Bed([rng.standard_normal(RATE).astype(np.float32)])
    laid = listener._filled(short, bed, np.random.default_rng(1))
    assert laid.size == WINDOW
    level = hearing.quiet_db(laid, RATE)
    assert level == pytest.approx(-60.0, abs=2.0), "of the quiet part of the snippet, 0.001"
    with pytest.raises(UsageError, match="copies"):
        Wish(("x",), copies=-1)
