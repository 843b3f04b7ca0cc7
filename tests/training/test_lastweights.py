"""A training's best and last weights, an SVM and a dummy are judged by their folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sonoscope.cli import main
from sonoscope.data import sources
from sonoscope.errors import UsageError
from sonoscope.evaluation import predictions
from sonoscope.evaluation.clipfigures import ClipOptions
from sonoscope.evaluation.predictions import Asked
from sonoscope.training import lastweights
from sonoscope.training.start import fit

LABELS = ("high", "low", "middle")


@pytest.fixture(scope="module")
def run(tones: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tones"
    fit(tones("training.epochs=3"), folder, say=lambda _: None)  # type: ignore[arg-type]
    return folder


def test_the_last_weights_become_a_bundle_of_their_own(run, sounds):
    made = lastweights.bundle_of(run)
    assert made == run / "bundle-last" and lastweights.bundle_of(run) == made
    best, last = (
        predictions.opened(str(run) + which, export=lastweights.bundle_of) for which in ("", "@last")
    )
    assert (best.name, last.name) == (run.name, f"{run.name}@last")
    assert best.own == last.own and [label.id for label in last.labels] == list(LABELS)
    manifest = sources.load(str(sounds))
    columns = np.arange(3)
    scores = [
        predictions.clip_scores(source, manifest, Asked(ClipOptions(), print), columns)
        for source in (best, last)
    ]
    assert np.isfinite(scores).all()
    truth, _ = manifest.targets(LABELS)
    assert all(np.mean(each.argmax(axis=1) == truth.argmax(axis=1)) > 0.6 for each in scores)


def test_what_a_training_learnt_from_is_said(run, sounds, capsys):
    assert main(["evaluate", str(run), f"{run}@best", str(sounds), "--draws", "0"]) == 0
    text = capsys.readouterr().out
    assert "of these clips were learnt from: their figures flatter" in text
    assert "of these clips were chosen on: their figures flatter" in text


def test_an_svm_and_a_dummy_stand_beside_it(run, sounds, tmp_path, capsys):
    assert main(["train", "dummy-prior", str(sounds), "-o", str(tmp_path / "prior")]) == 0
    tested = json.loads((tmp_path / "prior" / "metrics.json").read_text())["fitted"]["clips"]
    assert (
        f"dummy-prior: the figures are of {tested:.0f} test clips: they say little" in capsys.readouterr().err
    )
    assert main(["evaluate", str(run), str(tmp_path / "prior"), str(sounds), "--draws", "0"]) == 0
    text = capsys.readouterr().out
    top = next(line for line in text.splitlines() if line.strip().startswith("macro_ap "))
    network, dummy = map(float, top.split()[1:3])
    assert network > 0.8 and dummy == pytest.approx(1 / 3, abs=0.01)
    with pytest.raises(UsageError, match="of kind dummy: it has one model, and no last weights"):
        lastweights.bundle_of(tmp_path / "prior")


def test_what_is_no_finished_training_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match="is no folder of a training"):
        lastweights.bundle_of(tmp_path)
    with pytest.raises(UsageError, match="only 'last' is made"):
        lastweights.bundle_of(run, "first")
    with pytest.raises(UsageError, match="a training has @best and @last"):
        predictions.opened(f"{run}@third")
