"""Thresholds moved in the browser: the events are those of the package, to the last one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from sonoscope import events, models, scores
from sonoscope.audio.decode import Decoder
from sonoscope.events import Decision
from sonoscope.models import thresholds
from sonoscope.notes.decode import decode
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.scores import NoteScores
from sonoscope.pipeline import sound_remarks
from sonoscope.values import Label, Recording, Scores

LABELS = (Label("violin"), Label("cello"), Label("bass"), Label("other", kind="reject"))
VECTORS = Path(__file__).parents[2] / "docs" / "notes-vectors.json"


def some_scores(rng: np.random.Generator, window: int, hop: int, n_samples: int) -> Scores:
    count = 1 + -(-max(n_samples - window, 0) // hop)
    walk = np.cumsum(rng.normal(0, 1.2, (count, len(LABELS))), axis=0)
    return scores.assemble(
        2.5 * np.sin(walk), None, labels=[label.id for label in LABELS], sample_rate=24_000,
        window_samples=window, hop_samples=hop, n_samples=n_samples,
    )  # fmt: skip


def as_sent(found: Scores, duration: float) -> dict[str, Any]:
    """Scores as the service writes them: seconds and probabilities by label."""
    columns = found.probabilities.astype(float).round(4)
    return {
        "model": "m", "duration": duration, "window": found.window_samples / 24_000, "labels": list(found.labels),
        "scores": {
            "start": [round(t, 6) for t in found.start_s.tolist()], "end": [round(t, 6) for t in found.end_s.tolist()],
            "edges": [round(t, 6) for t in (found.cell_edges / 24_000).tolist()],
            "values": {name: columns[:, place].tolist() for place, name in enumerate(found.labels)},
        },
    }  # fmt: skip


def test_remarks_are_said_once_and_name_no_option_that_the_page_lacks(run: Any, tmp_path: Path) -> None:
    """The remarks are the package's own, so that another wording there is found here."""
    sound = 0.3 * np.sin(np.arange(24_000) / 7)
    notes = []
    for other in (-sound, 0 * sound):
        soundfile.write(tmp_path / "a.wav", np.column_stack((sound, other)), 24_000)
        with Decoder(Recording(str(tmp_path / "a.wav"), "a.wav")) as decoder:
            list(decoder.blocks())
            notes.append("; ".join(["cut short", *sound_remarks(decoder)]))
    assert all("(--channel 1)" in note for note in notes)
    body = """
      const { Take } = await load("take.js");
      return data.map((note) => {
        const take = new Take({}, [], "a", () => {});
        take.remark(note), take.remark(note + "; padded"), take.remark("");
        return take.remarks;
      });
    """
    for remarks in run(body, notes):
        assert remarks[0] == "cut short" and remarks[2:] == ["padded"]
        assert "hear one" not in remarks[1] and "(--channel" not in remarks[1]
        assert "This page hears that mean: save channel 1 as a file of its own" in remarks[1]


@pytest.mark.parametrize(
    ("window", "hop"), [(24_000, 24_000), (24_000, 12_000), (24_000, 2_400), (23_040, 7_001)]
)
def test_events_are_those_of_the_package(run: Any, rng: np.random.Generator, window: int, hop: int) -> None:
    cases, expected = [], []
    for n_samples in (5_000, 24_001, 700_123):
        found, duration = some_scores(rng, window, hop, n_samples), n_samples / 24_000
        for least, gap in ((0.0, 0.0), (0.57, 0.0), (0.0, 0.5), (1.0, 1.0)):
            high = {label.id: round(float(rng.uniform(0.2, 0.9)), 2) for label in LABELS}
            low = {label: round(value * 0.7, 4) for label, value in high.items()}
            decision = Decision(high, low, least, gap)
            cases.append(
                {"entry": as_sent(found, duration),
                 "decision": {"thresholds": high, "low_thresholds": low, "min_duration": least, "max_gap": gap}}
            )  # fmt: skip
            expected.append(
                [
                    [event.start_s, event.end_s, event.label, event.score, event.flags == "padded"]
                    for event in events.find(found, decision, LABELS, duration_s=duration)
                ]
            )
    model = {"sample_rate": 24_000, "labels": [{"id": one.id, "kind": one.kind} for one in LABELS]}
    body = """
      const { find } = await load("decide.js"), { scoresOf } = await load("columns.js");
      return data.cases.map(({ entry, decision }) => find(scoresOf(entry, data.model), decision)
        .map((one) => [one.start, one.end, one.label, one.score, one.padded]));
    """
    got = run(body, {"cases": cases, "model": model})
    assert got == expected
    assert sum(map(len, expected)) > 20


def test_a_moved_threshold_takes_its_lower_one_along(run: Any) -> None:
    bundle = models.load("instruments")
    given = {"thresholds": bundle.thresholds, "low_thresholds": bundle.low_thresholds}
    wishes = [("violin", 0.4), ("cello", 0.35), ("piano", 0.01), ("drums", 0.99), ("voice", 0.33)]
    body = """
      const { withThreshold } = await load("decide.js");
      return data.wishes.map(([label, value]) => withThreshold(data.given, data.given, label, value));
    """
    for (label, value), found in zip(wishes, run(body, {"given": given, "wishes": wishes}), strict=True):
        high, low = thresholds.resolve(f"{label}={value}", bundle)
        assert (found["thresholds"], found["low_thresholds"]) == (high, low)


DECODE = """
  const { decode } = await load("notedecoder.js");
  return data.map(({ scores, rules, duration }) => decode(scores, rules, duration ?? Infinity)
    .map((note) => [note.start, note.end, note.pitch, note.velocity, note.score, note.flags]));
"""


def test_the_decoder_finds_the_notes_of_the_vectors(run: Any) -> None:
    cases = json.loads(VECTORS.read_text())["cases"]
    given = []
    for case in cases:
        tables = {name: np.zeros((case["frames"], 88)) for name in ("onset", "sustain", "velocity")}
        for frame, pitch, *values in case["scores"]:
            for table, value in zip(tables.values(), values, strict=True):
                table[frame, pitch - 21] = value
        if not case["velocity"]:
            tables.pop("velocity")
        given.append({"scores": as_tables(tables, case["hop_s"], case["first_s"]), "rules": case["rules"]})
    found = run(DECODE, given)
    assert dict(zip([case["name"] for case in cases], found, strict=True)) == {
        case["name"]: case["notes"] for case in cases
    }


def as_tables(tables: dict[str, np.ndarray], hop_s: float, first_s: float = 0.0) -> dict[str, Any]:
    frames, pitches = tables["onset"].shape
    return {
        "frames": frames, "pitches": pitches, "hop_s": hop_s, "first_s": first_s, "lowest": 21,
        **{name: table.ravel().tolist() for name, table in tables.items()},
    }  # fmt: skip


@pytest.mark.parametrize(
    "rules",
    [
        NoteRules(),
        NoteRules(mono=True),
        NoteRules(
            soft_length_s=None, max_gap_s=0.06, min_length_s=0.02, onset_shift_s=0.0013, end_shift_s=-0.008
        ),
        NoteRules(peak_s=0.0, min_length_s=0.0, lowest=23, highest=25),
        NoteRules(mono=True, max_gap_s=0.1, min_length_s=0.1),
    ],
)
def test_the_decoder_finds_the_same_notes_in_any_scores(
    run: Any, rng: np.random.Generator, rules: NoteRules
) -> None:
    given, expected = [], []
    for hop_s in (0.01, 0.02):
        # Sums of two slow noises: notes of all lengths, broken off, struck again, in soft and hard beginnings.
        noise = [np.cumsum(rng.normal(0, 1, (3000, 6)), axis=0) for _ in range(3)]
        onset, sustain, velocity = (
            0.5 + 0.5 * np.sin(walk * speed) for walk, speed in zip(noise, (1.1, 0.35, 1), strict=True)
        )
        tables = {name: table.astype(np.float32) for name, table in
                  (("onset", onset**3), ("sustain", sustain), ("velocity", velocity))}  # fmt: skip
        found = NoteScores(tables["onset"], tables["sustain"], hop_s, velocity=tables["velocity"])
        spoken = {name: getattr(rules, name) for name in rules.__dataclass_fields__}
        given.append({"scores": as_tables(tables, hop_s), "rules": spoken, "duration": 2900 * hop_s})
        expected.append(
            [
                [n.start_s, n.end_s, n.pitch, n.velocity, n.score, n.flags]
                for n in decode(found, rules, duration_s=2900 * hop_s)
            ]
        )
    assert run(DECODE, given) == expected
    assert sum(map(len, expected)) > 5
