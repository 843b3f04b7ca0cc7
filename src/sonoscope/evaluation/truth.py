"""What is so: DATA in the words of every command, as labels of clips.

DATA is a data set, a manifest or a folder (:mod:`sonoscope.data.sources`). A folder that is none of these, of
recordings whose labels are in their names or beside them, is read by one of ``RULES``:

============  =======================================================================================================
``folder``    the folder that a recording lies in is called like its labels (``violin,piano/a.wav``)
``brackets``  labels stand in brackets in the name, IRMAS's training clips: ``008__[cel][nod][cla]0058__1.wav``
``text``      a text of the same name holds a label a line, as IRMAS's test excerpts and Lumen's: ``a.wav``, ``a.txt``
``events``    a table of events lies beside it (Raven, Audacity, JAMS …): a label is there if any event has it
``name``      the name begins with the label: ``violin_03.wav``, ``violin-3.wav``, ``violin (3).wav``
============  =======================================================================================================

``auto`` takes ``events``, ``text``, ``brackets`` or ``folder``, whichever fits every recording, in this order; ``name``
must be asked for, since every name begins with something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from sonoscope import labels as label_sets
from sonoscope.audio.find import Unlisted, find
from sonoscope.data import sources
from sonoscope.data.datasets import annotated
from sonoscope.data.datasets import folder as folders
from sonoscope.data.rows import BadManifest, Manifest, Row
from sonoscope.data.table import decoded
from sonoscope.errors import UsageError, lookup, one_of

#: Columns of a manifest by which a report shows its figures, where they hold more than one value.
PARTS = ("split", "source", "site", "recorder")
AUTO = "auto"

_BRACKETS = re.compile(r"\[([^\[\]]+)\]")
_NAME = re.compile(r"[^\W\d_]+(?:_[^\W\d_]+)*")
_LABEL_LINE = re.compile(r"[^\d\s][^\t,;]*")


@dataclass(frozen=True, eq=False)
class Truth:
    """Clips and what sounds in them.

    Attributes
    ----------
    manifest : Manifest
        A row for each clip.
    labels : tuple of str, length c
    sounds : np.ndarray, shape (n, c), float32, 0 or 1
    known : np.ndarray, shape (n, c), bool
    names : tuple of str, length n
        Path, with ``@start`` where a file has several clips.
    groups : tuple of str, length n
        What resampling draws together: the group, or the file where a row has none.
    parts : mapping of str to tuple of str
        Columns of :data:`PARTS` that any row fills.
    """

    manifest: Manifest
    labels: tuple[str, ...]
    sounds: np.ndarray
    known: np.ndarray
    names: tuple[str, ...]
    groups: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]

    def take(self, rows: np.ndarray) -> Truth:
        """Some of the clips."""

        def of(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(values[i] for i in rows)

        kept = replace(self.manifest, rows=tuple(self.manifest.rows[i] for i in rows))
        parts = {name: of(values) for name, values in self.parts.items()}
        return Truth(
            kept, self.labels, self.sounds[rows], self.known[rows], of(self.names), of(self.groups), parts
        )


def of(manifest: Manifest, labels: Iterable[str] | None = None) -> Truth:
    """The clips of a manifest, for its labels or some of them.

    Raises
    ------
    UsageError
        If there is no clip, no label, or a label that the manifest does not have.
    """
    known_labels = manifest.labels()
    columns = tuple(known_labels if labels is None else labels)
    if not manifest.rows or not columns:
        raise UsageError(
            f"nothing to judge: {len(manifest.rows)} clips and {len(columns)} labels. Name labelled recordings"
        )
    for label in columns:
        one_of(known_labels, label, "label of the data")
    sounds, known = manifest.targets(columns)
    rows = manifest.rows
    filled = {name: tuple(getattr(row, name) for row in rows) for name in PARTS}
    return Truth(
        manifest, columns, sounds, known,
        names=names_of(rows),
        groups=tuple(row.group or row.path for row in rows),
        parts={name: values for name, values in filled.items() if any(values)},
    )  # fmt: skip


def names_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """What clips are called: their paths, with the start in seconds where a file has several."""
    several = len({row.path for row in rows}) < len(rows)
    return tuple(f"{row.path}@{row.start_s:g}" if several else row.path for row in rows)


def load(data: str, *, rule: str = AUTO, split: str = "") -> tuple[Manifest, str]:
    """DATA as a manifest, and where its labels come from, in words.

    Parameters
    ----------
    data : str
        The grammar of :mod:`sonoscope.data.sources`.
    rule : str
        For a folder without a manifest: one of ``RULES``, or ``auto``.
    split : str
        Only rows of this split, or of several (``A,B``).

    Raises
    ------
    UsageError
        If DATA or the split does not exist, or no rule fits.
    """
    source = sources.parse(data)
    place = Path(source.path)
    stated = (place / sources.OWN_MANIFEST).is_file() or sources.sets_in(place)
    if not source.type and place.is_dir() and not stated:
        found, told = _by_rule(place, rule)
    elif rule != AUTO:
        raise UsageError(f"rule={rule!r} is for a folder without a manifest; {data} says its labels itself")
    else:
        found, told = sources.load(data), source.type or "manifest"
    if split:
        wanted, there = split.split(","), {row.split for row in found.rows if row.split}
        if missing := [name for name in wanted if name not in there]:
            known = ", ".join(sorted(there)) or "none"
            raise UsageError(f"{data} has no clip of the split {missing[0]!r}. Splits: {known}.")
        found = replace(found, rows=tuple(row for row in found.rows if row.split in wanted))
    return found, told


def _by_rule(folder: Path, rule: str) -> tuple[Manifest, str]:
    if rule != AUTO:
        return _manifest(folder, lookup(RULES, rule, "rule for labels")(folder)), f"rule {rule}"
    reasons = []
    for name in ("events", "text", "brackets", "folder"):
        try:
            return _manifest(folder, RULES[name](folder)), f"rule {name}"
        except BadManifest as error:
            reasons.append(f"{name}: {str(error).partition('. ')[0]}")
    raise UsageError(
        f"{folder}: no rule says what sounds in every recording. {'; '.join(reasons)}. "
        "Name one (name, too), or write a manifest: sonoscope data manifest"
    )


def _manifest(folder: Path, rows: Iterable[Row]) -> Manifest:
    held = tuple(rows)
    if not held:
        raise BadManifest(f"{folder}: no recording in it")
    return Manifest(held, folder.absolute())


def _recordings(folder: Path) -> Iterator[str]:
    """Paths of recordings relative to the folder."""
    for found in find([str(folder)]):
        if not isinstance(found, Unlisted) and found.member is None:
            yield found.name


def _brackets(folder: Path) -> Iterator[Row]:
    """Codes of instruments in brackets count, if any of them is one; else the first bracket is the label."""
    names = [(path, _BRACKETS.findall(PurePosixPath(path).name)) for path in _recordings(folder)]
    codes = label_sets.index(label_sets.IRMAS)
    for path, tags in names:
        if not tags:
            raise BadManifest(
                f"{folder / path}: no label in brackets. Name it like [cel]01.wav, or use another rule."
            )
        # Further tags are genres and drums, and one genre, cla, is spelt like the clarinet: the first is the label.
        label = label_sets.IRMAS[codes[tags[0]]].id if tags[0] in codes else tags[0]
        yield Row(path, labels=(label,), group=_stem(path), source="brackets")


def _text(folder: Path) -> Iterator[Row]:
    codes = label_sets.index(label_sets.IRMAS)
    for path in _recordings(folder):
        beside = (folder / path).with_suffix(".txt")
        if not beside.is_file():
            raise BadManifest(
                f"{folder / path}: no {beside.name} beside it. Write a label a line, or use another rule."
            )
        lines = [line.strip() for line in decoded(beside).splitlines()]
        for number, line in enumerate(lines, start=1):
            if line and not _LABEL_LINE.fullmatch(line):
                raise BadManifest(
                    f"{beside}, line {number}: {line!r} is no label alone. Write a label a line."
                )
        found = (label_sets.IRMAS[codes[line]].id if line in codes else line for line in lines if line)
        yield Row(path, labels=tuple(dict.fromkeys(found)), group=_stem(path), source="text")


def _name(folder: Path) -> Iterator[Row]:
    for path in _recordings(folder):
        stem = PurePosixPath(path).stem
        found = _NAME.match(stem)
        if found is None:
            raise BadManifest(f"{folder / path}: the name begins with no label. Name it like violin_03.wav.")
        yield Row(path, labels=(found[0],), group=stem, source="name")


def _folder(folder: Path) -> Iterator[Row]:
    return folders.rows(folder.absolute())


def _events(folder: Path) -> Iterator[Row]:
    return annotated.rows(folder.absolute())


def _stem(path: str) -> str:
    """The recording that a clip was cut from, as its name says: what is left without the last number."""
    return re.sub(r"[-_]+\d+$", "", PurePosixPath(path).stem)


RULES: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    "folder": _folder,
    "brackets": _brackets,
    "text": _text,
    "events": _events,
    "name": _name,
}
