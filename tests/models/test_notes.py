"""Scores of notes as they come: the same whatever the blocks, one frame a hop, pitches where the sound has them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonoscope import models
from sonoscope.errors import BadBundle
from sonoscope.labels import midi_of
from sonoscope.models.bundle import Bundle
from sonoscope.models.notes import NoteScorer, tuned
from sonoscope.models.runtime import Runtime
from sonoscope.notes.scores import LEAST, NoteScores, concatenate

RATE = 24_000
Tones = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def runtime(notes: Bundle) -> Runtime:
    return Runtime(notes)


@pytest.fixture(scope="module")
def melody(tones: Tones) -> np.ndarray:
    noise = np.random.default_rng(5).standard_normal(round(7.31 * RATE)) * 1e-3
    return tones([(0.2, 1.0, 60), (1.0, 6.5, 64), (6.6, 7.3, 72)], 7.31, RATE) + noise.astype(np.float32)


def scored(runtime: Runtime, samples: np.ndarray, size: int | None = None, **options: Any) -> NoteScores:
    scorer = NoteScorer(runtime, **options)
    step = size or max(samples.size, 1)
    found = [part for at in range(0, samples.size, step) for part in scorer.push(samples[at : at + step])]
    return concatenate([*found, *scorer.close()])


def tables(scores: NoteScores) -> np.ndarray:
    return np.stack(list(scores.tables().values()))


@pytest.mark.parametrize("size", [1111, 24_000, 65_536])
def test_blocks_change_no_bit(runtime: Runtime, melody: np.ndarray, size: int) -> None:
    assert np.array_equal(tables(scored(runtime, melody, size)), tables(scored(runtime, melody)))


@pytest.mark.parametrize("frames", [1, 7, 1024])
def test_runs_of_the_graph_change_rounding_only(runtime: Runtime, melody: np.ndarray, frames: int) -> None:
    mine, theirs = tables(scored(runtime, melody, frames=frames)), tables(scored(runtime, melody))
    both = (mine > 0) & (theirs > 0)  # what is about LEAST may be cut in one of them
    assert np.abs(mine - theirs)[both].max() <= 1e-5
    assert np.maximum(mine, theirs)[~both].max() < LEAST + 1e-5


@pytest.mark.parametrize("n_samples", [1, 479, 480, 481, 24_000 * 6])
def test_there_is_a_frame_for_every_hop_that_begins_in_the_sound(runtime: Runtime, n_samples: int) -> None:
    scores = scored(runtime, np.zeros(n_samples, np.float32))
    assert len(scores) == -(-n_samples // 480) and scores.first_s == 0.0 and scores.hop_s == 0.02
    assert not tables(scores)[:2].any()


def test_nothing_gives_nothing(runtime: Runtime) -> None:
    assert NoteScorer(runtime).close() == []


def test_times_and_pitches_are_those_of_the_tones(runtime: Runtime, melody: np.ndarray) -> None:
    scores = scored(runtime, melody)
    assert scores.lowest == 21
    for begin, end, pitch in ((0.2, 1.0, 60), (1.0, 6.5, 64), (6.6, 7.3, 72)):
        column = scores.sustain[:, pitch - 21]
        inside = column[round((begin + 0.1) / 0.02) : round((end - 0.1) / 0.02)]
        assert inside.min() > 0.5
        peak = scores.onset[:, pitch - 21].argmax() * 0.02
        assert peak == pytest.approx(begin, abs=0.045)
    assert scores.sustain[:, 67 - 21].max() < 0.5


def test_pitches_above_half_the_recordings_rate_are_silent(runtime: Runtime, tones: Tones) -> None:
    sound = tones([(0.1, 0.9, 105), (0.1, 0.9, 60)], 1.0, RATE)
    assert scored(runtime, sound).sustain[:, 105 - 21].max() > 0.5
    low = scored(runtime, sound, source_rate=6000)  # A7, 3520 Hz, is above 3000 Hz
    assert not low.sustain[:, midi_of("G7") - 21 :].any() and not low.onset[:, midi_of("G7") - 21 :].any()
    assert low.sustain[:, 60 - 21].max() > 0.5


def test_another_tuning_moves_the_pitches(runtime: Runtime, notes: Bundle, tones: Tones) -> None:
    sound = tones([(0.1, 0.9, 60)], 1.0, round(RATE / 2 ** (45 / 1200)))  # sounds 45 cents sharp at RATE
    plain, moved = scored(runtime, sound), scored(runtime, sound, cents=45.0)
    assert moved.sustain[20:35, 60 - 21].min() > plain.sustain[20:35, 60 - 21].max()
    feature: Any = notes.feature
    assert tuned(feature, 0.0) is feature
    assert tuned(feature, 100.0).f_min_hz == pytest.approx(27.5 * 2 ** (1 / 12))


# ---- the description ------------------------------------------------------------------------------------------------


def test_a_bundle_says_what_it_hears(notes: Bundle) -> None:
    assert (notes.task, notes.lowest, notes.note_hop_s) == ("notes", 21, 0.02)
    assert (notes.receptive_field, notes.look_ahead_frames) == (15, 4)
    assert notes.label_ids[0] == "A0" and notes.label_ids[-1] == "C8" and len(notes.labels) == 88
    assert notes.rules.onset == 0.5 and notes.rules.soft_length_s is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_rate": 22_050}, "differs from the feature's, 24000"),
        ({"labels": [{"id": "A0", "midi": 21}, {"id": "B0", "midi": 23}]}, "pitches in semitones"),
        ({"decision": {"rules": {"onset": 2.0}}}, "onset=2.0 must be a probability"),
        ({"decision": {"rules": {"attack": 0.5}}}, "unknown rule 'attack'"),
        ({"decision": {}}, "KeyError: 'rules'"),
        ({"states": [{"name": "h"}]}, "carries states"),
        ({"outputs": {}}, "outputs lack onset, sustain, velocity"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(
    notes: Bundle, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = tmp_path / "notes"
    shutil.copytree(notes.path, folder)
    spec = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(spec | change))
    with pytest.raises(BadBundle, match=message):
        models.load(folder)


def test_only_pitch_features_can_be_tuned(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runtime.bundle.__dict__, "feature", None)
    with pytest.raises(BadBundle, match="cannot be tuned"):
        NoteScorer(runtime, cents=10.0)
