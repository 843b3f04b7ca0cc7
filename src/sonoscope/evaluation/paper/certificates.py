"""The leak certificate of an evaluation: what models learnt from, or thresholds were fitted on, and is judged too.

Rows are the same clip by path, start and length, and share a group by its name, as certificates of splits have it
(:mod:`sonoscope.data.certificate`): the manifest of a training, its parts ``train`` and ``val``, and what is judged as
``test``. Nobody listens here for recordings that sound the same under other names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sonoscope.data import certificate, manifest
from sonoscope.data.certificate import Certificate
from sonoscope.data.rows import Manifest, Row
from sonoscope.evaluation.paper.subjects import MANIFEST, Subject

#: Parts of a training, as its manifest calls them, and what is judged.
LEARNT, JUDGED = ("train", "val"), "test"


@dataclass(frozen=True)
class Leaks:
    """What was found out about one model, or about thresholds: ``certificate`` is None where nobody can know."""

    about: str
    told: str
    certificate: Certificate | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "about": self.about,
            "told": self.told,
            "certificate": None if self.certificate is None else self.certificate.to_dict(),
        }


def of(
    subjects: Sequence[Subject], judged: Manifest, stated: Mapping[str, str], beside: Certificate | None
) -> list[Leaks]:
    """What is known of each model, of thresholds (``stated``), and of the split that was judged (``beside``)."""
    found = []
    if beside is not None:
        part = beside.covers(judged)
        about = "the split of the data" if part in (None, "all") else f"the split of the data, part {part}"
        found.append(Leaks(about, beside.line, beside))
    for name, line in stated.items():
        found.append(Leaks(name, line))
    return [*found, *(each for subject in subjects for each in _of_subject(subject, judged))]


def _of_subject(subject: Subject, judged: Manifest) -> list[Leaks]:
    """Of a model for each part, each is compared with its own part."""
    if not subject.parts:
        return [_of_model(subject, judged)]
    found = []
    for value, part in subject.parts.items():
        rows = tuple(row for row in judged.rows if getattr(row, subject.column) == value)
        if rows:
            leaks = _of_model(part, replace(judged, rows=rows))
            found.append(replace(leaks, about=f"{subject.name}, {subject.column} {value}"))
    return found


def _of_model(subject: Subject, judged: Manifest) -> Leaks:
    if subject.run is None:
        told = "what it learnt from is not known here: no manifest of its training lies beside it"
        if subject.spec.get("training_data"):
            told += "; its card says what it learnt from"
        return Leaks(subject.name, told)
    held = manifest.read(subject.run / MANIFEST)
    learnt = tuple(row for row in held.rows if row.split in LEARNT)
    rows = (*map(_bare, learnt), *(_bare(replace(row, split=JUDGED)) for row in judged.rows))
    seconds = [row.duration_s or 0.0 for row in rows]
    made = certificate.certify(Manifest(rows, judged.root), by=("group",), seconds=seconds)
    what = f"{len(learnt):,} clips that it learnt from or was chosen on, {len(judged.rows):,} that are judged"
    return Leaks(subject.name, f"{what}; {made.line}", made)


def _bare(row: Row) -> Row:
    """What a certificate of two manifests compares: columns that only one of them has say nothing."""
    return Row(row.path, row.start_s, row.duration_s, row.labels, group=row.group, split=row.split)


def _parts(made: Certificate) -> str:
    """Its table where lengths are stated; else a line for each part, and what is shared."""
    if any(part.seconds for part in made.parts):
        return made.text()
    lines = [f"{part.name}: {part.rows:,} rows, {part.groups:,} groups" for part in made.parts]
    return "\n".join([*lines, *made.shared]) + "\n"


def text(found: Sequence[Leaks]) -> str:
    """For people."""
    parts = [
        f"{each.about}\n{'-' * len(each.about)}\n{each.told}\n"
        + ("" if each.certificate is None else f"\n{_parts(each.certificate)}")
        for each in found
    ]
    return "\n".join(parts)
