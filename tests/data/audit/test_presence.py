"""A label that sounds in a part of its row is heard in that part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from sklearn.metrics import f1_score

from sonoscope import models
from sonoscope.data.audit import auditing, embed, presence
from sonoscope.data.audit.head import Targets
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UsageError
from sonoscope.models.bundle import Bundle

RATE = 24_000


def test_the_share_is_that_of_the_sound(
    made: Manifest, make: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = np.random.default_rng(5)
    saw, hiss = make("saw", 6.0, 500.0, rng), make("hiss", 6.0, 500.0, rng)
    clips = {
        "throughout": saw,
        "then-silence": np.concatenate([saw, np.zeros(6 * RATE)]),
        "then-hiss": np.concatenate([saw, hiss]),
        "never": hiss,
    }
    for name, samples in clips.items():
        soundfile.write(
            made.root / f"{name}.wav",
            samples + 0.001 * rng.standard_normal(samples.size) * (samples != 0),
            RATE,
        )
    rows = (*made.rows, *(Row(f"{name}.wav", labels=("saw",), group=name) for name in clips))
    longer = replace(made, rows=rows)
    found = auditing.audit(longer, embed.embed(longer, models.load("field")), at_least=0.7)
    shares = {found.row(each.place).path.removesuffix(".wav"): each for each in found.presences}
    assert shares["throughout"].share == 1.0
    assert shares["then-silence"].share == pytest.approx(0.5, abs=0.06)
    assert shares["then-hiss"].share == pytest.approx(0.5, abs=0.06)
    assert shares["never"].share == 0.0 and shares["never"].first_s is None
    assert shares["then-hiss"].first_s == 0.0 and shares["then-hiss"].last_s == pytest.approx(6.0, abs=0.6)
    saws = next(each for each in found.labels if each.label == "saw")
    assert saws.patchy >= 3
    assert np.mean([each.share for each in found.presences if each.label == "sine"]) > 0.8


def test_the_threshold_is_that_of_the_best_f1() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(60) < 0.3
    scores = np.clip(0.4 * truth + rng.random(60) * 0.6, 0, 1)
    targets = Targets(("a", "b"), np.stack([truth, truth], 1), np.ones((60, 2), bool), np.arange(60))
    found = presence.thresholds(targets, np.stack([scores, np.full(60, np.nan)], 1))
    best = max(f1_score(truth, scores >= each) for each in scores)
    assert f1_score(truth, scores >= found[0]) == pytest.approx(best)
    assert np.isnan(found[1])


def test_a_share_out_of_range_is_refused(made: Manifest, bundle: Bundle) -> None:
    nothing = embed.embed(replace(made, rows=()), bundle)
    with pytest.raises(UsageError, match=r"present=1\.5 must lie in"):
        auditing.audit(made, nothing, at_least=1.5)
