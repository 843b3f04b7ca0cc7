"""Shares, thresholds, and wishes that too few sounds can show."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.data.rows import Row
from sonoscope.errors import UnknownName, UsageError
from sonoscope.training.teach import against, folds, judging, words
from sonoscope.training.teach.examples import BUILT_IN, Examples, Gathering
from sonoscope.training.teach.judging import Share
from sonoscope.training.teach.taught import SNIPPET


def judged(rng: np.random.Generator, count: int, apart: float) -> tuple[Examples, np.ndarray]:
    """Sounds whose only value is their logit."""
    gathering = Gathering(("x",))
    for number in range(count):
        gathering.row(
            Row(f"x/{number}", labels=("x",), group=f"S{number % 4}", source=SNIPPET),
            rng.standard_normal((1, 1)) + apart,
        )
    for number in range(60):
        gathering.background(BUILT_IN, f"rain/{number:02d}.flac", rng.standard_normal((1, 1)))
    examples = gathering.examples()
    return examples, examples.vectors.astype(np.float64)


def test_the_interval_is_wilsons() -> None:
    stats = pytest.importorskip("scipy.stats")
    for hits, of in ((31, 40), (0, 12), (12, 12)):
        expected = stats.binomtest(hits, of).proportion_ci(method="wilson")
        assert Share(hits, of).interval == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert str(Share(31, 40)) == "31 of 40 [62–88 %]"


def test_what_is_found_is_what_reaches_the_threshold(rng: np.random.Generator) -> None:
    examples, logits = judged(rng, 40, 4.0)
    (found,) = judging.judge(examples, logits, folds.deal(examples), None)
    p = judging.probability(logits[:, 0], found.slope, found.offset)
    truth = examples.truth[:, 0]
    assert found.found == Share(int((p[truth] >= found.threshold).sum()), 40)
    assert found.alarms == {BUILT_IN: Share(int((p[~truth] >= found.threshold).sum()), 60)}
    assert sum(share.hits for share in found.sites.values()) == found.found.hits
    assert set(found.sites) == {"S0", "S1", "S2", "S3"} and not found.by_file
    assert found.mistaken.get("rain", 0) == found.alarms[BUILT_IN].hits
    assert "found" in words.told(found) and "left out by site" in words.told(found)


def test_a_class_that_is_heard_everywhere_is_said_to_mean_nothing(rng: np.random.Generator) -> None:
    examples, logits = judged(rng, 40, 4.0)
    (found,) = judging.judge(examples, logits, folds.deal(examples), None)
    assert words.not_told_apart(found) == ""
    examples, logits = judged(rng, 6, -1.0)
    (found,) = judging.judge(examples, logits, folds.deal(examples), None)
    assert found.alarms[BUILT_IN].hits > 30
    assert "its events mean nothing: teach more of it, or leave out" in words.not_told_apart(found)
    assert "(--without rain)" in words.not_told_apart(found)


def test_a_precision_is_met_and_shown_or_refused_with_the_number_needed(rng: np.random.Generator) -> None:
    examples, logits = judged(rng, 80, 5.0)
    judging.check_counts(examples, 0.9)
    (found,) = judging.judge(examples, logits, folds.deal(examples), 0.9)
    alarms = found.alarms[BUILT_IN].hits
    assert found.found.hits / (found.found.hits + alarms) >= 0.9
    few, _ = judged(rng, 10, 5.0)
    with pytest.raises(
        UsageError, match=r"a precision of 0.95 cannot be shown with 10 sounds.*at least 24 are needed"
    ):
        judging.check_counts(few, 0.95)
    blurred, logits = judged(rng, 80, 0.3)
    with pytest.raises(UsageError, match=r"precision of 0\.9"):
        judging.judge(blurred, logits, folds.deal(blurred), 0.9)
    with pytest.raises(UsageError, match=r"must lie above 0\.5 and below 1"):
        judging.check_counts(examples, 1.2)


def test_too_few_sounds_are_refused(rng: np.random.Generator) -> None:
    few, _ = judged(rng, 4, 5.0)
    with pytest.raises(UsageError, match="x: 4 sounds are too few to be taught: 5 are needed"):
        judging.check_counts(few, None)


def test_backgrounds_that_a_class_is_called_after_do_not_stand_against_it() -> None:
    assert against.kinds_for(["heavy_rain"], [])[1] == ["rain"]
    assert against.kinds_for(["Birds"], [])[1] == ["bird_song", "bird_trill", "bird_call"]
    assert against.kinds_for(["motor"], [])[1] == ["engine", "propeller", "jet"]
    assert against.kinds_for(["train"], [])[1] == []
    assert against.kinds_for(["x"], ["all"]) == ([], [])
    with pytest.raises(UnknownName, match="Did you mean 'rain'"):
        against.kinds_for(["x"], ["rian"])


def test_a_built_in_background_is_the_same_each_time() -> None:
    for kind in ("noise", "wind"):
        once, again = (against.sound(kind, 3, 8000) for _ in range(2))
        np.testing.assert_array_equal(once, again)
        assert np.abs(once - against.sound(kind, 4, 8000)).max() > 0.001
