"""Decisions made again from kept scores: the same bytes as a fresh run, and no recording touched."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from sonoscope import models, runs
from sonoscope import scores as score_tables
from sonoscope.errors import RunRefused, UsageError
from sonoscope.runs.job import Desk, Job, Task
from sonoscope.runs.journal import Record
from sonoscope.runs.setup import prepare
from sonoscope.values import Recording

CHANGES = [
    {"threshold": "0.4"},
    {"min_duration_s": 1.5, "max_gap_s": 0.7},
    {"tail": "drop"},
    {"formats": ("csv", "raven", "jsonl")},
    {"formats": ("audacity",), "scores": "tsv"},
    {"scores": "csv", "raw": True},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: ",".join(change))
def test_a_new_decision_gives_what_a_fresh_run_gives(make, run, tmp_path, contents, leftovers, change):
    folder = make("a.wav", "sub/b.wav", seconds=3.3)
    (folder / "bad.wav").write_text("no sound")
    run(folder)
    summary = run(folder, **change)
    assert (summary.done, summary.decided, summary.failed) == (2, 2, 1)
    run(folder, out="fresh", **change)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
    assert leftovers(tmp_path / "out") == []


def test_and_back_again(make, run, tmp_path, contents):
    folder = make("a.wav", "b.wav")
    run(folder)
    before = contents(tmp_path / "out")
    run(folder, threshold="0.4", formats=("raven",), scores="csv")
    run(folder)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("elsewhere", [False, True])
def test_from_scores_the_recordings_are_not_needed(make, run, tmp_path, contents, elsewhere):
    folder = make("a.wav", "sub/b.wav", seconds=3)
    (folder / "bad.wav").write_text("no sound")
    run(folder, scores="csv")
    run(folder, out="fresh", scores="csv", threshold="0.3")
    shutil.rmtree(folder)
    given = {"threshold": "0.3"} | ({"out": str(tmp_path / "other")} if elsewhere else {})
    summary = runs.decide(tmp_path / "out", given)
    assert (summary.done, summary.decided, summary.failed, summary.exit_code) == (2, 2, 1, 1)
    made = tmp_path / ("other" if elsewhere else "out")
    assert contents(made) == contents(tmp_path / "fresh")
    assert runs.RunSpec.from_run_json(made / "run.json").threshold == "0.3"


def test_what_a_decision_elsewhere_made_is_a_run_of_its_own(make, run, tmp_path, contents):
    folder = make("a.wav", "b.wav")
    run(folder)
    runs.decide(tmp_path / "out", {"threshold": "0.3", "out": str(tmp_path / "other")})
    make("c.wav")
    summary = run(folder, out="other", threshold="0.3")
    assert (summary.done, summary.skipped, summary.decided) == (3, 2, 0)
    run(folder, out="fresh", threshold="0.3")
    assert contents(tmp_path / "other") == contents(tmp_path / "fresh")


def test_options_not_given_are_those_of_the_earlier_run(make, run, tmp_path):
    folder = make("a.wav")
    run(folder, formats=("raven",), tail="drop")
    runs.decide(tmp_path / "out", {"threshold": "0.3"})
    spec = runs.RunSpec.from_run_json(tmp_path / "out/run.json")
    assert (spec.formats, spec.tail, spec.threshold) == (("raven",), "drop", "0.3")
    assert (tmp_path / "out/a.wav.selections.txt").exists()


def test_settings_that_return_to_the_defaults_are_named(make, run, tmp_path):
    folder = make("a.wav")
    run(folder, threshold=None)
    runs.decide(tmp_path / "out", {"threshold": "0.6", "min_duration_s": 1.25})
    spec = runs.RunSpec((str(folder),), str(tmp_path / "out"), workers=1)
    own = f"{models.load('instruments').min_duration_s:g} s"
    changes = f"threshold: 0.6 -> the model's own; min-duration: 1.25 s -> {own}"
    assert f"1 to decide again from kept scores ({changes})" in str(runs.plan(spec))
    again = runs.run(spec)
    assert f"1 decided again from kept scores ({changes})" in again.message
    assert "->" not in runs.run(spec).message


def test_the_models_own_thresholds_can_be_asked_for(make, run, tmp_path, contents):
    run(make("a.wav", "b.wav"), threshold=None, out="own")
    run(tmp_path / "recordings", threshold="0.6")
    runs.decide(tmp_path / "out", {"threshold": "model"})
    assert contents(tmp_path / "out") == contents(tmp_path / "own")
    assert runs.RunSpec.from_run_json(tmp_path / "out/run.json").threshold is None


def test_what_needs_the_recordings_is_refused(make, run, tmp_path):
    run(make("a.wav"))
    with pytest.raises(RunRefused, match=r"cannot give this: hop: .* -> 1\.0\. Analyse again"):
        runs.decide(tmp_path / "out", {"hop_s": 1.0})
    with pytest.raises(RunRefused, match="holds no run of sonoscope"):
        runs.decide(tmp_path, {})
    with pytest.raises(RunRefused, match=r"run\.json holds no run of sonoscope"):
        runs.decide(tmp_path / "out" / "run.json", {})
    with pytest.raises(UsageError, match="leave out --shard"):
        runs.decide(tmp_path / "out", {"shard": (1, 2)})


def test_scores_that_are_gone_are_a_row_and_the_old_results_stay(make, run, tmp_path, contents):
    folder = make("a.wav", "b.wav")
    run(folder)
    before = (tmp_path / "out/a.wav.events.csv").read_bytes()
    (tmp_path / "out/.sonoscope/scores/a.wav.npz").unlink()
    summary = runs.decide(tmp_path / "out", {"threshold": "0.3"})
    assert (summary.done, summary.failed, summary.exit_code) == (1, 1, 1)
    assert "kept scores cannot be read" in (tmp_path / "out/errors.csv").read_text()
    assert (tmp_path / "out/a.wav.events.csv").read_bytes() == before
    assert "a.wav" not in (tmp_path / "out/events.csv").read_text()
    assert runs.decide(tmp_path / "out", {"out": str(tmp_path / "other"), "threshold": "0.4"}).failed == 1
    assert not (tmp_path / "other/a.wav.events.csv").exists()
    run(folder, threshold="0.3")
    run(folder, out="fresh", threshold="0.3")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_a_run_without_kept_scores_is_refused(make, run, tmp_path, contents):
    run(make("a.wav"), keep_scores=False)
    before = contents(tmp_path / "out")
    with pytest.raises(RunRefused, match="has kept no scores"):
        runs.decide(tmp_path / "out", {"threshold": "0.3"})
    assert contents(tmp_path / "out") == before


def test_a_day_of_windows_is_decided_in_a_moment(tmp_path, rng):
    """72 000 windows: ten hours at a hop of half a second."""
    bundle = models.load("instruments")
    setup = prepare(runs.RunSpec(("x",), str(tmp_path), threshold="0.5"))
    n, hop = 72_000, bundle.hop_samples
    # Slow noise, so that there are thousands of events and not a hundred thousand.
    walk = np.repeat(rng.normal(0, 3, (n // 20, len(bundle.labels))), 20, axis=0)
    scores = score_tables.assemble(
        walk, bundle.calibration, labels=bundle.label_ids, sample_rate=bundle.sample_rate,
        window_samples=bundle.window_samples, hop_samples=hop,
        n_samples=(n - 1) * hop + bundle.window_samples,
    )  # fmt: skip
    kept = tmp_path / ".sonoscope/scores/long.wav.npz"
    kept.parent.mkdir(parents=True)
    (tmp_path / "tmp").mkdir()
    score_tables.save(kept, scores, {})
    duration_s = scores.n_samples / scores.sample_rate
    record = Record("long.wav", status="ok", duration_s=duration_s, sample_rate=22_050, channels=1)
    task = Task(
        setup.spec, setup.bundles, setup.decisions, "x", tmp_path, tmp_path / "tmp", Path(tmp_path / "log")
    )
    began = time.process_time()
    outcome = Desk(task).do(Job(Recording("", "long.wav"), kept=record, audio=False))
    spent_s = time.process_time() - began
    assert outcome.record.events > 1000
    assert spent_s < 3.0
