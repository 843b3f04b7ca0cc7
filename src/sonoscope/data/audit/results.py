"""The tables of an audit: what is doubtful, what every row got, and how much of it has its label."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from sonoscope.data import table
from sonoscope.data.audit.agreement import Agreement
from sonoscope.data.audit.auditing import Audit, Issue
from sonoscope.data.audit.overrides import REVIEWED
from sonoscope.data.rows import Row
from sonoscope.values import columns, format_seconds

ISSUES = ("rank", "path", "start_s", "duration_s", "given", "suggested", "score", "probabilities", "group")
ROWS = ("path", "start_s", "duration_s", "labels", "score", "flagged", "reviewed")
PRESENCE = ("path", "start_s", "duration_s", "label", "present", "first_s", "last_s", "windows", "flagged")
AGREEMENT = (
    "label", "judged", "first", "second", "both", "unlisted", "precision", "recall", "kappa",
)  # fmt: skip
DIFFERENCES = ("path", "start_s", "duration_s", "first", "second")


def part(row: Row) -> tuple[str, str, str]:
    """Path, start and duration as cells."""
    return row.path, format_seconds(row.start_s), format_seconds(row.duration_s)


def decimals(value: float) -> str:
    """Four decimals; empty where there is no figure."""
    return "" if math.isnan(value) else f"{value:.4f}"


def write_issues(issues: Iterable[Issue], path: str | Path) -> None:
    """``issues.csv``: doubtful rows, the least credible first."""
    rows = [
        (
            str(rank),
            *part(issue.row),
            ";".join(issue.given),
            ";".join(issue.suggested),
            decimals(issue.score),
            ";".join(f"{label}={decimals(p)}" for label, p in issue.probabilities),
            issue.row.group,
        )
        for rank, issue in enumerate(issues, start=1)
    ]
    table.write(path, ISSUES, rows)


def write_rows(audit: Audit, path: str | Path) -> None:
    """``rows.csv``: every row that was listened to, in the manifest's order; no score where it was not judged."""
    flagged = audit.judgement.flagged
    table.write(
        path,
        ROWS,
        [
            (
                *part(row := audit.row(place)),
                ";".join(row.labels),
                decimals(float(audit.judgement.score[place])),
                str(int(flagged[place])),
                row.extra.get(REVIEWED, ""),
            )
            for place in range(len(audit.embeddings))
        ],
    )


def write_presence(audit: Audit, path: str | Path) -> None:
    """``presence.csv``: a line for every label of every row that could be judged."""
    table.write(
        path,
        PRESENCE,
        [
            (
                *part(audit.row(each.place)),
                each.label,
                decimals(each.share),
                format_seconds(each.first_s),
                format_seconds(each.last_s),
                str(each.windows),
                str(int(each.share < audit.at_least)),
            )
            for each in audit.presences
        ],
    )


def write_agreement(found: Agreement, folder: Path) -> None:
    """``agreement.csv``, a line a label, and ``differences.csv``, a line a row that differs."""
    table.write(
        folder / "agreement.csv",
        AGREEMENT,
        [
            (
                each.label,
                *map(str, (each.judged, each.first, each.second, each.both, each.unlisted)),
                *map(decimals, (each.precision, each.recall, each.kappa)),
            )
            for each in found.labels
        ],
    )
    table.write(
        folder / "differences.csv",
        DIFFERENCES,
        [
            (*part(first), ";".join(first.labels), ";".join(second.labels))
            for first, second in found.differing
        ],
    )


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of text for people: the first to the left, the others to the right."""
    return "\n".join(columns([header, *rows], right=range(1, len(header))))


def ranged(value: float, low: float, high: float, *, signed: bool = False) -> str:
    """``0.712 (0.640 to 0.771)``; without the interval where there is none."""
    sign = "+" if signed else ""
    if math.isnan(value):
        return "-"
    if np.isnan(low) or np.isnan(high):
        return f"{value:{sign}.3f}"
    return f"{value:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
