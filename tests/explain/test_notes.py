"""Why a note was heard: the map lights up where the note is, by every method that a note network has."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

import sonoscope
from sonoscope import models
from sonoscope.cli import main
from sonoscope.errors import UnknownName, UsageError
from sonoscope.explain import METHODS, explain, made
from sonoscope.explain.notes import NoteExplainer, NoteWindow

RATE = 24_000
#: A4 begins here, and lasts so long, in noise.
BEGIN, LASTS = 0.6, 0.5
#: What shows nothing of one answer of a network of convolutions, and why.
WITHOUT = {"attention": "no self-attention", "rollout": "no self-attention", "gradcam": "one moment and key"}


@pytest.fixture(scope="module")
def note() -> np.ndarray:
    """A decaying tone with five partials over noise, 1.5 s."""
    time = np.arange(int(1.5 * RATE)) / RATE - BEGIN
    inside = (time >= 0) & (time < LASTS)
    tone = sum(np.sin(2 * np.pi * 440 * k * time) / k for k in range(1, 6)) * np.exp(-3 * np.maximum(time, 0))
    noise = 0.003 * np.random.default_rng(2).standard_normal(time.size)
    return (np.where(inside, 0.2 * tone, 0) + noise).astype(np.float32)


@pytest.fixture(scope="module")
def bundle():
    return models.load("notes")


@pytest.mark.parametrize("method", [name for name in METHODS if name not in WITHOUT])
def test_the_map_lights_up_where_the_note_begins(bundle, note, method) -> None:
    if METHODS[method].network:
        pytest.importorskip("torch")
    found = explain(note, bundle, sample_rate=RATE, label="A4", method=method)
    assert found.label == "A4" and found.score > 0.5 and abs(found.moment - BEGIN) < 0.03
    positive = np.maximum(found.map, 0)
    near = np.abs(found.times - BEGIN) < 0.1
    assert positive[near].sum() > 0.7 * positive.sum()
    # The partials, and their octaves below which the network asks whether it is an overtone, against what lies between.
    partials = np.abs(found.frequencies[:, None] / (220 * np.arange(1, 11)) - 1).min(axis=1) < 0.06
    assert positive[:, partials].mean() > 2 * positive[:, ~partials].mean()
    assert found.removed["important"] < found.removed["random"] - 1


@pytest.mark.parametrize("method", WITHOUT)
def test_what_a_network_has_not_is_told(bundle, note, method) -> None:
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match=f"{WITHOUT[method]}: take the method"):
        explain(note, bundle, sample_rate=RATE, label="A4", method=method)


def test_the_logit_is_that_of_the_scores(bundle, note) -> None:
    scores = sonoscope.load("notes").analyze(note, sample_rate=RATE).scores
    found = explain(note, bundle, sample_rate=RATE, label="A4.sustain", time=(0.7, 0.9), method="occlusion")
    frame = round(found.moment / scores.hop_s)
    assert 0.7 <= found.moment <= 0.9 and found.label == "A4.sustain"
    assert found.score == pytest.approx(float(scores.sustain[frame, 69 - scores.lowest]), abs=0.01)
    assert explain(note, bundle, sample_rate=RATE, method="occlusion").label == "A4"


def test_gains_of_one_are_the_rows_and_gains_of_zero_are_quiet() -> None:
    rows = np.arange(24, dtype=np.float32).reshape(3, 8)
    window = NoteWindow(rows, -5.0, 4)
    np.testing.assert_array_equal(window.inputs(window.cells[None])[0], rows)
    np.testing.assert_array_equal(window.inputs(window.baseline[None])[0], np.full((3, 8), -5, np.float32))
    cells = window.cells.copy()
    cells[1, 2] = 0
    assert np.argwhere(window.inputs(cells[None])[0] == -5).tolist() == [[1, 2], [1, 6]]


def test_pitches_and_times_that_are_not_there_are_told(bundle, note) -> None:
    explainer = NoteExplainer(bundle, made(bundle, "occlusion"))
    with pytest.raises(UsageError, match=r"'B8': notes hears A0 to C8"):
        explainer.asked("B8")
    with pytest.raises(UnknownName, match="'sustain'"):
        explainer.asked("A4.sustian")
    with pytest.raises(UsageError, match=r"time=9 must lie in the recording, 0 to 1\.50 s"):
        explain(note, bundle, sample_rate=RATE, time=9, method="occlusion")


def test_the_command_tells_when_and_writes_the_map(note, tmp_path, capsys) -> None:
    soundfile.write(tmp_path / "a.wav", note, RATE)
    words = ["explain", str(tmp_path / "a.wav"), "-m", "notes", "-l", "A4", "--method", "occlusion"]
    assert main([*words, "-o", str(tmp_path / "maps"), "--format", "json,npz"]) == 0
    assert "a.wav  A4 0." in capsys.readouterr().out
    held = json.loads((tmp_path / "maps" / "a.wav.A4.occlusion.json").read_text())
    assert abs(held["moment"] - BEGIN) < 0.03 and held["hz"][0] < 440 * 5
    assert main(["explain", str(tmp_path / "a.wav"), "-m", "notes", "-l", "H4"]) == 2
