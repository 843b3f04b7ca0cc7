"""Jobs on disk: what was accepted is known after a restart, whatever ended the service."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, request TEXT NOT NULL, long INTEGER NOT NULL, state TEXT NOT NULL,
    created REAL NOT NULL, started REAL, ended REAL, error TEXT, result TEXT
)
"""


class Entry(NamedTuple):
    """A row: ``request``, ``error`` and ``result`` are JSON values, times seconds since 1970."""

    id: str
    kind: str
    request: dict[str, Any]
    long: bool
    state: str
    created: float
    started: float | None
    ended: float | None
    error: dict[str, Any] | None
    result: dict[str, Any] | None


class Ledger:
    """The table of jobs in a file; each call is a transaction that is on disk when it returns.

    Used by one thread at a time.
    """

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(SCHEMA)

    def put(self, entry: Entry) -> None:
        """Add a job, or replace what was known of it."""
        values = [json.dumps(value) if isinstance(value, dict) else value for value in entry]
        self._database.execute(f"INSERT OR REPLACE INTO jobs VALUES ({','.join('?' * len(entry))})", values)

    def remove(self, job: str) -> None:
        """Forget a job."""
        self._database.execute("DELETE FROM jobs WHERE id = ?", (job,))

    def entries(self) -> Iterator[Entry]:
        """All jobs, the oldest first."""
        for row in self._database.execute("SELECT * FROM jobs ORDER BY created, rowid"):
            values = dict(zip(Entry._fields, row, strict=True))
            for key in ("request", "error", "result"):
                values[key] = json.loads(values[key]) if values[key] else None
            yield Entry(**{**values, "long": bool(values["long"])})

    def close(self) -> None:
        """No more calls."""
        self._database.close()


def now() -> float:
    """Seconds since 1970."""
    return round(time.time(), 3)
