"""The folder of a run: what lies where, whose it is, and when it is refused.

Results lie in ``OUT/<name><suffix>``, the tables of all inputs in ``OUT/{events,files,errors}.csv`` and
``OUT/run.json``. What the run itself needs lies in ``OUT/.sonoscope``::

    settings.json              analysis settings, written once: the folder holds one analysis
    journal-<part>.jsonl       what is complete (journal.py)
    run.lock-<part>, guard     who writes (lock.py)
    part-<part>.json           report of a part that is finished, until all are
    scores/<name>.npz          kept scores
    events/<name>.events.csv   events, where csv is not among the formats or there are several models
    log-<part>.txt             warnings, and tracebacks of what was unexpected
    tmp-<part>/                every unfinished file; results are moved from here into place

``<part>`` is ``all``, or ``3of16`` for ``--shard 3/16``. A file outside ``.sonoscope`` is therefore always
whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from sonoscope.errors import RunRefused, UsageError
from sonoscope.runs import lock
from sonoscope.runs.journal import Journal

STATE = ".sonoscope"
TABLES = ("events.csv", "files.csv", "errors.csv", "run.json")

#: Differences between two lists of inputs that a refusal shows.
SHOWN = 3


class Folder:
    """Places in the folder ``out`` of a run, of which this process writes ``part``."""

    def __init__(self, out: str | Path, shard: tuple[int, int] | None = None) -> None:
        self.out = Path(out)
        self.part = f"{shard[0]}of{shard[1]}" if shard else "all"
        self.state = self.out / STATE
        self.settings = self.state / "settings.json"
        self.tmp = self.state / f"tmp-{self.part}"
        self.log = self.state / f"log-{self.part}.txt"
        self.report = self.state / f"part-{self.part}.json"

    @contextlib.contextmanager
    def claimed(self, settings: dict[str, Any], *, overwrite: bool = False) -> Iterator[None]:
        """Hold the lock, with the folder made, found to be this analysis, and ``tmp`` there and empty.

        Raises
        ------
        RunRefused
            If the folder holds something else, or an analysis with other settings, and ``overwrite`` is not
            set.
        Locked
            If another process writes the same inputs.
        UsageError
            If the folder cannot be made.
        """
        self.check_place(overwrite=overwrite)
        try:
            self.state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{self.out} cannot be made: {error.strerror}; name another folder with -o"
            ) from None
        with lock.Lock(self.state, self.part):
            self._agree(settings, overwrite=overwrite)
            self._clear_tmp()
            self.tmp.mkdir(exist_ok=True)
            try:
                yield
            finally:
                self._clear_tmp()

    def check(self, settings: dict[str, Any], *, overwrite: bool) -> None:
        """Refuse what :meth:`claimed` would refuse, other writers excepted; nothing is written."""
        self.check_place(overwrite=overwrite)
        if overwrite and self.part == "all":
            return
        refusal = _refusal(self.out, self.read_settings(), settings)
        if refusal:
            raise RunRefused(refusal)

    def check_place(self, *, overwrite: bool) -> None:
        """Refuse a folder that is in use for something else; nothing is written."""
        if self.out.exists() and not self.out.is_dir():
            raise RunRefused(f"{self.out} is a file: name a folder with -o")
        if overwrite or self.state.is_dir() or not self.out.is_dir():
            return
        if next(self.out.iterdir(), None) is not None:
            raise RunRefused(
                f"{self.out} is not empty and holds no run of sonoscope: name another folder with -o "
                "({time} in its name makes a new one each time), or --overwrite to write there all the same"
            )

    def read_settings(self) -> dict[str, Any] | None:
        """The analysis settings of the run that the folder holds; None if it holds none."""
        try:
            values = json.loads(self.settings.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise RunRefused(
                f"{self.settings} cannot be read ({error}): begin anew with --overwrite"
            ) from None
        return values

    def _agree(self, settings: dict[str, Any], *, overwrite: bool) -> None:
        """Write the settings, or find that those of the folder are the same."""
        try:
            found = self.read_settings()
            refusal = _refusal(self.out, found, settings)
        except RunRefused as unreadable:
            if not overwrite:
                raise
            found, refusal = None, str(unreadable)
        if refusal and not overwrite:
            raise RunRefused(refusal)
        if refusal and self.part != "all":
            raise RunRefused(
                f"{refusal.partition(':')[0]}, and --overwrite with --shard would take away the results "
                "of the other parts: remove the folder first, or name another with -o"
            )
        if overwrite and self.part == "all" and self.settings.exists():
            self.wipe()
            found = None
        if found is None:
            self._write_settings(settings)

    def _write_settings(self, settings: dict[str, Any]) -> None:
        """Beside, then linked into place: of several parts that begin at once the first one writes."""
        beside = self.state / f"settings-{self.part}-{os.getpid()}.new"
        with open(beside, "w", encoding="utf-8") as file:
            file.write(json.dumps(settings, indent=1) + "\n")
            file.flush()
            # Without its settings a folder of finished work could not be gone on with.
            os.fsync(file.fileno())
        try:
            os.link(beside, self.settings)
        except FileExistsError:
            refusal = _refusal(self.out, self.read_settings(), settings)
            if refusal:
                raise RunRefused(refusal) from None
        except OSError:  # no hard links on this file system
            beside.replace(self.settings)
        finally:
            beside.unlink(missing_ok=True)

    def wipe(self) -> None:
        """Remove what runs have written here, and nothing else; folders that are empty then go too."""
        with contextlib.closing(Journal(self.state, None)) as journal:
            for record in journal.records():
                remove(self.out, record.outputs)
        for table in TABLES:
            (self.out / table).unlink(missing_ok=True)
        for entry in self.state.iterdir():
            if entry.name == "guard" or entry.name.startswith(lock.PREFIX):
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def _clear_tmp(self) -> None:
        """Remove the unfinished files of this part, and those of dead runs whose part the lock covers."""
        for entry in self.state.glob("tmp-*"):
            if lock.excludes(self.part, entry.name.removeprefix("tmp-")):
                shutil.rmtree(entry, ignore_errors=True)
        (self.state / f"new-journal-{self.part}.jsonl").unlink(missing_ok=True)
        for entry in self.state.glob("settings-*.new"):
            if lock.excludes(self.part, entry.name.removeprefix("settings-").rpartition("-")[0]):
                entry.unlink(missing_ok=True)


def kept_scores(name: str, model: str = "") -> str:
    """Where the scores of an input are kept, relative to the folder; ``model`` where there are several."""
    return f"{STATE}/scores/{name}{_dotted(model)}.npz"


def kept_events(name: str) -> str:
    """Where the events of an input lie for the table of all, when no result is exactly that."""
    return f"{STATE}/events/{name}.events.csv"


def result(name: str, suffix: str, model: str = "") -> str:
    """Where a result of an input lies, relative to the folder; a suffix that names the model does so once."""
    return f"{name}{'' if suffix.startswith(f'.{model}.') else _dotted(model)}{suffix}"


def _dotted(model: str) -> str:
    return f".{model}" if model else ""


def is_inside(name: str) -> bool:
    """Whether results filed under ``name`` stay in the folder: no ``..``, not absolute, not in
    ``.sonoscope``.
    """
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and parts[0] != STATE


def move(tmp: Path, out: Path, moves: Iterable[tuple[str, str]]) -> None:
    """Move finished files from ``tmp`` to their places below ``out``, making folders on the way."""
    for name, place in moves:
        try:
            (tmp / name).replace(out / place)
        except FileNotFoundError:
            (out / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp / name).replace(out / place)


def remove(out: Path, places: Iterable[str]) -> None:
    """Remove results, and folders that are empty without them; what cannot be removed stays."""
    for place in places:
        with contextlib.suppress(OSError):
            (out / place).unlink()
        for parent in PurePosixPath(place).parents:
            if str(parent) in (".", STATE):
                break
            try:
                (out / parent).rmdir()
            except OSError:
                break


def dated(out: str) -> str:
    """``out`` with ``{time}`` replaced by the local time, ``20250131T235959``."""
    return out.replace("{time}", time.strftime("%Y%m%dT%H%M%S"))


def _refusal(out: Path, found: dict[str, Any] | None, wanted: dict[str, Any]) -> str:
    """Why the analysis in the folder is not the one wanted, or an empty text."""
    if found is None:
        return ""
    changes = differences(found, wanted)
    if not changes:
        return ""
    return (
        f"{out} holds an analysis with other settings: {'; '.join(changes)}. Name another folder with -o "
        "({time} in its name makes a new one each time), or --overwrite to begin anew in this one"
    )


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """What differs between two analysis settings, each as ``hop: 0.5 -> 1.0``."""
    changes = []
    if found.get("state") != wanted["state"]:
        changes.append(f"version of the folder: {found.get('state')} -> {wanted['state']}")
    old, new = set(found.get("inputs", [])), set(wanted["inputs"])
    lists = [
        f"{sign}{name}" for sign, names in (("-", old - new), ("+", new - old)) for name in sorted(names)
    ]
    if lists:
        more = f" and {len(lists) - SHOWN} more" if len(lists) > SHOWN else ""
        changes.append(f"inputs: {', '.join(lists[:SHOWN])}{more}")
    if found.get("channel") != wanted["channel"]:
        changes.append(f"channel: {found.get('channel') or 'all'} -> {wanted['channel'] or 'all'}")
    models, wished = found.get("models", {}), wanted["models"]
    if set(models) != set(wished):
        changes.append(f"model: {','.join(models)} -> {','.join(wished)}")
    for name in sorted(set(models) & set(wished)):
        of = f" of {name}" if len(wished) > 1 else ""
        before, after = models[name], wished[name]
        if before.get("hop_s") != after["hop_s"]:
            changes.append(f"hop{of}: {before.get('hop_s')} -> {after['hop_s']}")
        if before.get("tuning") != after.get("tuning"):
            changes.append(f"tuning{of}: {before.get('tuning')} -> {after.get('tuning')}")
        if any(before.get(key) != after[key] for key in ("version", "sha256", "input")):
            was, now = (f"{m.get('version')} ({str(m.get('sha256'))[:12]})" for m in (before, after))
            changes.append(f"model {name}: {was} -> {now}")
    return changes
