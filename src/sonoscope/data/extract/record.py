"""What a folder of clips remembers of its making, so that a run goes on where the last one stopped.

``.sonoscope/extract.jsonl`` begins with the settings; each recording that is done adds a line with its ranges and
clips, and each writing of the manifest one with the recordings that are in it. A line that a crash cut off is taken
as not written. What a line says is true when it is there: clips have their names before it is written.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sonoscope.data.extract.cut import Clip, Cut
from sonoscope.data.extract.plan import Source
from sonoscope.data.locking import taken
from sonoscope.data.survey import Problem
from sonoscope.data.table import put
from sonoscope.errors import Locked, UsageError

SCHEMA = 1
STATE, RECORD, LOCK, WORK = ".sonoscope", "extract.jsonl", "extract.lock", "extract.work"


@dataclass(frozen=True)
class Done:
    """A recording that was cut: under which name, from how many bytes, into what.

    ``parts`` is :meth:`~sonoscope.data.extract.plan.Source.to_json` of the source.
    """

    name: str
    bytes: int
    parts: list[Any]
    clips: list[Clip]
    problems: list[Problem] = field(default_factory=list)
    clipped: int = 0
    short: int = 0

    @classmethod
    def of(cls, source: Source, size: int, cut: Cut) -> Done:
        """What a cut makes known."""
        return cls(source.name, size, source.to_json(), cut.clips, cut.problems, cut.clipped, cut.short)


@dataclass
class Record:
    """The record of a folder: settings (None: there is none yet), recordings by key, and what the manifest has."""

    path: Path
    settings: dict[str, Any] | None = None
    labels_given: bool = False
    done: dict[str, Done] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, folder: Path, *, damaged: bool = False) -> Record:
        """The record of a folder of clips; of a ``damaged`` one, what can be understood.

        Raises
        ------
        UsageError
            If it is damaged, or of a later schema.
        """
        record = cls(folder / STATE / RECORD)
        if not record.path.is_file():
            return record
        lines = record.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines[:-1], start=1):  # What follows the last line end was cut off.
            try:
                record._add(json.loads(line))
            except (ValueError, KeyError, TypeError):
                if damaged:
                    continue
                raise UsageError(
                    f"{record.path}, line {number}: damaged. Name another folder, or begin anew with --overwrite."
                ) from None
        return record

    def _add(self, said: dict[str, Any]) -> None:
        if "settings" in said:
            if said["schema"] != SCHEMA:
                raise UsageError(f"{self.path}: schema {said['schema']}, not {SCHEMA}. Update sonoscope.")
            self.settings, self.labels_given = said["settings"], said["labels_given"]
        elif "listed" in said:
            self.listed.update(said["listed"])
        elif "recording" in said:
            known = {key: value for key, value in said.items() if key != "recording"}
            known["clips"] = [Clip(*clip) for clip in said["clips"]]
            known["problems"] = [Problem(*problem) for problem in said["problems"]]
            self.done[said["recording"]] = Done(**known)

    def replace(self, settings: dict[str, Any], labels_given: bool, done: dict[str, Done]) -> None:
        """Begin the record, or begin it anew, with what is known to be done; whole or not at all."""
        self.settings, self.labels_given, self.done = settings, labels_given, dict(done)
        self.listed &= done.keys()
        said: list[dict[str, Any]] = [{"schema": SCHEMA, "settings": settings, "labels_given": labels_given}]
        said += [_said(key, one) for key, one in done.items()]
        said += [{"listed": sorted(self.listed)}] if self.listed else []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        put(self.path, b"".join(map(_line, said)))

    def keep(self, key: str, done: Done) -> None:
        """Remember that a recording is done."""
        self.done[key] = done
        self._write(_said(key, done))

    def note_listed(self, keys: list[str]) -> None:
        """Remember that the manifest has the clips of these recordings."""
        if keys:
            self.listed.update(keys)
            self._write({"listed": keys})

    def _write(self, said: dict[str, Any]) -> None:
        with open(self.path, "r+b") as file:
            content_end = _last_line_end(file)
            file.seek(content_end)
            file.truncate()
            file.write(_line(said))


def _said(key: str, done: Done) -> dict[str, Any]:
    said = {"recording": key, **asdict(done)}
    said["clips"] = [list(asdict(clip).values()) for clip in done.clips]
    said["problems"] = [list(asdict(problem).values()) for problem in done.problems]
    return said


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


def _last_line_end(file: Any) -> int:
    """Where the last whole line ends: what a crash left after it is written over."""
    at = file.seek(0, os.SEEK_END)
    while at > 0:
        begin = max(at - 65536, 0)
        file.seek(begin)
        found = file.read(at - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        at = begin
    return 0


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[Path]:
    """The right to write clips into ``folder``, and an empty folder for files that grow; given back by any death.

    Raises
    ------
    Locked
        If another process has it.
    """
    state = folder / STATE
    state.mkdir(parents=True, exist_ok=True)
    with open(state / LOCK, "a+b") as lock:
        if not taken(lock):
            raise Locked(
                f"{folder} is being written by another process: wait for it, or name another folder with -o"
            )
        work = state / WORK
        work.mkdir(exist_ok=True)
        # What a run that was killed left half written.
        for left in (*work.iterdir(), *state.glob(".*.part"), *folder.glob(".*.part")):
            left.unlink()
        try:
            yield work
        finally:
            with contextlib.suppress(OSError):
                work.rmdir()
