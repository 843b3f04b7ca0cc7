"""A summary as lines for a screen, and as figures for JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from sonoscope.data.summary import Summary
from sonoscope.data.summary.relations import Map
from sonoscope.errors import count
from sonoscope.features.statistics import COLUMNS
from sonoscope.values import columns

#: Labels that a screen shows.
LABELS = 30


def spoken_length(seconds: float) -> str:
    """A length for people.

    >>> spoken_length(7.25), spoken_length(754), spoken_length(15542)
    ('7.2 s', '12.6 min', '4.3 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def lines(summary: Summary) -> list[str]:
    """What a screen shows: sizes, splits, labels, sound in a few words, and what stands out."""
    counts = summary.counts
    length = f", {spoken_length(counts.seconds)}" if counts.seconds else ""
    unknown = f" ({count(counts.open_rows, 'row')} of unknown length)" if counts.open_rows else ""
    told = [f"{count(counts.rows, 'row')}, {count(counts.files, 'file')}{length}{unknown}"]
    if counts.has_splits:
        told.append("splits: " + ", ".join(f"{each.split} {each.rows:,}" for each in counts.splits))
    if counts.labels:
        told += ["", *_labels(summary)]
    if summary.heard is not None and len(summary.heard):
        told += ["", *_sound(summary)]
    if summary.findings:
        mark = {"warning": "!", "note": "-", "good": "+"}
        told += ["", *(f"{mark[each.level]} {each.text}" for each in summary.findings)]
    return told


def _labels(summary: Summary) -> list[str]:
    counts = summary.counts
    ordered = sorted(counts.labels, key=lambda label: (-label.rows, label.label))
    head = ["label", "rows", "length", "groups", "unknown"]
    splits = [each.split for each in counts.splits] if 1 < len(counts.splits) <= 6 else []
    rows = [
        [
            label.label,
            f"{label.rows:,}",
            spoken_length(label.seconds) if label.seconds else "-",
            f"{label.groups:,}",
            f"{label.unknown:,}",
            *(f"{label.by_split.get(split, 0):,}" for split in splits),
        ]
        for label in ordered[:LABELS]
    ]
    names = [*head, *splits]
    found = columns([names, *rows], right=range(1, len(names)), indent="  ")
    if len(ordered) > LABELS:
        found.append(f"  ... and {len(ordered) - LABELS} more labels")
    return found


def _sound(summary: Summary) -> list[str]:
    heard = summary.heard
    assert heard is not None
    low, middle, high = np.percentile(heard.level_db, [5, 50, 95])
    told = [
        f"heard {count(len(heard), 'row')}: level {middle:.0f} dB ({low:.0f} to {high:.0f}), "
        f"{np.count_nonzero(heard.clipped > 0):,} touch full scale, {heard.silent.mean():.0%} silence"
    ]
    keys = Counter(str(key) for key in heard.sure_keys())
    if keys:
        told.append(f"keys: {', '.join(f'{name} {number}' for name, number in keys.most_common(5))}")
    tempos = [tempo.beats_per_minute for tempo in heard.sure_tempos()]
    if tempos:
        told.append(
            f"tempo: {np.median(tempos):.0f} beats a minute in the median of {count(len(tempos), 'row')}"
        )
    if summary.explained.any():
        best = np.argsort(-summary.explained, kind="stable")[:3]
        shown = ", ".join(f"{COLUMNS[k]} ({summary.explained[k]:.0%})" for k in best)
        told.append(f"features that labels explain most: {shown}")
    return told


def to_dict(summary: Summary) -> dict[str, Any]:
    """The figures as plain values."""
    counts = summary.counts
    found: dict[str, Any] = {
        "rows": counts.rows,
        "files": counts.files,
        "seconds": round(counts.seconds, 3),
        "rows_of_unknown_length": counts.open_rows,
        "splits": {
            each.split: {
                "rows": each.rows, "seconds": round(each.seconds, 3), "files": each.files, "groups": each.groups
            }
            for each in counts.splits
        },
        "labels": {
            label.label: {
                "rows": label.rows, "seconds": round(label.seconds, 3), "alone": label.alone, "absent": label.absent,
                "unknown": label.unknown, "groups": label.groups, "sources": label.sources,
                "splits": dict(label.by_split),
            }
            for label in counts.labels
        },
        "together": counts.together.tolist(),
        "labels_per_row": {str(number): rows for number, rows in counts.labels_per_row.items()},
        "origins": {column: dict(values) for column, values in counts.origins.items()},
        "groups_in_several_splits": {key: dict(rows) for key, rows in counts.shared_groups.items()},
        "files_in_several_splits": {key: dict(rows) for key, rows in counts.shared_files.items()},
        "findings": [{"level": each.level, "text": each.text} for each in summary.findings],
        "problems": [
            {"path": each.path, "start_s": each.start_s, "reason": each.reason, "remedy": each.remedy}
            for each in summary.problems
        ],
    }  # fmt: skip
    if summary.heard is not None:
        found["sound"] = _figures(summary)
    return found


def _figures(summary: Summary) -> dict[str, Any]:
    heard = summary.heard
    assert heard is not None
    if not len(heard):
        return {"rows": 0}
    return {
        "rows": len(heard),
        "level_db": dict(
            zip(("p5", "p50", "p95"), np.percentile(heard.level_db, [5, 50, 95]).round(2), strict=True)
        ),
        "rows_that_touch_full_scale": int(np.count_nonzero(heard.clipped > 0)),
        "silence": round(float(heard.silent.mean()), 4),
        "keys": dict(Counter(str(key) for key in heard.sure_keys()).most_common()),
        "tempos": [round(tempo.beats_per_minute, 2) for tempo in heard.sure_tempos()],
        "features": {
            name: {
                "mean": float(f"{column.mean():.6g}"),
                "std": float(f"{column.std():.6g}"),
                "explained_by_labels": round(float(share), 4),
            }
            for name, column, share in zip(COLUMNS, heard.features.T, summary.explained, strict=True)
        },
        "maps": [each.name if isinstance(each, Map) else each for each in summary.maps],
    }
