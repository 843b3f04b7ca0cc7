"""The leak certificate: what the parts of a split have in common, counted, and bound to that split.

    no group, file, known duplicate or near-duplicate is in two parts

is what a figure measured on the test part needs in order to mean something. A certificate says whether it is so, by
which columns, whether anybody listened, and what each part holds. It lies beside its manifest (``m.csv`` has
``m.split.json``) and carries a digest of the split: of the files, times, groups and parts of all rows, and of each
part alone. A report that measures a manifest, or one part of it, can therefore tell whether the certificate is about
what it measures; one carried over from another split is refused. Labels are not in the digest, so that correcting
them does not undo a split.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from sonoscope.data import duplicates, lengths, paths, table, units
from sonoscope.data.duplicates import Pair
from sonoscope.data.rows import BadManifest, Manifest, Row
from sonoscope.values import columns, format_seconds

SCHEMA = "1"
#: Examples of what is shared that a certificate names.
NAMED = 20


@dataclass(frozen=True)
class Part:
    """What one part holds; ``labels`` has rows and seconds of each label. Rows without split are in none."""

    name: str
    rows: int
    groups: int
    files: int
    seconds: float
    labels: Mapping[str, tuple[int, float]]
    digest: str


@dataclass(frozen=True)
class Certificate:
    """What the parts of a split share.

    Attributes
    ----------
    digest : str
        Of the split that this is about.
    by : tuple of str
        The columns whose values count as groups.
    parts : tuple of Part
    groups_shared, files_shared : int
        Values of those columns, and files, that are in more than one part.
    known_duplicates : int
        Pieces with versions in more than one part.
    near_duplicates : int, optional
        Pairs of rows in different parts that sound the same; None: nobody listened.
    unheard : int
        Rows that could not be decoded, so that nobody knows what they sound like.
    shared : tuple of str
        Some of what is shared, in words.
    how : mapping
        How the split was made (seed, shares …); whatever the maker states.
    """

    digest: str
    by: tuple[str, ...]
    parts: tuple[Part, ...]
    groups_shared: int
    files_shared: int
    known_duplicates: int
    near_duplicates: int | None
    unheard: int = 0
    shared: tuple[str, ...] = ()
    how: Mapping[str, Any] = field(default_factory=dict)

    @property
    def leaks(self) -> int:
        """Everything that is in two parts, counted."""
        found = self.groups_shared, self.files_shared, self.known_duplicates, self.near_duplicates or 0
        return sum(found)

    @property
    def is_clean(self) -> bool:
        """Nothing is shared, and every row was listened to."""
        return not self.leaks and self.near_duplicates is not None and not self.unheard

    @property
    def line(self) -> str:
        """The certificate in one line, for reports."""
        near = "not looked for" if self.near_duplicates is None else f"{self.near_duplicates:,}"
        unheard = f" ({self.unheard:,} rows could not be heard)" if self.unheard else ""
        return (
            f"groups shared: {self.groups_shared:,}, files shared: {self.files_shared:,}, "
            f"known duplicates: {self.known_duplicates:,}, near-duplicates: {near}{unheard}"
        )

    def covers(self, manifest: Manifest) -> str | None:
        """What this is about: ``"all"`` for the whole split, the name of a part for its rows alone, else None."""
        digest = digest_of(manifest.rows)
        if digest == self.digest:
            return "all"
        return next((part.name for part in self.parts if part.digest == digest), None)

    def to_dict(self) -> dict[str, Any]:
        """As ``split.json`` has it."""
        return {"schema": SCHEMA, **asdict(self), "leaks": self.leaks, "is_clean": self.is_clean}

    def text(self) -> str:
        """For people: a table of the parts, a line of what they share, and examples."""
        return _text(self)


def digest_of(rows: Sequence[Row]) -> str:
    """``sha256:…`` of which part of which file is in which part of the split, and in which group, in any order.

    Folders that all files have in common do not count, so a manifest may move.
    """
    names = [row.path.split("/") for row in rows]
    common = 0
    if names:
        least, most = min(names), max(names)
        limit = min(len(name) for name in names) - 1
        while common < limit and least[common] == most[common]:
            common += 1
    lines = sorted(
        "\t".join(
            (
                paths.same_name("/".join(name[common:])),
                format_seconds(row.start_s),
                format_seconds(row.duration_s),
                row.group,
                row.split,
            )
        )
        for name, row in zip(names, rows, strict=True)
    )
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def certify(
    manifest: Manifest,
    *,
    by: Sequence[str] = units.BY,
    pairs: Sequence[Pair] | None = None,
    unheard: int = 0,
    seconds: Sequence[float] | None = None,
    how: Mapping[str, Any] | None = None,
) -> Certificate:
    """Count what the parts of a split share.

    Parameters
    ----------
    manifest : Manifest
        With a split in some rows; rows without are in no part.
    by : sequence of str
        Columns whose values are groups.
    pairs : sequence of Pair, optional
        What sounds the same (:func:`sonoscope.data.duplicates.find`); None: nobody listened.
    unheard : int
        How many rows could not be decoded then.
    seconds : sequence of float, optional
        The seconds of each row; default: stated, or counted.

    Raises
    ------
    UnknownName
        If there is no such column.
    """
    rows = manifest.rows
    lasting = lengths.seconds(manifest) if seconds is None else seconds
    shared: dict[str, list[str]] = {"group": [], "file": [], "known": [], "near": []}
    for name in by:
        held = [units.belongings(name, cell) for cell in units.column(manifest, name)]
        for value, inside in _by_value(held, rows):
            shared["group"].append(f"{name} {value} is in {inside}")
    for path, inside in _by_value([[row.path] for row in rows], rows):
        shared["file"].append(f"the file {path} is in {inside}")
    for places in duplicates.known(manifest):
        parts = {rows[place].split for place in places} - {""}
        if len(parts) > 1:
            files = sorted({rows[place].path for place in places})
            shared["known"].append(f"versions of one piece, {', '.join(files)}, are in {_and(parts)}")
    for pair in pairs or ():
        one, two = rows[pair.first], rows[pair.second]
        if one.split and two.split and one.split != two.split:
            shared["near"].append(
                f"{one.path} ({one.split}) and {two.path} ({two.split}) sound the same: similarity "
                f"{pair.similarity:.2f} over {pair.shared_s:.1f} s"
            )
    return Certificate(
        digest=digest_of(rows),
        by=tuple(by),
        parts=_parts(manifest, by, lasting),
        groups_shared=len(shared["group"]),
        files_shared=len(shared["file"]),
        known_duplicates=len(shared["known"]),
        near_duplicates=None if pairs is None else len(shared["near"]),
        unheard=unheard,
        shared=tuple(text for found in shared.values() for text in found[:NAMED]),
        how=dict(how or {}),
    )


def _by_value(values: Sequence[Sequence[str]], rows: Sequence[Row]) -> list[tuple[str, str]]:
    """The values that are in several parts, and those parts in words."""
    inside: dict[str, set[str]] = {}
    for of_row, row in zip(values, rows, strict=True):
        for value in of_row if row.split else ():
            inside.setdefault(value, set()).add(row.split)
    return [(value, _and(parts)) for value, parts in sorted(inside.items()) if len(parts) > 1]


def _and(parts: set[str]) -> str:
    *others, last = sorted(parts)
    return f"{', '.join(others)} and {last}"


def _parts(manifest: Manifest, by: Sequence[str], seconds: Sequence[float]) -> tuple[Part, ...]:
    """What each part holds, in the usual order of names."""
    found = units.units(manifest, by=by)
    usual = {"train": 0, "val": 1, "test": 2}
    names = sorted(
        {row.split for row in manifest.rows if row.split}, key=lambda n: (usual.get(n, 3), len(n), n)
    )
    parts = []
    for name in names:
        places = [place for place, row in enumerate(manifest.rows) if row.split == name]
        labels: dict[str, tuple[int, float]] = {}
        for place in places:
            for label in manifest.rows[place].labels:
                count, lasting = labels.get(label, (0, 0.0))
                labels[label] = count + 1, lasting + seconds[place]
        parts.append(
            Part(
                name=name,
                rows=len(places),
                groups=len({int(found.of[place]) for place in places}),
                files=len({manifest.rows[place].path for place in places}),
                seconds=round(sum(seconds[place] for place in places), 3),
                labels={label: (n, round(s, 3)) for label, (n, s) in sorted(labels.items())},
                digest=digest_of([manifest.rows[place] for place in places]),
            )
        )
    return tuple(parts)


def _text(certificate: Certificate) -> str:
    total = sum(part.seconds for part in certificate.parts) or 1.0
    labels = sorted({label for part in certificate.parts for label in part.labels})
    header = ["", *(part.name for part in certificate.parts)]
    lines = [
        header,
        ["rows", *(f"{part.rows:,}" for part in certificate.parts)],
        ["groups", *(f"{part.groups:,}" for part in certificate.parts)],
        ["seconds", *(f"{part.seconds:,.0f}" for part in certificate.parts)],
        ["share", *(f"{part.seconds / total:.1%}" for part in certificate.parts)],
        *(
            [label, *(_seconds(part.labels.get(label)) for part in certificate.parts)]
            for label in labels
        ),
    ]  # fmt: skip
    shown = columns(lines, right=range(1, len(header)))
    told = [f"  {text}" for text in certificate.shared[:NAMED]]
    return "\n".join([*shown, "", certificate.line, *told]) + "\n"


def _seconds(held: tuple[int, float] | None) -> str:
    return "-" if held is None else f"{held[1]:,.0f} s"


# ---- on disk -----------------------------------------------------------------------------------------------


def beside(manifest: str | Path) -> Path:
    """Where the certificate of a manifest is: ``m.csv`` has ``m.split.json``."""
    return Path(manifest).with_suffix(".split.json")


def write(certificate: Certificate, path: str | Path) -> None:
    """Write a certificate as JSON, whole or not at all."""
    text = json.dumps(certificate.to_dict(), indent=1, ensure_ascii=False)
    table.put(Path(path), f"{text}\n".encode())


def read(path: str | Path) -> Certificate:
    """The certificate in a file.

    Raises
    ------
    BadManifest
        If it is missing, no certificate, or of a schema that this version does not know.
    """
    path = Path(path)
    if not path.is_file():
        raise BadManifest(
            f"{path}: there is no such certificate. `sonoscope data split MANIFEST --check` makes one."
        )
    try:
        content = json.loads(table.decoded(path))
        if str(content["schema"]).partition(".")[0] != SCHEMA:
            raise BadManifest(f"{path}: schema {content['schema']}, not {SCHEMA}. Update sonoscope.")
        stated = {each.name: content[each.name] for each in fields(Certificate)}
        stated["parts"] = tuple(
            Part(**{**part, "labels": {label: (n, s) for label, (n, s) in part["labels"].items()}})
            for part in stated["parts"]
        )
        stated["by"], stated["shared"] = tuple(stated["by"]), tuple(stated["shared"])
        return Certificate(**stated)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadManifest(
            f"{path}: not a certificate ({error}). Make it again: sonoscope data split --check"
        ) from None


def of(path: str | Path, manifest: Manifest) -> Certificate | None:
    """The certificate that lies beside the manifest file ``path``; None if there is none.

    ``manifest`` is what was read from it, or one part of that.

    Raises
    ------
    BadManifest
        If the certificate is damaged, or is about another split than ``manifest``.
    """
    file = beside(path)
    if not file.is_file():
        return None
    found = read(file)
    if found.covers(manifest) is None:
        raise BadManifest(
            f"{file} was made for another split than {path} holds now. "
            f"Make it again: sonoscope data split {path} --check"
        )
    return found
