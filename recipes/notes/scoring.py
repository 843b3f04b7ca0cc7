"""Figures of transcriptions that a network is judged by while it is made.

Notes are found by the package's own decoder at several thresholds. Figures are mir_eval's, per recording and then
averaged: onset within 50 ms, pitch within half a semitone, with and without offsets. Notes that sound at the start
are left out of the truth, and estimates before 50 ms are dropped.
"""

from __future__ import annotations

import csv
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonoscope.notes.decode import decode
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.scores import NoteScores

GROUPS = (
    "piano", "acoustic_guitar", "electric_guitar", "organ", "violin", "flute", "saxophone", "trumpet", "voice",
    "cello", "clarinet", "bass", "harpsichord", "marimba",
)  # fmt: skip
#: Thresholds that are tried, on new pieces of the fonts that were trained on.
ONSETS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
SUSTAINS = (0.3, 0.4, 0.5, 0.6, 0.7)
NEW_PIECES = "new pieces"
#: What begins before is neither asked for nor counted.
START_S = 0.05


@dataclass(frozen=True)
class Transcribed:
    """Probabilities (frames, 88) of a recording, seconds of a frame, and the true notes."""

    onset: np.ndarray
    sustain: np.ndarray
    frame_s: float
    notes: np.ndarray


def read_maps(file: Path) -> np.ndarray:
    """The notes of a recording of nc_maps, those that sound at the start with an onset of -1."""
    with open(file, newline="", encoding="utf-8") as opened:
        rows = [
            [
                -1.0 if row["sounding_at_start"] == "1" else float(row["onset_s"]),
                float(row["offset_s"]),
                float(row["midi"]),
                float(row["velocity"]),
            ]
            for row in csv.DictReader(opened)
        ]
    return np.array(sorted(rows), dtype=np.float64).reshape(-1, 4)


def decoded(made: Transcribed, onset: float, sustain: float) -> np.ndarray:
    """Notes as rows of onset, offset, pitch, from 50 ms on."""
    rules = NoteRules(
        onset=onset, onset_low=onset / 2, sustain=sustain, sustain_low=sustain, soft_length_s=None
    )
    notes = decode(NoteScores(made.onset, made.sustain, made.frame_s), rules)
    found = [(note.start_s, note.end_s, note.pitch) for note in notes if note.start_s >= START_S]
    return np.array(found, dtype=np.float64).reshape(-1, 3)


def figures(made: Transcribed, onset: float, sustain: float) -> dict[str, float]:
    """F1, precision and recall of onsets, F1 with offsets, and how late matched onsets are in the median (s)."""
    from mir_eval import transcription as m

    truth, guess = made.notes[made.notes[:, 0] >= START_S], decoded(made, onset, sustain)
    if not len(truth):
        return {}
    if not len(guess):
        return {"f1": 0.0, "precision": 0.0, "recall": 0.0, "f1_offsets": 0.0, "late_s": float("nan")}
    pitches = [440 * 2 ** ((notes[:, 2] - 69) / 12) for notes in (truth, guess)]
    given = (truth[:, :2], pitches[0], guess[:, :2], pitches[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = m.precision_recall_f1_overlap(*given, offset_ratio=None)
        with_offsets = m.precision_recall_f1_overlap(*given)[2]
        pairs = m.match_notes(*given, offset_ratio=None)
    late = [guess[e, 0] - truth[t, 0] for t, e in pairs]
    return {"f1": f1, "precision": precision, "recall": recall, "f1_offsets": with_offsets,
            "late_s": float(np.median(late)) if late else float("nan")}  # fmt: skip


def frame_f1(made: list[Transcribed], sustain: float) -> float:
    """F1 of keys and frames over all recordings together, by the sustain probability."""
    hit = wrong = missed = 0
    for one in made:
        times = np.arange(len(one.sustain))[:, None] * one.frame_s
        true = np.zeros(one.sustain.shape, dtype=bool)
        for on, off, pitch, _ in one.notes:
            true[:, int(pitch) - 21] |= ((times >= on) & (times < off))[:, 0]
        said = one.sustain >= sustain
        hit, wrong, missed = (
            hit + (true & said).sum(),
            wrong + (~true & said).sum(),
            missed + (true & ~said).sum(),
        )
    return float(2 * hit / max(2 * hit + wrong + missed, 1))


def interval(values: list[float], rounds: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over recordings."""
    drawn = np.random.default_rng(0).choice(values, (rounds, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return round(float(low), 3), round(float(high), 3)


def chosen(members: list[Transcribed]) -> tuple[float, float]:
    """The thresholds with the best F1 of onsets, and then with the best sum of that and the one with offsets.

    A high threshold of the sustain alone would give the best ends and lose soft notes.
    """

    def reached(onset: float, sustain: float) -> np.ndarray:
        rows = [row for made in members if (row := figures(made, onset, sustain))]
        return np.array([[row["f1"], row["f1_offsets"]] for row in rows]).mean(axis=0)

    onset = max(ONSETS, key=lambda level: reached(level, 0.4)[0])
    return onset, max(SUSTAINS, key=lambda level: reached(onset, level).sum())


def report(found: list[tuple[str, str, Transcribed]]) -> dict:
    """Figures by group at the thresholds chosen on new pieces, and by recording."""
    groups: dict[str, list[Transcribed]] = defaultdict(list)
    for group, _, made in found:
        groups[group].append(made)
    onset, sustain = chosen(groups[NEW_PIECES])
    table = {}
    for group, members in groups.items():
        rows = [row for made in members if (row := figures(made, onset, sustain))]
        if rows:
            table[group] = {
                "recordings": len(rows),
                **{key: round(float(np.nanmean([row[key] for row in rows])), 4) for key in rows[0]},
                "f1_interval": interval([row["f1"] for row in rows]),
                "frame_f1": round(frame_f1(members, sustain), 4),
            }
    files = [
        {"group": group, "file": name, **{k: round(v, 4) for k, v in figures(made, onset, sustain).items()}}
        for group, name, made in found
    ]
    return {"thresholds": {"onset": onset, "sustain": sustain}, "groups": table, "files": files}
