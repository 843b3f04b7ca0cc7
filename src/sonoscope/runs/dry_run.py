"""What a run would do, without doing it: for ``--dry-run``."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, replace

from sonoscope.audio import stores
from sonoscope.audio.find import Unlisted
from sonoscope.errors import count
from sonoscope.runs import afar, folder, remarks
from sonoscope.runs.cores import default_workers
from sonoscope.runs.folder import Folder
from sonoscope.runs.job import Job, Task
from sonoscope.runs.journal import Journal
from sonoscope.runs.parts import inputs
from sonoscope.runs.setup import Setup, prepare
from sonoscope.runs.spec import RunSpec
from sonoscope.runs.standing import standing


@dataclass(frozen=True)
class Plan:
    """Counts of inputs by what would happen to them; ``size_bytes`` is of those that would be read.

    ``changes`` are the decision settings that are not those of the run before.
    ``str(plan)`` says it in a few lines.
    """

    out: str
    models: tuple[str, ...]
    formats: tuple[str, ...]
    workers: int
    analyse: int
    decide: int
    complete: int
    unreadable: int
    size_bytes: int
    changes: tuple[str, ...] = ()

    def __str__(self) -> str:
        total = self.analyse + self.decide + self.complete + self.unreadable
        because = f" ({'; '.join(self.changes)})" if self.decide and self.changes else ""
        lines = [
            f"{total:,} inputs into {self.out}",
            f"  {self.analyse:,} to analyse ({self.size_bytes / 1e6:,.1f} MB)",
            f"  {self.decide:,} to decide again from kept scores{because}",
            f"  {self.complete:,} complete",
            f"  {self.unreadable:,} that cannot be read",
            f"models: {', '.join(self.models)}; formats: {', '.join(self.formats)}",
            f"at most {count(self.workers, 'worker')}",
        ]
        return "\n".join(lines)


def plan(spec: RunSpec) -> Plan:
    """What :func:`sonoscope.runs.run` would do with ``spec``; nothing is written.

    Raises
    ------
    UsageError, UnknownName, BadBundle, RunRefused
        As the run itself would.
    """
    if stores.is_url(spec.out):
        mirror = afar.Mirror(folder.dated(spec.out), spec.shard)
        mirror.fetch()
        return replace(plan(replace(spec, out=str(mirror.folder))), out=mirror.url)
    setup = prepare(replace(spec, out=folder.dated(spec.out)))
    spec = setup.spec
    place = Folder(spec.out, spec.shard)
    place.check(setup.settings, overwrite=spec.overwrite)
    counts, size_bytes = _counts(setup, place)
    before = remarks.earlier(place.out)
    return Plan(
        out=spec.out,
        models=tuple(f"{bundle.name} {bundle.version}" for bundle in setup.bundles),
        formats=spec.formats,
        workers=spec.workers or default_workers(),
        analyse=counts["analyse"],
        decide=counts["decide"],
        complete=counts["complete"],
        unreadable=counts["unreadable"],
        size_bytes=size_bytes,
        changes=tuple(remarks.changes(before, setup.effective())) if before else (),
    )


def _counts(setup: Setup, place: Folder) -> tuple[Counter[str], int]:
    """How many inputs stand where, and the bytes that would be read."""
    task = Task.of(setup, place)
    counts: Counter[str] = Counter()
    size_bytes = 0
    with contextlib.closing(Journal(place.state, None)) as journal:
        for entry in inputs(setup.spec):
            if isinstance(entry, Unlisted) or not folder.is_inside(entry.name):
                counts["unreadable"] += 1
                continue
            left = standing(entry, task, journal)
            if isinstance(left, Job) and left.kept is None:
                counts["analyse"] += 1
                size_bytes += max(entry.size_bytes, 0)
            else:
                counts["decide" if isinstance(left, Job) else "complete"] += 1
    return counts, size_bytes
