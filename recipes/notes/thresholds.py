"""The decoder's rules, fitted where nobody trained and nobody reports: freepats, new pieces of the trained fonts, and
recorded notes and speech that are left out of what is reported.

One rule after another is set to the value with the best mean of the F1 of onsets plus half of the F1 with offsets,
less a little for every note in speech, until nothing moves; dense music, all that rendered instruments play alone, and
all that recorded ones do count alike. Beginnings are shifted by what the network is late by in the median.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from sonoscope.evaluation import notes as figures
from sonoscope.notes.decode import decode
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.scores import NoteScores

#: Values that are tried for each rule, those against blips first: what else were raised against them would cost more.
#: ``onset_low`` is a share of the one above it.
GRID: dict[str, tuple[float | None, ...]] = {
    "unsure_length_s": (0.0, 0.04, 0.06, 0.08, 0.1),  # no longer than a sixteenth at 150 beats a minute
    "sure": (0.6, 0.7, 0.75, 0.8, 0.85),
    "company": (2, 3, 4, 5),
    "company_s": (1.0, 2.0),
    "onset": (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6),
    "sustain_low": (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65),
    "onset_low": (0.3, 0.5, 0.7, 0.9),
    "min_length_s": (0.02, 0.04, 0.06, 0.08, 0.1),
    "max_gap_s": (0.0, 0.02, 0.04, 0.06, 0.08, 0.1),
    "peak_s": (0.02, 0.04, 0.06),
    "sustain": (0.5, 0.6, 0.7, 0.8),
    "soft_length_s": (None, 0.1, 0.2, 0.3),
    "end_shift_s": (-0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03),
}
#: Groups with many notes at once, as most recordings have.
DENSE = ("compositions", "compositions, damaged", "three at once")
#: Groups of recorded notes begin so; the group of what is spoken.
REAL, SPEECH = "recorded: ", "speech"
#: What +offset F1 counts against the F1 of onsets, and what a note in a minute of speech takes away.
_ENDS, _FALSE = 0.5, 2e-4
_ROUNDS = 3


@dataclass(frozen=True)
class Heard:
    """Scores of a recording, and its notes."""

    group: str
    scores: NoteScores
    truth: figures.Notes


def truth_of(notes: np.ndarray) -> figures.Notes:
    """Rows of onset, offset, pitch and velocity as notes; what sounds at the start (onset below 0) ends before it."""
    order = np.argsort(notes[:, 0], kind="stable")
    return figures.Notes(notes[order, 0], notes[order, 1], notes[order, 2])


def estimate(scores: NoteScores, rules: NoteRules) -> figures.Notes:
    """The decoder's notes."""
    return figures.notes_of(decode(scores, rules))


def reached(heard: Sequence[Heard], rules: NoteRules) -> float:
    """Onset F1 + half of +offset F1: the means over groups of each side, averaged; less what speech takes away."""
    groups: dict[str, list[float]] = defaultdict(list)
    false, spoken_s = 0, 0.0
    for one in heard:
        true, said = figures.fair(one.truth, estimate(one.scores, rules))
        if one.group == SPEECH:
            false, spoken_s = false + len(said), spoken_s + len(one.scores) * one.scores.hop_s
        if len(true):
            total = max(len(true) + len(said), 1)
            onsets, ends = (2 * len(figures.matched(true, said, offsets=o)) / total for o in (False, True))
            groups[one.group].append(onsets + _ENDS * ends)
    sides: dict[str, list[float]] = defaultdict(list)
    for group, values in groups.items():
        side = "dense" if group in DENSE else REAL if group.startswith(REAL) else "alone"
        sides[side].append(float(np.mean(values)))
    penalty = _FALSE * false / (spoken_s / 60) if spoken_s else 0.0
    return float(np.mean([np.mean(side) for side in sides.values()])) - penalty


def fit(heard: Sequence[Heard]) -> tuple[NoteRules, dict[str, float]]:
    """The rules, and what they reach before and after."""
    rules = NoteRules(
        onset=0.4,
        onset_low=0.12,
        sustain=0.6,
        sustain_low=0.6,
        max_gap_s=0.06,
        min_length_s=0.02,
        soft_length_s=None,
    )
    rules = shifted(heard, rules)
    best = before = reached(heard, rules)
    for _ in range(_ROUNDS):
        start = best
        print(f"{best:.4f} {rules}", flush=True)
        for name, values in GRID.items():
            for value in values:
                tried = changed(rules, name, value)
                if tried.onset > tried.sure:
                    continue
                if tried != rules and (score := reached(heard, tried)) > best + 1e-4:
                    best, rules = score, tried
        rules = shifted(heard, rules)
        best = reached(heard, rules)
        print(f"{best:.4f} {rules}", flush=True)
        if best < start + 5e-4:
            break
    return rules, {"before": round(before, 4), "after": round(best, 4)}


def changed(rules: NoteRules, name: str, value: float | None) -> NoteRules:
    """The rules with another value; what must lie below or above it moves along."""
    if name == "onset_low":
        return replace(rules, onset_low=round(rules.onset * float(value or 0), 4))
    if name == "onset":
        share = rules.onset_low / rules.onset
        return replace(rules, onset=float(value or 0), onset_low=round(share * float(value or 0), 4))
    if name == "sustain_low":
        return replace(rules, sustain_low=float(value or 0), sustain=max(rules.sustain, float(value or 0)))
    if name == "sustain":
        return replace(rules, sustain=max(float(value or 0), rules.sustain_low))
    return replace(rules, **{name: value})


def shifted(heard: Sequence[Heard], rules: NoteRules) -> NoteRules:
    """The rules with beginnings moved by what they are late by: the median over groups of their medians.

    Only rendered sound is asked, where beginnings are exact.
    """
    plain = replace(rules, onset_shift_s=0.0)
    starts: dict[str, list[float]] = defaultdict(list)
    for one in heard:
        if one.group.startswith(REAL):
            continue
        true, said = figures.fair(one.truth, estimate(one.scores, plain))
        for r, e in figures.matched(true, said):
            starts[one.group].append(float(said.start_s[e] - true.start_s[r]))
    late = float(np.median([np.median(values) for values in starts.values()]))
    return replace(plain, onset_shift_s=round(-late, 4))


def by_group(heard: Sequence[Heard], rules: NoteRules) -> dict[str, dict[str, float]]:
    """Figures of each group at the rules."""
    table = {}
    for group in dict.fromkeys(one.group for one in heard if one.group != SPEECH):
        rows = []
        late: list[float] = []
        for one in heard:
            if one.group != group:
                continue
            true, said = figures.fair(one.truth, estimate(one.scores, rules))
            if len(true):
                total = max(len(true) + len(said), 1)
                hits = [len(figures.matched(true, said, offsets=o)) for o in (False, True)]
                rows.append([2 * hits[0] / total, 2 * hits[1] / total])
                late += figures.onset_errors(true, said).tolist()
        onset, ends = np.mean(rows, axis=0)
        table[group] = {
            "recordings": len(rows), "onset_f1": round(float(onset), 4), "offset_f1": round(float(ends), 4),
            "late_ms": round(1000 * float(np.median(late)), 1) if late else 0.0,
        }  # fmt: skip
    return table


def write(file: Path, heard: Sequence[Heard], given: NoteRules | None = None) -> NoteRules:
    """Fit, unless rules are given, and write the rules with what they reach."""
    rules, reach = fit(heard) if given is None else (given, {"after": round(reached(heard, given), 4)})
    table = by_group(heard, rules)
    file.write_text(json.dumps({"rules": asdict(rules), "reached": reach, "groups": table}, indent=1) + "\n")
    for group, row in table.items():
        print(group, row)
    return rules
