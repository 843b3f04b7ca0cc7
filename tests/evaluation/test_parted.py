"""A model for each part of the data, by one word with a column in braces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sonoscope.data import sources
from sonoscope.data.rows import Manifest
from sonoscope.errors import UnknownName, UsageError
from sonoscope.evaluation import judging, predictions, protocols, truth
from sonoscope.evaluation.clipfigures import ClipOptions
from sonoscope.evaluation.paper import subjects
from sonoscope.evaluation.predictions import Asked

LABELS = ("flute", "piano", "voice")


@pytest.fixture(scope="module")
def clips(recordings: Path) -> Manifest:
    return sources.load(str(recordings))


@pytest.fixture
def folds(clips: Manifest, tmp_path: Path) -> Path:
    """Scores of every clip by each of two models, with their labels in another order."""
    for k, part in enumerate(("test", "val")):
        labels = LABELS if k else LABELS[::-1]
        lines = [",".join(["file", *labels])]
        lines += [",".join([row.path, *(f"{0.1 * (k + 1) + 0.2 * LABELS.index(name)}" for name in labels)])
                  for row in clips.rows]  # fmt: skip
        (tmp_path / f"without-{part}.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_each_clip_is_scored_by_the_model_of_its_part(clips, folds):
    source = predictions.opened(f"{folds}/without-{{split}}.csv")
    columns = np.array([[label.id for label in source.labels].index(name) for name in LABELS])
    found = predictions.clip_scores(source, clips, Asked(ClipOptions(), lambda _: None), columns)
    for row, scores in zip(clips.rows, found, strict=True):
        np.testing.assert_allclose(scores, (0.1 if row.split == "test" else 0.2) + 0.2 * np.arange(3))
    assert "the model of its split" in source.remarks()[0] and "test, val" in source.remarks()[0]


def test_a_part_without_a_model_is_refused_before_anything_is_heard(clips, folds):
    (folds / "without-val.csv").unlink()
    word = f"{folds}/without-{{split}}.csv"
    protocol = protocols.find("clip")
    request = protocols.Request(
        models=("instruments", word), data=clips, data_name="clips", options=protocol.filled({"draws": 0}),
        validation=None, validation_name="", tell=lambda _: pytest.fail("heard"), settings={},
        problem=lambda _: None,
    )  # fmt: skip
    with pytest.raises(
        UsageError, match=r"no model for 3 of 7 clips, whose split is val. There are models for test"
    ):
        judging.clips(request, protocol)


def test_words_that_mean_nothing_are_told(folds, tmp_path):
    with pytest.raises(UnknownName, match=r"braces stand around one column of the data: split, site"):
        predictions.opened(f"{folds}/without-{{fold}}.csv")
    with pytest.raises(
        UnknownName, match=r"nothing like it. \{site\} stands for the site of each clip, such as"
    ):
        predictions.opened(f"{tmp_path}/none/{{site}}.csv")
    (folds / "without-train.csv").write_text("file,piano,flute,organ\na.wav,0.1,0.2,0.3\n")
    with pytest.raises(UsageError, match="only some of them have organ, voice"):
        predictions.opened(f"{folds}/without-{{split}}.csv")


def test_a_paper_names_every_one(clips, folds):
    word = f"{folds}/without-{{split}}.csv"
    protocol = protocols.find("clip")
    request = protocols.Request(
        models=(word,), data=clips, data_name="clips", options=protocol.filled({"draws": 0}), validation=None,
        validation_name="", tell=lambda _: None, settings={}, problem=lambda _: None,
    )  # fmt: skip
    result = judging.clips(request, protocol)
    (subject,) = subjects.judged(result)
    assert subject.column == "split" and list(subject.parts) == ["test", "val"]
    assert "SHA-256 of val" in subject.entry.bibtex()
    assert result.figures["lrap"].value is not None and len(truth.of(clips).names) == 7
