"""The published vectors: scores in, notes out; and the naive decoder agrees with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sonoscope.notes.decode import decode
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.scores import NoteScores, load, save

FILE = Path(__file__).parents[2] / "docs" / "notes-vectors.json"
VECTORS = json.loads(FILE.read_text(encoding="utf-8"))


def scores_of(case: dict) -> NoteScores:
    onset, sustain, velocity = (np.zeros((case["frames"], 88)) for _ in range(3))
    for frame, pitch, *values in case["scores"]:
        for table, value in zip((onset, sustain, velocity), values, strict=True):
            table[frame, pitch - 21] = value
    struck = velocity if case["velocity"] else None
    return NoteScores(onset, sustain, case["hop_s"], case["first_s"], struck)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
@pytest.mark.parametrize("kept", [False, True])
def test_vectors(case: dict, kept: bool, tmp_path: Path) -> None:
    scores = scores_of(case)
    if kept:
        save(scores, tmp_path / "scores.npz")
        scores = load(tmp_path / "scores.npz")
    notes = decode(scores, NoteRules.of(case["rules"]))
    found = [[n.start_s, n.end_s, n.pitch, n.velocity, n.score, n.flags] for n in notes]
    assert found == case["notes"]


def test_they_cover_what_there_is_and_stay_small() -> None:
    assert FILE.stat().st_size < 60_000
    assert {flags for case in VECTORS["cases"] for *_, flags in case["notes"]} == {"", "soft"}
    assert {"mono", "lowest", "onset_shift_s"} <= {
        rule for case in VECTORS["cases"] for rule in case["rules"]
    }
