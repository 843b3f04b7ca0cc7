"""``bad_rows.csv``: what cannot be used, with the reason and what to do. It lies beside the manifest it is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from sonoscope.data import table
from sonoscope.data.survey import Problem
from sonoscope.values import format_seconds

COLUMNS = ("path", "start_s", "duration_s", "reason", "remedy")


def beside(manifest: str | Path) -> Path:
    """Where the bad rows of a manifest go: ``m.csv`` has ``m.bad_rows.csv``."""
    return Path(manifest).with_suffix(".bad_rows.csv")


def write(problems: Iterable[Problem], path: str | Path) -> None:
    """Write the table, whole or not at all."""
    rows = [
        (
            problem.path,
            format_seconds(problem.start_s),
            format_seconds(problem.duration_s),
            problem.reason,
            problem.remedy,
        )
        for problem in problems
    ]
    table.write(path, COLUMNS, rows)


def keep(problems: Collection[Problem], path: str | Path) -> None:
    """See to it that the table is what there is to say now: written if there are any, removed if there are none."""
    if problems:
        write(problems, path)
    else:
        Path(path).unlink(missing_ok=True)


def read(path: str | Path) -> list[Problem]:
    """The rows of such a table."""
    return [
        Problem(
            line.cells["path"],
            float(line.cells["start_s"]),
            float(line.cells["duration_s"]) if line.cells["duration_s"] else None,
            line.cells["reason"],
            line.cells["remedy"],
        )
        for line in table.read(path).lines
    ]
