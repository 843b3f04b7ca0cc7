"""buzzdetect-training: annotated field recordings of insects, with its folds and its translation table.

A *set* is a folder with ``annotations.csv`` (``source, ident, start, end, label``), ``folds.csv`` (``source, ident,
fold, role``) and ``translations/<name>.csv`` (``from, to``). An ``ident`` is a recording's path below ``audio`` without
its suffix. The root is the repository's (the set is then ``02_set/sets/medium``, or another by name) or a folder that
holds all of it.

Translated, a label is a class, or one of two words: ``ignore`` (the event says nothing) and ``exclude`` (nothing that
overlaps it may be used). A label without a translation is an error. A row is a stretch of time in which the same
classes sound: annotations that overlap are united, time that carries an excluded or only an ignored label is left out,
and so is time that nobody annotated. The group (and the site) is the fold, a recorder at a site; the split is
its role: ``train``, ``rotate`` (held out in turn) or ``holdout``; folds to ``exclude`` are left out.

Layout and meaning after OSU-Bee-Lab/buzzdetect-training, README.md and 02_set/sets/lite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sonoscope.audio.find import SUFFIXES
from sonoscope.data import cells
from sonoscope.data.datasets.description import Dataset
from sonoscope.data.datasets.reading import filled, one_of, relative, table
from sonoscope.data.rows import BadManifest, Row
from sonoscope.errors import nearest

IGNORE, EXCLUDE = "ignore", "exclude"
ROLES = ("train", "rotate", "holdout", "exclude")


class _Span(NamedTuple):
    start_s: float
    end_s: float
    label: str


def rows(root: Path, *, name: str = "medium", translation: str = "general") -> Iterator[Row]:
    """Stretches of equal classes, by recording and time.

    Parameters
    ----------
    root : Path
    name : str
        The set, where the root is the whole repository.
    translation : str
        The table in ``translations`` without its suffix.
    """
    place = _set_folder(root, name)
    classes = _translation(root, place, translation)
    folds = _folds(place / "folds.csv")
    sounds = _Sounds(root / "audio")
    recordings: dict[str, list[_Span]] = {}
    first: dict[str, str] = {}
    for line in table(place / "annotations.csv", "ident", "start", "end", "label"):
        start_s, length_s = cells.span(line, "start", "", "end")
        if length_s is None:
            line.fail("end", "is empty", "Give the end in seconds, or remove the row.")
        label = line.cells["label"].strip()
        if label not in classes:
            remedy = f"Add it to translations/{translation}.csv (to: a class, '{IGNORE}' or '{EXCLUDE}')."
            line.fail("label", f"has no translation.{nearest(label, classes)}", remedy)
        ident = line.cells["ident"]
        first.setdefault(ident, line.place)
        recordings.setdefault(ident, []).append(_Span(start_s, round(start_s + length_s, 6), classes[label]))
    for ident, spans in sorted(recordings.items()):
        if ident not in folds:
            raise BadManifest(f"{first[ident]}: {ident!r} is in no fold. Add it to {place / 'folds.csv'}.")
        fold, role = folds[ident]
        if role == EXCLUDE:
            continue
        path = relative(root, sounds.of(ident, first[ident]))
        for start_s, end_s, labels in stretches(spans):
            yield Row(
                path=path,
                start_s=start_s,
                duration_s=round(end_s - start_s, 6),
                labels=labels,
                group=fold,
                split=role,
                source="buzzdetect-training",
                site=fold,
                annotation=relative(root, place / "annotations.csv"),
                extra=filled(role=role),
            )


def stretches(spans: Iterable[_Span]) -> Iterator[tuple[float, float, tuple[str, ...]]]:
    """Cut time at every start and end; start, end and classes of the stretches that may be used, united."""
    changes: dict[float, Counter[str]] = {}
    for start_s, end_s, label in spans:
        changes.setdefault(start_s, Counter())[label] += 1
        changes.setdefault(end_s, Counter())[label] -= 1
    sounding: Counter[str] = Counter()
    since: float = 0.0
    labels: tuple[str, ...] = ()
    for time_s in sorted(changes):
        sounding.update(changes[time_s])
        now = {label for label, count in sounding.items() if count}
        after = () if EXCLUDE in now else tuple(sorted(now - {IGNORE}))
        if after != labels:
            if labels:
                yield since, time_s, labels
            since, labels = time_s, after


def _set_folder(root: Path, name: str) -> Path:
    for place in (root, root / "02_set" / "sets" / name):
        if (place / "annotations.csv").is_file():
            return place
    sets = sorted(path.parent.name for path in root.glob("02_set/sets/*/annotations.csv"))
    hint = f" Its sets: {', '.join(sets)}.{nearest(name, sets)}" if sets else ""
    raise BadManifest(
        f"{root} holds neither annotations.csv nor 02_set/sets/{name}/annotations.csv.{hint} Give the folder of the "
        "set, or of the repository."
    )


def _translation(root: Path, place: Path, name: str) -> dict[str, str]:
    path = place / "translations" / f"{name}.csv"
    if not path.is_file() and (root / "translations" / f"{name}.csv").is_file():
        path = root / "translations" / f"{name}.csv"
    found: dict[str, str] = {}
    for line in table(path, "from", "to"):
        raw, to = line.cells["from"].strip(), line.cells["to"].strip()
        if not to:
            line.fail("to", "is empty", f"Give a class, '{IGNORE}' or '{EXCLUDE}'.")
        if found.setdefault(raw, to) != to:
            line.fail(
                "to", f"is not {found[raw]!r}, as {raw!r} was translated above", "Remove one of the two."
            )
    return found


def _folds(path: Path) -> dict[str, tuple[str, str]]:
    """Fold and role of each recording."""
    found: dict[str, tuple[str, str]] = {}
    roles: dict[str, str] = {}
    for line in table(path, "ident", "fold", "role"):
        fold, role = line.cells["fold"], one_of(line.cells["role"], ROLES, line.place, "role")
        if roles.setdefault(fold, role) != role:
            line.fail("role", f"is not {roles[fold]!r}, the role of the fold above", "Give a fold one role.")
        if found.setdefault(line.cells["ident"], (fold, role)) != (fold, role):
            line.fail("fold", "is a second fold of this recording", "Remove one of the two.")
    return found


class _Sounds:
    """The recordings below ``audio`` by their ident, whatever their suffix; a folder is listed once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listed: dict[Path, dict[str, list[Path]]] = {}

    def of(self, ident: str, told_by: str) -> Path:
        """The only recording of an ident. Raises ``BadManifest`` if there is none, or several."""
        stem = self._folder / ident
        if stem.parent not in self._listed:
            by_stem = self._listed[stem.parent] = {}
            for path in sorted(stem.parent.iterdir()) if stem.parent.is_dir() else ():
                if path.suffix.lower() in SUFFIXES:
                    by_stem.setdefault(path.stem, []).append(path)
        found = self._listed[stem.parent].get(stem.name, [])
        if len(found) != 1:
            what = f"is ambiguous: {', '.join(path.name for path in found)}" if found else "does not exist"
            raise BadManifest(
                f"{told_by}: the recording {stem}.* {what}. Put it there once, in any format of sound."
            )
        return found[0]


DATASET = Dataset(
    name="buzzdetect-training",
    title="buzzdetect-training",
    what="annotated day-long field recordings of insects, weather, animals and machines, in folds by recorder and site",
    licence="stated by its authors with the recordings",
    citation="OSU Bee Lab: buzzdetect-training. https://github.com/OSU-Bee-Lab/buzzdetect-training",
    url="https://github.com/OSU-Bee-Lab/buzzdetect-training",
    layout="audio/<ident>.*, and in ROOT or ROOT/02_set/sets/<set>: annotations.csv, folds.csv, translations/*.csv",
    source="OSU-Bee-Lab/buzzdetect-training: README.md, 02_set/sets/lite",
    protocol="One fold (recorder and site) held out in turn; sensitivity at a false-positive rate of 0.005.",
    rows=rows,
    splits=("train", "rotate", "holdout"),
    obtain="The annotations are in the repository OSU-Bee-Lab/buzzdetect-training; its recordings are not published "
    "with it: ask its authors, and put them into ROOT/audio.",
)
