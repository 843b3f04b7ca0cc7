"""Traps that published figures fell into and no other test springs; and the page that lists all of them is true."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path

import numpy as np
import pytest

import sonoscope
from sonoscope.evaluation.notes import hertz, notes_of
from sonoscope.evaluation.pitch import Roll
from sonoscope.evaluation.protocols import notes as note_protocol
from sonoscope.evaluation.protocols.musicnet import MusicnetOptions, PitchPiece, measure
from sonoscope.evaluation.protocols.notes import Piece
from sonoscope.values import Event

ROOT = Path(__file__).parents[2]


def note(start_s: float, end_s: float, pitch: float, label: str = "note") -> Event:
    return Event(start_s, end_s, label, 1.0, pitch=pitch)


def test_fifty_one_cents_are_a_substitution_in_frames():
    """A quarter tone and a cent off is another note: accuracy 0, all of the error substitutions; as mir_eval says."""
    multipitch = pytest.importorskip("mir_eval.multipitch")
    options = MusicnetOptions(start=0.1, window=2048, frames=20, evenly=20, pitch_classes=False)
    truth = notes_of([note(0.0, 2.0, 60)])
    for cents, accuracy in ((49, 1.0), (51, 0.0)):
        said = notes_of([note(0.0, 2.0, 60 + cents / 100)])
        found = measure([PitchPiece("a", 2.0, truth, said)], options).figures
        assert found["accuracy"].value == accuracy
        assert (found["e_sub"].value, found["e_tot"].value) == (1 - accuracy, 1 - accuracy)
        times = np.arange(5) / 100
        theirs = multipitch.evaluate(
            times, [hertz(np.array([60.0]))] * 5, times, [hertz(np.array([60 + cents / 100]))] * 5
        )
        assert (theirs["Accuracy"], theirs["Total Error"]) == (accuracy, 1 - accuracy)


def test_estimates_are_taken_at_the_times_of_the_reference():
    """Estimates on another grid are brought to the reference's times, each the nearest, as mir_eval does."""
    multipitch = pytest.importorskip("mir_eval.multipitch")
    times, grid = np.array([0.0, 0.1, 0.2, 0.3]), np.array([0.0, 0.16, 0.32])
    frames = [np.array([hertz(60)]), np.array([hertz(62)]), np.array([hertz(64)])]
    theirs = multipitch.resample_multipitch(grid, frames, times)
    roll = Roll(grid, np.eye(5)[[0, 2, 4]], 60)
    ours = [hertz(60 + np.flatnonzero(row)) for row in roll.at(times, 60, 64)[0]]
    assert [float(row[0]) for row in theirs] == pytest.approx([float(row[0]) for row in ours])


def test_the_separation_is_that_of_audioset(rng):
    """d' of the mean area: two unit normals that far apart have that area between them."""
    for apart in (0.5, 1.7):
        truth = np.repeat([[1, 0], [0, 1]], 2_000, axis=0)
        scores = rng.standard_normal(truth.shape) + apart * truth
        found = sonoscope.evaluate(truth, scores, ["a", "b"], draws=0).figures
        assert found["d_prime"].value == pytest.approx(apart, abs=0.1)
        stats = pytest.importorskip("scipy.stats")
        area = found["macro_roc_auc"].value
        assert found["d_prime"].value == pytest.approx(math.sqrt(2) * stats.norm.ppf(area))
    perfect = sonoscope.evaluate([[1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8]], ["a", "b"], draws=0)
    assert perfect.figures["d_prime"].value is None
    assert perfect.figures["d_prime"].why == "the area under the ROC curve is 1: infinitely far apart"


def test_the_convention_for_instruments_and_frames_is_printed():
    rich = notes_of([note(1, 2, 60, "violin"), note(2, 3, 62, "drums")])
    told = note_protocol.measure([Piece("a", rich, rich)])
    assert any("as in MT3" in remark and "drums by onset and pitch alone" in remark for remark in told.notes)
    assert "pitches every 10 ms" in [row[0] for row in told.table("kinds").rows]
    assert any("notes of MIDI files last until the sustain pedal" in remark for remark in told.notes)


def test_what_is_right_by_saying_nothing_stands_beside_hamming_and_exact_match():
    truth = np.zeros((20, 5), dtype=int)
    truth[np.arange(10), np.arange(10) % 5] = 1
    result = sonoscope.evaluate(truth, np.full((20, 5), 0.1), list("abcde"), draws=0)
    table = result.table("answers")
    rows = {str(row[0]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    nothing = rows["all zeros (hears nothing)"]
    assert nothing["Hamming"] == pytest.approx(0.9) and nothing["exact"] == pytest.approx(0.5)
    assert rows["fixed"]["Hamming"] == nothing["Hamming"], "a model that says nothing is as good as the floor"


def test_every_trap_has_the_test_that_the_page_names():
    page = (ROOT / "docs" / "evaluate.md").read_text(encoding="utf-8")
    section = page.partition("\n## Traps\n")[2].partition("\n## ")[0]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", section)
    assert len(named) > 25
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (path, name)
