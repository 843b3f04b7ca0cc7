"""What is to be cut from which recording, settled before any work: labels known, nothing cut twice, names unique."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from sonoscope.data import paths
from sonoscope.data.extract.marked import BadSpec, raise_all
from sonoscope.data.extract.media import Found, Media, identity
from sonoscope.data.extract.spec import Entry, Range, Spec
from sonoscope.data.labelmap import Names
from sonoscope.errors import nearest

#: The folder of clips in which none of the labels sounds.
BACKGROUND = "background"
#: Most bytes of a clip's name that are taken from its recording's, and that its labels get: disks allow 255 in all.
LONGEST_NAME, LONGEST_TAGS = 100, 120

_BRACKETS = str.maketrans("[]/\\", "()__")
_REFUSED = re.compile(r'[<>:"|?*\x00-\x1f]+')


@dataclass(frozen=True, slots=True)
class Part:
    """One range of a recording: its labels (ids, the main one first), and the texts of its entry."""

    range: Range
    labels: tuple[str, ...]
    texts: Mapping[str, str]
    url: str = ""

    def to_json(self) -> list[Any]:
        """All that decides what its clips and rows are."""
        texts = {key: text for key, text in self.texts.items() if text}
        return [self.range.start_s, self.range.end_s, list(self.labels), texts, self.url]


@dataclass(frozen=True, slots=True)
class Source:
    """A recording and its parts in order of time.

    Attributes
    ----------
    key : str
        How the specification names it first (a portable path, or an address).
    name : str
        What its clips are called after it; unique.
    path : Path or None
        Where it is; None: nowhere, for the reason and with the remedy in ``problem``.
    """

    key: str
    name: str
    path: Path | None
    problem: tuple[str, str] | None
    parts: tuple[Part, ...]

    @property
    def group(self) -> str:
        """What no split may cut: what the entry says, else the recording."""
        return self.parts[0].texts["group"] or self.key

    def to_json(self) -> list[Any]:
        """All that decides what its clips and rows are, but for settings."""
        return [part.to_json() for part in self.parts]

    def failed(self, problem: tuple[str, str]) -> Source:
        """The same, known to be nowhere."""
        return replace(self, path=None, problem=problem)


def settle(spec: Spec, media: Media, names: Names, known: Mapping[str, str]) -> tuple[Source, ...]:
    """The recordings of a specification, in its order.

    Parameters
    ----------
    spec : Spec
    media : Media
    names : Names
        The label map; without one, every label is an id.
    known : mapping of str to str
        Names that recordings have from an earlier run, by key.

    Raises
    ------
    BadSpec
        If a label is not in the map, ranges overlap, or a folder comes with ranges: names line and remedy.
    """
    keys: dict[str, str] = {}
    places: dict[str, Found] = {}
    parts: dict[str, list[Part]] = {}
    for entry, labels in zip(spec.entries, _all_ids(spec, names), strict=True):
        found = media.locate(entry)
        if len(found) > 1 and entry.ranges:
            raise spec.fail(
                entry.ranges[0].line, f"{entry.file!r} is a folder: ranges are for one recording. Write []."
            )
        for each in found:
            identity_ = os.path.realpath(each.path) if each.path else paths.same_name(each.name)
            key = keys.setdefault(identity_, each.name)
            _check_address(spec, entry, each, places.setdefault(key, each))
            ranges = entry.ranges or (Range(0.0, None, entry.line),)
            parts.setdefault(key, []).extend(
                Part(range_, labels, entry.texts, entry.url) for range_ in ranges
            )
    stems = _stems(places, known)
    sources = []
    for key, of_one in parts.items():
        of_one.sort(key=lambda part: part.range.start_s)
        _check_overlap(spec, key, of_one)
        _check_group(spec, key, of_one)
        place = places[key]
        sources.append(Source(key, stems[key], place.path, place.problem, tuple(of_one)))
    return tuple(sources)


def _all_ids(spec: Spec, names: Names) -> list[tuple[str, ...]]:
    """The labels of each entry as ids; all lines with a label that is unknown are told at once."""
    found: list[tuple[str, ...]] = []
    errors: list[BadSpec] = []
    for entry in spec.entries:
        try:
            found.append(_ids(spec, entry, names))
        except BadSpec as error:
            errors.append(error)
    raise_all(errors)
    return found


def _ids(spec: Spec, entry: Entry, names: Names) -> tuple[str, ...]:
    if not names.labels:
        return entry.labels
    ids: list[str] = []
    for label, line in zip(entry.labels, entry.label_lines, strict=True):
        found = names.find(label)
        if found is None:
            hint = nearest(label, names.ids)
            raise spec.fail(
                line, f"the label {label!r} is not in the label map.{hint} Correct it, or add it to the map."
            )
        if found in ids:
            raise spec.fail(line, f"the label {label!r} is {found!r}, which is there already. Remove one.")
        ids.append(found)
    return tuple(ids)


def _check_address(spec: Spec, entry: Entry, found: Found, first: Found) -> None:
    """Two addresses must not be taken for one recording because a file's name fits both."""
    if not entry.file and "://" in first.name and first.name != found.name:
        if identity(first.name) == identity(found.name) and not Path(identity(found.name)).suffix:
            return
        raise spec.fail(
            entry.line, f"{found.name} and {first.name} fit the same file, {first.path}. Name it as 'file'."
        )


def _check_overlap(spec: Spec, key: str, parts: Sequence[Part]) -> None:
    for one, other in pairwise(parts):
        if one.range.end_s is None or other.range.start_s < one.range.end_s:
            line, where = max(one.range.line, other.range.line), min(one.range.line, other.range.line)
            later, earlier = (one, other) if one.range.line > other.range.line else (other, one)
            raise spec.fail(
                line,
                f"{key}: {later.range} overlaps {earlier.range} of line {where}. "
                "Name a stretch once, with all labels that sound in it.",
            )


def _check_group(spec: Spec, key: str, parts: Sequence[Part]) -> None:
    for part in parts:
        if part.texts["group"] != parts[0].texts["group"]:
            raise spec.fail(
                part.range.line,
                f"{key} has two groups, {parts[0].texts['group']!r} and {part.texts['group']!r}: parts of one "
                "recording must not come apart. Write the same one in both entries.",
            )


def _stems(places: Mapping[str, Found], known: Mapping[str, str]) -> dict[str, str]:
    """What clips are called after each recording: its file's name, with a number where that is taken."""
    taken = {paths.same_name_anywhere(name) for name in known.values()}
    found: dict[str, str] = {}
    for key, place in places.items():
        if key in known:
            found[key] = known[key]
            continue
        if "://" in key:
            stem = identity(key)
            stem = Path(stem).stem if Path(stem).suffix else stem
        else:
            stem = Path(place.name.rpartition("/")[2]).stem
        plain = name = file_name(stem)
        number = 2
        while paths.same_name_anywhere(name) in taken:
            name, number = f"{plain}-{number}", number + 1
        taken.add(paths.same_name_anywhere(name))
        found[key] = name
    return found


def file_name(text: str) -> str:
    """A text as part of a file's name on every system, without the brackets in which labels stand.

    >>> file_name("Suona [abc]: live?"), file_name("con")
    ('Suona (abc)_ live_', 'con_')
    """
    text = _REFUSED.sub("_", paths.same_name(text).translate(_BRACKETS))
    text = text.encode()[:LONGEST_NAME].decode(errors="ignore").strip(". ")
    return f"{text}_" if not text or paths.unportable(text) else text


def prefix(part: Part, names: Names) -> str:
    """What the clips of a part are called before the recording's name: ``vio/[vio][pia]``.

    Labels stand by their code where the map has one, as in IRMAS, else by their id; those for which there is no room
    are in the manifest only.
    """
    codes = {label.id: label.code for label in names.labels}
    tags = [file_name(codes.get(label) or label) for label in part.labels]
    shown = ""
    for tag in tags:
        if shown and len(f"{shown}[{tag}]".encode()) > LONGEST_TAGS:
            break
        shown += f"[{tag}]"
    return f"{tags[0] if tags else BACKGROUND}/{shown}"
