"""The commands ``evaluate`` and ``thresholds fit``, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import models
from sonoscope.cli import main
from sonoscope.labels import IRMAS
from sonoscope.models import thresholds

RATE = 24_000
#: File -> labels, group, split; the codes of IRMAS among the labels are what the model has.
CLIPS = {
    "one.wav": ("piano", "p1", "test"),
    "two.wav": ("piano;voice", "p2", "test"),
    "three.wav": ("flute", "p3", "test"),
    "four.wav": ("piano", "p4", "val"),
    "five.wav": ("flute", "p5", "val"),
    "six.wav": ("voice", "p6", "val"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of 1.5 s with a manifest."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(1)
    lines = ["path,labels,group,split"]
    time = np.arange(int(1.5 * RATE)) / RATE
    for k, (path, values) in enumerate(CLIPS.items()):
        sound = 0.2 * np.sin(2 * np.pi * 262 * (k + 1) * time) + 0.02 * rng.standard_normal(time.size)
        soundfile.write(folder / path, sound.astype(np.float32), RATE)
        lines.append(",".join((path, *values)))
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def judged(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results with thresholds fitted on the other split."""
    out = tmp_path_factory.mktemp("judged") / "out"
    words = [
        "evaluate",
        "instruments",
        str(root),
        "--split",
        "test",
        "--validation",
        "val",
        "--draws",
        "20",
        "-o",
        str(out),
    ]
    assert main(words) == 0
    return out


def test_a_folder_holds_everything_and_says_where_it_comes_from(judged):
    names = {path.name for path in judged.iterdir()}
    assert names >= {
        "metrics.json",
        "figures.csv",
        "per_class.csv",
        "predictions.csv",
        "report.md",
        "arrays.npz",
        "answers.csv",
    }
    held = json.loads((judged / "metrics.json").read_text())
    origin = held["provenance"]
    assert origin["model"]["model"] == "instruments" and origin["aggregate"] == "mean"
    assert origin["certificate"].endswith("clips shared: 0, groups shared: 0, files shared: 0")
    assert "manifest, split test" in origin["data"] and origin["data_digest"].startswith("sha256:")
    rows = [row[0] for row in held["tables"]["answers"]["rows"]]
    assert (
        rows[0] == "fixed"
        and "fitted on validation, by label" in rows
        and "all zeros (hears nothing)" in rows
    )
    assert held["figures"]["lrap"]["low"] is not None
    figures = (judged / "figures.csv").read_text().splitlines()
    assert figures[0] == "figure,value,low,high,sd,why" and figures[1].startswith("lrap,0.")
    with np.load(judged / "arrays.npz") as arrays:
        assert arrays["scores"].shape == (3, 3)


def test_predictions_that_were_written_are_read_again(judged, root, capsys):
    words = ["evaluate", str(judged / "predictions.csv"), str(root), "--split", "test", "--draws", "0"]
    assert main(words) == 0
    text = capsys.readouterr().out
    lrap = json.loads((judged / "metrics.json").read_text())["figures"]["lrap"]["value"]
    assert f"lrap               {lrap:.3f}" in text or f"{lrap:.3f}" in text.split("lrap", 1)[1][:30]


def test_models_stand_side_by_side_and_nothing_is_written_without_asking(root, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.csv").write_text(
        "file,flute,piano,voice\n" + "".join(f"{name},0.5,0.4,0.3\n" for name in CLIPS)
    )
    assert (
        main(["evaluate", "instruments", "s.csv", "instruments,instruments", str(root), "--draws", "0"]) == 0
    )
    text = capsys.readouterr().out
    assert text.startswith("Clips with any number of labels\nprotocol clip 1\n")
    head = next(line for line in text.splitlines() if line.lstrip().startswith("figure "))
    assert head.split() == ["figure", "instruments", "s", "instruments+instruments"]
    assert "(any)" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.csv"]


@pytest.mark.parametrize("ending", [".json", ".md", ".csv", ".txt"])
def test_one_file_by_its_ending(root, tmp_path, ending, capsys):
    out = tmp_path / f"r{ending}"
    assert main(["evaluate", "instruments", str(root), "--draws", "0", "-o", str(out)]) == 0
    assert out.read_text() and [path.name for path in tmp_path.iterdir()] == [out.name]
    capsys.readouterr()
    assert main(["evaluate", "instruments", str(root), "-o", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_thresholds_may_come_from_several_splits(root, tmp_path, capsys):
    lines = (
        (root / "manifest.csv")
        .read_text()
        .replace("p4,val", "p4,a")
        .replace("p5,val", "p5,b")
        .replace("p6,val", "p6,b")
    )
    for path in root.glob("*.wav"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "manifest.csv").write_text(lines)
    words = [
        "evaluate",
        "instruments",
        str(tmp_path),
        "--split",
        "test",
        "--validation",
        "a,b",
        "--draws",
        "0",
    ]
    assert main(words) == 0
    assert "fitted on validation, by label" in capsys.readouterr().out


def test_seeds_are_averaged(root, tmp_path, capsys):
    for k in range(3):
        rows = "".join(f"{name},0.{k + 1},0.4,0.{5 + k}\n" for name in CLIPS)
        (tmp_path / f"s{k}.csv").write_text("file,flute,piano,voice\n" + rows)
    words = [str(tmp_path / f"s{k}.csv") for k in range(3)]
    assert main(["evaluate", *words, str(root), "--seeds", "--draws", "0"]) == 0
    text = capsys.readouterr().out
    assert "3 seeds" in text.splitlines()[0] and " ± " in text


def test_a_clip_that_cannot_be_heard_is_named_and_ends_with_1(root, tmp_path, capsys):
    for path in root.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "two.wav").write_bytes(b"RIFF")
    out = tmp_path / "out"
    assert main(["evaluate", "instruments", str(tmp_path), "--draws", "0", "-o", str(out)]) == 1
    done = capsys.readouterr()
    assert "two.wav" in done.err and "1 of 6 clips could not be heard and count nowhere: two.wav" in done.out
    assert "two.wav" in (out / "bad_rows.csv").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["instruments"], "name a model or predictions, and then the labelled recordings"),
        (["instrument", "ROOT"], "Did you mean 'instruments'"),
        (["instruments", "ROOT", "--protocol", "clips"], "Did you mean 'clip'"),
        (["instruments", "ROOT", "--split", "train"], "no clip of the split 'train'. Splits: test, val."),
        (["instruments", "ROOT", "--split", "test", "--validation", "dev"], "'dev' is no split of"),
        (
            ["instruments", "ROOT", "--validation", "val"],
            "thresholds would be fitted on what is reported: 3 clips",
        ),
        (["instruments", "ROOT", "--aggregate", "median"], "aggregate='median' must be one of mean"),
        (["instruments", "ROOT", "--threshold", "1.5"], "threshold=1.5 must lie in 0..1"),
        (["instruments", "ROOT", "--labels", "pianos"], "Did you mean 'piano'"),
        (["instruments", "ROOT", "--set", "stride"], "must be KEY=VALUE"),
        (["instruments", "ROOT", "--set", "stride=3"], "unknown option 'stride'"),
        (["instruments", "ROOT", "-o", "r.html5"], ".html5 is none of .html, .json"),
        (["instruments@last", "ROOT"], "no model and no predictions"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, message, root, capsys):
    assert main(["evaluate", *(str(root) if word == "ROOT" else word for word in words)]) == 2
    assert message in capsys.readouterr().err


def test_protocols_are_listed(capsys):
    assert main(["evaluate", "--list"]) == 0
    assert "irmas     IRMAS: predominant instruments, version 1 (for irmas)" in capsys.readouterr().out


def test_irmas_is_judged_as_irmas(root, tmp_path, capsys):
    """Its test excerpts with their texts of codes: windows of 1 s every half second, eleven labels, three rows."""
    home = tmp_path / "irmas"
    part = home / "IRMAS-TestingData-Part1" / "Part1"
    (home / "IRMAS-TrainingData" / "cel").mkdir(parents=True)
    part.mkdir(parents=True)
    for name, codes in (("one", "pia"), ("two", "pia\nvoi"), ("three", "flu")):
        (part / f"song-{name}-1.wav").write_bytes((root / f"{name}.wav").read_bytes())
        (part / f"song-{name}-1.txt").write_text(f"{codes}\n")
    (home / "IRMAS-TrainingData" / "cel" / "[cel][cla]0058__1.wav").write_bytes(
        (root / "one.wav").read_bytes()
    )
    out = tmp_path / "r.json"
    words = ["evaluate", "instruments", f"irmas:{home}/test", "--draws", "0", "-o", str(out)]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert text.startswith("IRMAS: predominant instruments\nprotocol irmas 1\n")
    assert "3 clips, not the 2,874 excerpts of the published figures" in text
    held = json.loads(out.read_text())
    assert held["provenance"]["labels"] == [label.id for label in IRMAS]
    assert held["provenance"]["hop_s"] == "0.5 of the window" and held["provenance"]["tail"] == "drop"
    assert list(held["figures"])[:3] == ["lrap", "micro_f1_oracle", "macro_f1_oracle"]
    assert main([*words[:2], f"irmas:{home}/train", "--draws", "0", "--protocol", "clip"]) == 0
    assert "protocol clip" in capsys.readouterr().out


# ---- thresholds ------------------------------------------------------------------------------------------------


def test_a_file_of_thresholds_is_taken_by_analyze_and_by_evaluate_on_other_clips(root, tmp_path, capsys):
    file = tmp_path / "t.json"
    words = ["thresholds", "fit", "instruments", str(root), "--split", "val", "--nearest", "-o", str(file)]
    assert main(words) == 0
    assert "label" in capsys.readouterr().out
    content = json.loads(file.read_text())
    assert set(content["thresholds"]) == {"flute", "piano", "voice"} and len(content["origin"]["clips"]) == 3
    on, low = thresholds.resolve(str(file), models.load("instruments"))
    assert all(on[label] == pytest.approx(value) for label, value in content["thresholds"].items())
    assert all(low[label] <= on[label] for label in on)
    other = ["evaluate", "instruments", str(root), "--draws", "0", "--threshold", str(file)]
    assert main([*other, "--split", "test"]) == 0
    assert f"given: {file}, fitted on {root} (manifest, split val)" in capsys.readouterr().out
    assert main(other) == 2
    assert "the thresholds were fitted on what is reported: 3 clips" in capsys.readouterr().err
    assert main(["analyze", str(root / "one.wav"), "--threshold", str(file)]) == 0
    assert main(words) == 2 and "exists already" in capsys.readouterr().err


def test_thresholds_are_stored_in_a_copy_of_the_bundle(root, tmp_path, capsys):
    copy = tmp_path / "mine"
    words = [
        "thresholds",
        "fit",
        "instruments",
        str(root),
        "--by",
        "fixed=0.3",
        "--labels",
        "flute,piano",
        "--store",
        str(copy),
    ]
    assert main(words) == 0
    before, after = models.load("instruments"), models.load(str(copy))
    assert after.thresholds["flute"] == 0.3 and after.thresholds["cello"] == before.thresholds["cello"]
    entry = after.spec["decision"]["labels"]["flute"]
    assert entry["origin"].startswith("fixed=0.3 (per-class, max of windows) on 6 clips of ")
    assert entry["low_threshold"] < 0.3 and after.sha256 == before.sha256
    assert "Fitted again: fixed=0.3" in after.card.read_text()
    assert main(["models", "check", str(copy)]) == 0
    capsys.readouterr()
    assert main(words) == 2 and "exists already" in capsys.readouterr().err


def test_a_wish_that_cannot_be_met_ends_the_command_with_the_nearest(root, tmp_path, capsys):
    rows = "".join(f"{name},{0.9 - 0.1 * k:.1f},0.5,0.5\n" for k, name in enumerate(CLIPS))
    (tmp_path / "s.csv").write_text("file,flute,piano,voice\n" + rows)
    words = ["thresholds", "fit", str(tmp_path / "s.csv"), str(root), "--by", "precision=0.9"]
    assert main(words) == 2
    message = capsys.readouterr().err
    assert (
        "piano: precision=0.9 cannot be met; nearest: precision=0.500" in message
        and "nan" not in message.lower()
    )
    assert main([*words, "--nearest", "-o", str(tmp_path / "t.json")]) == 0
    content = json.loads((tmp_path / "t.json").read_text())
    assert content["thresholds"]["piano"] == 0.25 and "cannot be met" in content["labels"]["piano"]["why"]


def test_a_share_of_the_field_raises_thresholds(root, tmp_path, capsys):
    found = []
    for extra in ([], ["--prior", "0.01"], ["--prior", "piano=0.01"]):
        file = tmp_path / f"t{len(extra)}{extra[-1:]}.json"
        words = ["thresholds", "fit", "instruments", str(root), "--by", "fixed=0.5", *extra, "-o", str(file)]
        assert main(words) == 0
        found.append(json.loads(file.read_text())["thresholds"])
    plain, everywhere, piano = found
    assert everywhere["flute"] > plain["flute"] and piano["flute"] == plain["flute"]
    assert piano["piano"] == everywhere["piano"] > plain["piano"]
    capsys.readouterr()
    for wish, message in (
        ("2", "must lie between 0 and 1"),
        ("pianos=0.1", "Did you mean 'piano'"),
        ("x", "no number"),
    ):
        assert main(["thresholds", "fit", "instruments", str(root), "--prior", wish]) == 2
        assert message in capsys.readouterr().err


def test_running_figures_are_told(root, tmp_path):
    """The line that stderr shows now and then: how right a model was so far, with truth from the manifest."""
    from sonoscope.evaluation import judging
    from sonoscope.evaluation.clipfigures import ClipOptions
    from sonoscope.evaluation.truth import load

    (tmp_path / "s.csv").write_text(
        "file,flute,piano,voice\n" + "".join(f"{name},0.1,0.9,0.2\n" for name in CLIPS)
    )
    told: list[str] = []
    judging.answered(str(tmp_path / "s.csv"), load(str(root))[0], ClipOptions(), tell=told.append)
    assert (
        told[0]
        == "s: 1 of 6 clips; right so far: 100.0% of decisions, 100.0% of clips in every label, 100.0% of best labels"
    )
    assert (
        told[-1]
        == "s: 6 of 6 clips; right so far: 61.1% of decisions, 33.3% of clips in every label, 40.0% of best labels"
    )
