"""Notes of both against the truth: figures by group with intervals, and what they are as a table.

Counted by `sonoscope.evaluation.notes`, as mir_eval does: an onset within 50 ms of one of the same pitch; *with offset*
if the end is within 50 ms or a fifth of the length too. Notes that sound when a recording begins are left out of the
truth, estimates before 50 ms are dropped, for both alike. Means over recordings; 95 % intervals by drawing recordings
again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sonoscope.evaluation import bootstrap
from sonoscope.evaluation.notes import Notes, fair, matched
from transcription.recordings import Recording

#: Figures of a recording, in the order of :func:`of_recording`.
COLUMNS = ("onset_f1", "precision", "recall", "offset_f1")


def notes_of(rows: Sequence[Sequence[float]]) -> Notes:
    """Start, end and pitch of each note as :class:`Notes`."""
    table = np.array(sorted(map(tuple, rows)), dtype=np.float64).reshape(-1, 3)
    return Notes(table[:, 0], table[:, 1], table[:, 2])


def of_recording(truth: Notes, estimate: Notes) -> tuple[tuple[float, ...], list[float]] | None:
    """The figures of one recording and how late its matched onsets are; None where nothing is asked for."""
    true, said = fair(truth, estimate)
    if not len(true):
        return None
    pairs = matched(true, said)
    ends = len(matched(true, said, offsets=True))
    hits, total = len(pairs), len(true) + len(said)
    late = [float(said.start_s[e] - true.start_s[r]) for r, e in pairs]
    precision = hits / len(said) if len(said) else 0.0
    return (2 * hits / total, precision, hits / len(true), 2 * ends / total), late


def compared(
    recordings: Sequence[Recording], estimates: Mapping[str, Sequence[Notes]], ours: str
) -> dict[str, dict[str, Any]]:
    """Figures by group and system, and what ours is ahead by, paired by recording."""
    groups: dict[str, list[int]] = {}
    for number, recording in enumerate(recordings):
        groups.setdefault(recording.group, []).append(number)
    table: dict[str, dict[str, Any]] = {}
    for group, members in groups.items():
        rows: dict[str, np.ndarray] = {}
        systems: dict[str, Any] = {}
        for system, notes in estimates.items():
            found = [of_recording(recordings[k].notes, notes[k]) for k in members]
            counted = [one for one in found if one is not None]
            if counted:
                rows[system] = np.array([figures for figures, _ in counted])
                systems[system] = _summary(rows[system], [t for _, late in counted for t in late])
        if not systems:
            continue
        ahead = {
            system: {
                figure: _difference(rows[ours][:, k], rows[system][:, k])
                for k, figure in ((0, "onset_f1"), (3, "offset_f1"))
            }
            for system in systems
            if system != ours
        }
        table[group] = {"recordings": len(rows[ours]), "systems": systems, "ahead": ahead}
    return table


def _summary(rows: np.ndarray, late: list[float]) -> dict[str, Any]:
    """Means, their intervals, and the median lateness in ms."""
    names = [str(k) for k in range(len(rows))]
    found: dict[str, Any] = {name: round(float(rows[:, k].mean()), 4) for k, name in enumerate(COLUMNS)}
    for name in ("onset_f1", "offset_f1"):
        low, high = bootstrap.of_metric(_mean_of(rows[:, COLUMNS.index(name)]), names)
        found[f"{name}_interval"] = [round(low, 4), round(high, 4)]
    found["late_ms"] = round(1000 * float(np.median(late)), 1) if late else None
    return found


def _mean_of(column: np.ndarray) -> Callable[[np.ndarray], float]:
    """The mean of the rows that are drawn."""
    return lambda drawn: float(column[drawn].mean())


def _difference(first: np.ndarray, second: np.ndarray) -> list[float]:
    """The mean of the differences, and its interval."""
    names, differences = [str(k) for k in range(len(first))], first - second
    low, high = bootstrap.of_metric(_mean_of(differences), names)
    return [round(float(differences.mean()), 4), round(low, 4), round(high, 4)]


def false_notes(recordings: Sequence[Recording], estimates: Mapping[str, Sequence[Notes]],
                seconds: Sequence[float]) -> dict[str, dict[str, float]]:  # fmt: skip
    """Notes a minute in what holds none, by group and system."""
    table: dict[str, dict[str, float]] = {}
    for group in dict.fromkeys(recording.group for recording in recordings):
        members = [k for k, recording in enumerate(recordings) if recording.group == group]
        minutes = sum(seconds[k] for k in members) / 60.0
        table[group] = {
            system: round(sum(len(notes[k]) for k in members) / minutes, 1)
            for system, notes in estimates.items()
        }
    return table


def markdown(results: Mapping[str, Any]) -> str:
    """The tables of ``results-notes.json``, for the documentation."""
    ours, *peers = results["systems"]
    lines = [_row(["recordings", "", ours, *peers, "ahead by"]), _row(["---"] * (4 + len(peers)))]
    for group, entry in results["groups"].items():
        cells = [f"{group} ({entry['recordings']})"]
        figures = [entry["systems"][system] for system in results["systems"]]
        both = [
            _row(
                [
                    cells[0],
                    "onset",
                    *(_cell(f, "onset_f1") + _details(f) for f in figures),
                    _ahead(entry, "onset_f1"),
                ]
            ),
            _row(["", "+ offset", *(_cell(f, "offset_f1") for f in figures), _ahead(entry, "offset_f1")]),
        ]
        lines += both
    if results["false"]:
        lines += ["", _row(["false notes a minute", *results["systems"]]), _row(["---"] * (2 + len(peers)))]
    lines += [
        _row([group, *(f"{row[system]:.1f}" for system in results["systems"])])
        for group, row in results["false"].items()
    ]
    if results.get("speed"):
        lines += ["", _row(["one core", ours, "basic-pitch", "ratio"]), _row(["---"] * 4)]
        for row in results["speed"]:
            both = [f"{row[k]:.3g} {row['unit']}" for k in ("ours", "peer")]
            lines.append(_row([row["what"], *both, f"{row['ratio']:.3g}"]))
    return "\n".join(lines)


def _cell(figures: Mapping[str, Any], name: str) -> str:
    """A mean and its interval."""
    low, high = figures[f"{name}_interval"]
    return f"{figures[name]:.3f} ({low:.2f}–{high:.2f})"


def _details(figures: Mapping[str, Any]) -> str:
    """Precision, recall and lateness."""
    late = "" if figures["late_ms"] is None else f", {figures['late_ms']:+.0f} ms"
    return f" {figures['precision']:.2f} / {figures['recall']:.2f}{late}"


def _ahead(entry: Mapping[str, Any], name: str) -> str:
    """What ours is ahead of the better of the others, with the interval of the paired differences."""
    if not entry["ahead"]:
        return ""
    value, low, high = min(differences[name] for differences in entry["ahead"].values())
    return f"{value:+.3f} ({low:+.2f} to {high:+.2f})"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
