"""What is asked becomes trainings: presets, data, seeds, sweeps; and tables and comparisons of what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonoscope.cli import main, teach
from sonoscope.errors import UnknownName, UsageError
from sonoscope.evaluation import tagging
from sonoscope.evaluation.tagging import Answers
from sonoscope.training import plans, presets, rundir, runs, start
from sonoscope.training.config import compose
from sonoscope.training.sections import BadConfig


def test_words_are_sorted(tmp_path: Path):
    (tmp_path / "clips").mkdir()
    found = plans.asked(["cnn-fluffy", str(tmp_path / "clips"), "training.epochs=3", "irmas:somewhere/train"])
    assert found.values["name"] == "cnn-fluffy" and found.words == ("training.epochs=3",)
    assert found.values["data"]["train"] == [str(tmp_path / "clips"), "irmas:somewhere/train"]
    assert plans.asked([str(tmp_path / "clips")]).values["name"] == plans.DEFAULT_PRESET
    with pytest.raises(UnknownName, match="Did you mean 'cnn-fluffy'"):
        plans.asked(["cnn-flufy"])
    with pytest.raises(
        UnknownName, match=r"^gone\.csv: there is no such file, folder or preset\. sonoscope train"
    ):
        plans.asked(["cnn-mel", "gone.csv"])


def test_a_sweep_is_every_combination_with_every_seed():
    found = plans.asked(["cnn-mel"])
    made = plans.plans(
        found, seeds=2, sweep=["training.learning_rate=0.1,0.01", "network.head=linear,fluffy"]
    )
    assert [plan.folder for plan in made][:3] == [
        "learning_rate=0.1,head=linear/seed-0", "learning_rate=0.1,head=linear/seed-1",
        "learning_rate=0.1,head=fluffy/seed-0",
    ]  # fmt: skip
    assert len(made) == 8 and {plan.config.training.seed for plan in made} == {0, 1}
    assert plans.plans(found)[0].folder == ""
    (plan,) = plans.plans(found, sweep=["augment=[{name: gain, low_db: -3}]"])
    assert plan.config.augment == ({"name": "gain", "low_db": -3},)
    for bad in (["training.epochs"], ["training.epochs="]):
        with pytest.raises(BadConfig, match="must be key=a,b"):
            plans.plans(found, sweep=bad)
    with pytest.raises(BadConfig, match="one folder"):
        plans.plans(found, sweep=["training.epochs=3,3"])
    with pytest.raises(UsageError, match="--seeds 0"):
        plans.plans(found, seeds=0)


def test_a_preset_that_is_misspelt_is_not_taken_for_sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName, match=r"no such file, folder or preset\. Did you mean 'cnn-mel'"):
        teach.is_teaching(["cnn-mell"], {}, {})
    Path("cnn-mell").mkdir()
    assert teach.is_teaching(["cnn-mell"], {}, {}) and teach.is_teaching(["recordings/*.wav"], {}, {})


def test_a_folder_is_found_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert plans.folder_for("a", None) == Path("runs/a")
    Path("runs/a").mkdir(parents=True)
    assert plans.folder_for("a", None) == Path("runs/a-2") and plans.folder_for("a", "b") == Path("b")


def made_run(
    folder: Path, name: str, seed: int, skill: float, clips: int = 200, words: Sequence[str] = ()
) -> None:
    """The folder of a training whose scores follow the truth by ``skill``."""
    truth = (np.random.default_rng(1).random((clips, 3)) < 0.4).astype(np.float32)
    noise = np.random.default_rng(seed + 10).random((clips, 3))
    scores = skill * truth + (1 - skill) * noise
    names = tuple(f"{i}.wav@0" for i in range(clips))
    answers = Answers(
        truth,
        np.ones((clips, 3), bool),
        scores,
        tuple("abc"),
        tuple(f"g{i // 5}" for i in range(clips)),
        names,
    )
    folder.mkdir(parents=True)
    rundir.write_config(folder, compose(presets.load(name), [f"training.seed={seed}", *words]))
    for part in ("test", "validation"):
        rundir.write_answers(folder / f"{part}.npz", answers)
    rundir.write_metrics(folder, rundir.figures(answers, tagging.fitted_thresholds(answers), draws=20))


def test_a_table_has_a_line_for_what_differs_and_a_mean_over_seeds(tmp_path: Path):
    for seed in range(3):
        made_run(tmp_path / "a" / f"seed-{seed}", "cnn-mel", seed, 0.4)
    made_run(tmp_path / "b", "cnn-fluffy", 0, 0.1)
    found = runs.lines(runs.find([tmp_path]))
    assert [(line.name, len(line.runs)) for line in found] == [("cnn-mel", 3), ("cnn-fluffy", 1)]
    values = found[0].figures("map")
    text = runs.table(found)
    assert f"{values.mean():.3f} ± {values.std(ddof=1):.3f}" in text and "cnn-fluffy" in text
    assert runs.table(found, ("map",), "markdown").splitlines()[1] == "| --- | --- | --- |"
    latex = runs.table(found, ("map", "micro_f1"), "latex")
    assert latex.startswith(r"\begin{tabular}{lrrr}") and r"micro\_f1" in latex and r"$\pm$" in latex
    assert runs.table(found, ("map",), "csv").splitlines()[0] == "training,seeds,map"
    with pytest.raises(UnknownName, match="Did you mean 'micro_f1'"):
        runs.table(found, ("mikro_f1",))
    with pytest.raises(UnknownName, match="style 'html'"):
        runs.table(found, style="html")


def test_what_differs_is_called_by_its_part(tmp_path: Path):
    for name, words in (
        ("linear", ["network.head=linear", "losses=bce"]),
        ("mlp", ["network.head=mlp", "losses.0=focal", "losses.0.gamma=1.5", "losses.1=arcface"]),
    ):
        made_run(tmp_path / name, "cnn-mel", 0, 0.4, words=words)
    names = [line.name for line in runs.lines(runs.find([tmp_path]))]
    assert names == ["head=linear losses=bce", "head=mlp losses=focal(gamma=1.5)+arcface"]


def test_seeds_that_begin_with_the_pre_training_of_the_same_seed_are_one_line(tmp_path: Path):
    for seed in range(3):
        words = [f"network.init_from=before/seed-{seed}"]
        made_run(tmp_path / f"seed-{seed}", "cnn-mel", seed, 0.4, words=words)
    made_run(tmp_path / "other", "cnn-mel", 3, 0.4, words=["network.init_from=before/seed-0"])
    found = runs.lines(runs.find([tmp_path]))
    assert sorted((line.name, len(line.runs)) for line in found) == [
        ("init_from=before", 3),
        ("init_from=before/seed-0", 1),
    ]


@pytest.mark.parametrize(
    ("words", "epochs", "of_phases"),
    [
        (["cnn-mel"], 2, [None]),
        (["panns-bands-two-phase"], 2, [1, None]),
        (["ast-mel", "training.epochs=7"], 7, [5, None]),
        (["cnn-mel", "num_epochs=3"], 3, [None]),
    ],
)
def test_a_quick_training_has_few_epochs(words: list[str], epochs: int, of_phases: list[int | None]):
    (planned,) = plans.plans(plans.hurried(plans.asked(words)))
    training = planned.config.training
    assert (training.epochs, [phase.epochs for phase in training.phases]) == (epochs, of_phases)


def test_a_seed_counts_once(tmp_path: Path):
    for name, seed in (("again", 0), ("seeds/seed-0", 0), ("seeds/seed-1", 1)):
        made_run(tmp_path / name, "cnn-mel", seed, 0.4)
    (line,) = runs.lines(runs.find([tmp_path / "again", tmp_path / "seeds"]))
    assert [run.seed for run in line.runs] == [0, 1]


def test_different_trainings_are_not_averaged_to_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    made_run(tmp_path / "sweep" / "a", "cnn-mel", 0, 0.4)
    made_run(tmp_path / "sweep" / "b", "cnn-fluffy", 0, 0.4)
    assert main(["runs", "compare", str(tmp_path / "sweep"), str(tmp_path / "sweep" / "a")]) == 2
    told = capsys.readouterr().err
    assert "sweep holds 2 trainings, of which one can be compared" in told and "sweep/b" in told


def test_counts_are_whole_numbers(tmp_path: Path):
    for seed in range(2):
        made_run(tmp_path / f"seed-{seed}", "cnn-mel", seed, 0.4)
    found = runs.lines(runs.find([tmp_path]))
    assert runs.table(found, ("clips",), "csv").splitlines()[1] == "cnn-mel,2,200"
    assert runs.table(found, ("clips",)).split()[-1] == "200"


def test_a_mean_of_fewer_seeds_than_there_are_says_of_how_many(tmp_path: Path):
    for seed in range(3):
        made_run(tmp_path / f"seed-{seed}", "cnn-mel", seed, 0.4)
    metrics = rundir.read_metrics(tmp_path / "seed-1")
    del metrics["fitted"]["map"]
    rundir.write_metrics(tmp_path / "seed-1", metrics)
    found = runs.lines(runs.find([tmp_path]))
    values = found[0].figures("map")[[0, 2]]
    expected = f"{values.mean():.3f} ± {values.std(ddof=1):.3f} (2 of 3)"
    assert runs.table(found, ("map",)).splitlines()[1].split(maxsplit=2) == ["cnn-mel", "3", expected]
    assert runs.table(found, ("map",), "csv").splitlines()[1] == f"cnn-mel,3,{values.mean():.3f}"


def test_a_comparison_is_paired_and_says_how_sure_it_is(tmp_path: Path):
    for seed in range(2):
        made_run(tmp_path / "good" / f"seed-{seed}", "cnn-mel", seed, 0.5)
        made_run(tmp_path / "bad" / f"seed-{seed}", "cnn-fluffy", seed, 0.05)
    good, bad = (runs.find([tmp_path / name]) for name in ("good", "bad"))
    (found,), clips, groups = runs.compare(good, bad, ("map",), draws=200)
    assert (clips, groups) == (200, 40)
    assert found.difference == pytest.approx(found.first - found.second)
    assert found.interval[0] > 0 and found.above == 1.0
    (same,), _, _ = runs.compare(good, good, ("map",), draws=50)
    assert same.difference == 0 and same.interval == (0.0, 0.0)
    with pytest.raises(UnknownName, match="no figure"):
        runs.compare(good, bad, ("accuracy",))


def test_a_folder_in_which_nothing_was_learned_is_begun_again(tmp_path: Path):
    first, second = compose(presets.load("cnn-mel")), compose(presets.load("cnn-fluffy"))
    rundir.open_for(tmp_path / "run", first, resume=False)
    rundir.open_for(tmp_path / "run", second, resume=False)
    assert rundir.read_config(tmp_path / "run") == second
    (tmp_path / "run" / rundir.LAST).touch()
    with pytest.raises(UsageError, match="holds a training already"):
        rundir.open_for(tmp_path / "run", second, resume=False)
    with pytest.raises(UsageError, match="another configuration"):
        rundir.open_for(tmp_path / "run", first, resume=True)
    rundir.open_for(tmp_path / "run", second, resume=True)


def test_what_is_refused_leaves_nothing_behind(tmp_path: Path):
    for package in ("onnx", "sklearn", "torch"):
        pytest.importorskip(package)
    (tmp_path / "sounds" / "violin").mkdir(parents=True)
    (tmp_path / "sounds" / "violin" / "one.wav").write_bytes(b"")
    (tmp_path / "stands").mkdir()
    for folder in ("run", "stands"):
        with pytest.raises(UsageError, match=r"1 group is too few .*train: data.test_share=0"):
            start.train("dummy-zeros", tmp_path / "sounds", out=tmp_path / folder)
    assert not (tmp_path / "run").exists()
    assert list((tmp_path / "stands").iterdir()) == []
    with pytest.raises(UnknownName, match=r"unknown backbone 'cn14'. Did you mean 'cnn14'"):
        start.train("cnn-mel", tmp_path / "sounds", "network.backbone=cn14", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    # What was prepared for it stays, and so does what it was prepared for.
    config = compose(presets.load("cnn-mel"))
    with pytest.raises(UsageError, match="later"), rundir.nothing_if_refused(tmp_path / "run"):
        rundir.open_for(tmp_path / "run", config, resume=False)
        (tmp_path / "run" / "data").mkdir()
        raise UsageError("later")
    assert rundir.read_config(tmp_path / "run") == config


def test_only_seeds_that_both_have_are_compared(tmp_path: Path):
    for seed in range(3):
        made_run(tmp_path / "three" / f"seed-{seed}", "cnn-mel", seed, 0.3)
    made_run(tmp_path / "one" / "seed-1", "cnn-fluffy", 1, 0.3)
    made_run(tmp_path / "other" / "seed-7", "cnn-fluffy", 7, 0.3)
    three, one, other = (runs.find([tmp_path / name]) for name in ("three", "one", "other"))
    assert [run.seed for run in runs.of_same_seeds(three, one)[0]] == [1]
    assert [len(each) for each in runs.of_same_seeds(three, other)] == [1, 1]
    mixed = [*three, *one]  # no seeds of one training: all of them
    assert runs.of_same_seeds(mixed, one) == (mixed, one)
    (whole,), _, _ = runs.compare(three, one, ("map",), draws=20)
    (single,), _, _ = runs.compare(three[1:2], one, ("map",), draws=20)
    assert whole == single


def test_a_comparison_is_laid_out_for_papers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made_run(tmp_path / "good", "cnn-mel", 0, 0.5)
    made_run(tmp_path / "bad", "cnn-fluffy", 0, 0.05)
    words = ["runs", "compare", str(tmp_path / "good"), str(tmp_path / "bad"), "--figures", "map"]
    assert main([*words, "--style", "markdown"]) == 0
    head, _, row = capsys.readouterr().out.strip().splitlines()
    assert head == "| figure | good | bad | difference | 95 % from | to |" and row.startswith("| map | ")
    assert main([*words, "--style", "latex"]) == 0
    assert r"95 \% from & to" in capsys.readouterr().out
    assert main([*words, "--style", "html"]) == 2


def retold(folder: Path, part: str, **changes: Any) -> None:
    """The answers of a run, changed: columns by name, clips by ``rows``."""
    rows = changes.pop("rows", None)
    answers = rundir.read_answers(folder / f"{part}.npz")
    answers = replace(answers if rows is None else answers.take(rows), **changes)
    rundir.write_answers(folder / f"{part}.npz", answers)


def test_clips_and_groups_are_paired_whatever_their_order_and_the_groups_names(tmp_path: Path):
    """The same answers in another order, their groups called otherwise: nothing differs, in any draw."""
    for name in ("one", "other"):
        made_run(tmp_path / name, "cnn-mel", 0, 0.3)
    retold(tmp_path / "other", "test", rows=np.random.default_rng(3).permutation(200))
    retold(tmp_path / "other", "test", groups=tuple(str(i % 9) for i in range(200)))
    one, other = (runs.find([tmp_path / name]) for name in ("one", "other"))
    for found in runs.compare(one, other, ("map", "macro_f1"), draws=40)[0]:
        assert found.first > 0.4 and found.difference == pytest.approx(0, abs=1e-12)
        assert found.interval == pytest.approx((0, 0), abs=1e-12)


def test_thresholds_of_a_comparison_come_from_validation(tmp_path: Path):
    """On validation twice as high as on the test: thresholds of the one are too high for the other, and stay so."""
    made_run(tmp_path / "one", "cnn-mel", 0, 0.5)
    kept = rundir.read_answers(tmp_path / "one" / "test.npz")
    retold(tmp_path / "one", "test", scores=kept.scores / 2)
    retold(tmp_path / "one", "validation", scores=kept.scores)
    run = runs.find([tmp_path / "one"])
    (found,), _, _ = runs.compare(run, run, ("micro_f1",), draws=10)
    halved = replace(kept, scores=kept.scores / 2)
    at, fitted_on_test = (tagging.fitted_thresholds(each) for each in (kept, halved))
    assert found.first == pytest.approx(tagging.measured(halved, at)["micro_f1"])
    assert found.first < tagging.measured(halved, fitted_on_test)["micro_f1"] - 0.1


def test_different_tests_are_not_compared(tmp_path: Path):
    made_run(tmp_path / "one", "cnn-mel", 0, 0.5)
    made_run(tmp_path / "other", "cnn-mel", 0, 0.5, clips=100)
    one, other = (runs.find([tmp_path / name]) for name in ("one", "other"))
    _, clips, _ = runs.compare(one, other, ("map",), draws=20)
    assert clips == 100
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no finished training"):
        runs.find([tmp_path / "empty"])
