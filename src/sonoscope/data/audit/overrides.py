"""Decisions about labels, in a file, and a manifest to which they were applied.

The page of an audit writes ``overrides.csv`` with the columns ``path, start_s, action, labels``:

===========  ===============================================================================================
``keep``     the row is right as it is
``relabel``  ``labels`` are what sounds, and nothing else that the row named
``add``      ``labels`` sound too
``drop``     ``labels`` do not sound
``unknown``  nobody can say whether ``labels`` sound
``remove``   the row is left out
===========  ===============================================================================================

A table without a column ``action`` is a labelling of any form that manifests have (one column for each label with 0
and 1, too): its rows replace what the rows of the same files said. Rows that a person decided about get the column
``reviewed``, and no later audit puts them up again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sonoscope.data import cells, table
from sonoscope.data import manifest as manifests
from sonoscope.data.audit.matching import Finder
from sonoscope.data.rows import BadManifest, Manifest, Row
from sonoscope.errors import nearest
from sonoscope.values import format_seconds

COLUMNS = ("path", "start_s", "action", "labels")
ACTIONS = ("keep", "relabel", "add", "drop", "unknown", "remove")
#: Actions that say nothing without labels (``relabel`` to none is "nothing of the map sounds").
NEEDS_LABELS = ("add", "drop", "unknown")
#: Column of a manifest: what a person decided about the row.
REVIEWED = "reviewed"


@dataclass(frozen=True)
class Override:
    """One decision; ``place`` says where it was read, for messages. ``start_s`` None: the file's only row."""

    path: str
    start_s: float | None
    action: str
    labels: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True)
class Applied:
    """The manifest afterwards; ``of`` gives for each of its rows the place in the one before.

    ``counts`` says how often each action was taken, ``changed`` how many rows say something else now, and
    ``new_labels`` which labels no row had before.
    """

    manifest: Manifest
    of: tuple[int, ...]
    counts: dict[str, int]
    changed: int
    new_labels: tuple[str, ...]


def read(path: str | Path) -> list[Override]:
    """Read decisions.

    Raises
    ------
    BadManifest
        If an action is unknown or lacks its labels; names file, line, column and value.
    """
    found = table.read(path)
    if "action" not in found.columns:
        return [
            Override(row.path, row.start_s, "relabel", row.labels, row.absent, row.unknown, str(path))
            for row in manifests.read(path, root=Path(path).parent).rows
        ]
    missing = [column for column in ("path", "labels") if column not in found.columns]
    if missing:
        raise BadManifest(f"{path}: lacks the column(s) {', '.join(missing)}. Columns: {', '.join(COLUMNS)}.")
    return [_override(line) for line in found.lines]


def _override(line: table.Line) -> Override:
    action = line.cells["action"].strip()
    if action not in ACTIONS:
        line.fail("action", f"is no action.{nearest(action, ACTIONS)}", f"Known: {', '.join(ACTIONS)}.")
    labels = cells.labels(line.cells["labels"])
    if action in NEEDS_LABELS and not labels:
        line.fail("labels", f"names none, and {action!r} needs them", "Fill it in, or remove the row.")
    start_s = cells.number(line, "start_s")
    if not line.cells["path"].strip():
        line.fail("path", "names no file", "Fill it in, or remove the row.")
    return Override(line.cells["path"].strip(), start_s, action, labels, place=line.place)


def write(overrides: Iterable[Override], path: str | Path) -> None:
    """Write decisions, whole or not at all."""
    rows = [
        (
            each.path,
            format_seconds(each.start_s),
            each.action,
            ";".join(each.labels),
        )
        for each in overrides
    ]
    table.write(path, COLUMNS, rows)


def apply(manifest: Manifest, overrides: Sequence[Override]) -> Applied:
    """The manifest with the decisions carried out; the other rows stay as they are.

    Raises
    ------
    BadManifest
        If a decision is about no row, or about one that has a decision, or names a label that is not in the map.
    """
    finder = Finder(manifest.rows)
    decided: dict[int, Override] = {}
    for each in overrides:
        _check_labels(each, manifest)
        place = finder.find(each.path, each.start_s)
        if isinstance(place, str):
            raise BadManifest(f"{each.place}: {place}. Give the manifest that was audited.")
        if place in decided:
            raise BadManifest(
                f"{each.place}: {each.path!r} is decided in {decided[place].place} already. Remove one of the two."
            )
        decided[place] = each
    before = set(manifest.labels())
    rows, of, changed = [], [], 0
    for place, row in enumerate(manifest.rows):
        override = decided.get(place)
        if override is None:
            rows.append(row)
        elif override.action == "remove":
            changed += 1
            continue
        else:
            done = _decided(row, override)
            changed += (set(done.labels), set(done.absent), set(done.unknown)) != (
                set(row.labels), set(row.absent), set(row.unknown),
            )  # fmt: skip
            rows.append(replace(done, extra={**row.extra, REVIEWED: override.action}))
        of.append(place)
    counts = Counter(each.action for each in overrides)
    cleaned = replace(manifest, rows=tuple(rows))
    new = tuple(label for label in cleaned.labels() if label not in before)
    return Applied(
        cleaned, tuple(of), {action: counts[action] for action in ACTIONS if counts[action]}, changed, new
    )


def _check_labels(override: Override, manifest: Manifest) -> None:
    known = manifest.label_map
    for label in (*override.labels, *override.absent):
        if known and label not in known:
            raise BadManifest(
                f"{override.place}: the label {label!r} is not in the label map.{nearest(label, known)} "
                "Correct it, or add it to the map."
            )


def _decided(row: Row, override: Override) -> Row:
    """The row after a decision; what it named and what is not said again is known not to sound."""
    named = override.labels
    if override.action == "relabel":
        gone = tuple(label for label in row.labels if label not in named)
        return _saying(
            row, named, (*row.absent, *gone, *override.absent), (*row.unknown, *override.unknown), first=named
        )
    if override.action == "add":
        return _saying(row, (*row.labels, *named), row.absent, row.unknown, first=named)
    if override.action == "drop":
        return _saying(row, row.labels, (*row.absent, *named), row.unknown, last=named)
    if override.action == "unknown":
        return _saying(row, row.labels, row.absent, (*row.unknown, *named), open_=named)
    return row


def _saying(
    row: Row,
    labels: Iterable[str],
    absent: Iterable[str],
    unknown: Iterable[str],
    *,
    first: Sequence[str] = (),
    last: Sequence[str] = (),
    open_: Sequence[str] = (),
) -> Row:
    """The row with three lists, in which ``first``, ``last`` and ``open_`` are in their own list only."""

    def only(names: Iterable[str], *elsewhere: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in names if not any(name in other for other in elsewhere)))

    labels, absent, unknown = (
        only(labels, last, open_),
        only(absent, first, open_),
        only(unknown, first, last),
    )
    return replace(
        row, labels=labels, absent=only(absent, labels), unknown=only(unknown, labels, only(absent, labels))
    )
