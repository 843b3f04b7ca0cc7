"""A model for each part of the data: ``folds/{split}``, as a cross-validation or a left-out site leaves them.

Braces stand around a column of the manifest; each clip is heard by the model whose word has the clip's value there:
that of split A by ``folds/A``, which was trained without it. Models are those that are there, whatever kind they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sonoscope.data.rows import Manifest
from sonoscope.errors import UnknownName, UsageError
from sonoscope.evaluation.pooling import Windows
from sonoscope.evaluation.predictions import matching
from sonoscope.evaluation.predictions.windows import Asked, Source
from sonoscope.values import Label

#: Columns that a word may have in braces.
COLUMNS = ("split", "site", "source", "recorder", "group")
_BRACES = re.compile(r"\{(\w*)\}")


def column_of(word: str) -> str | None:
    """The column in braces; None where a word has none.

    Raises
    ------
    UnknownName
        If it is none of :data:`COLUMNS`.
    """
    found = set(_BRACES.findall(word))
    if not found or Path(word).exists():
        return None
    if len(found) > 1 or not found <= set(COLUMNS):
        raise UnknownName(f"{word}: braces stand around one column of the data: {', '.join(COLUMNS)}")
    return found.pop()


@dataclass(eq=False)
class PartedSource:
    """Scores of each clip by the source of its part.

    Attributes
    ----------
    column : str
    members : mapping of str to Source
        By the column's value; all have the same labels.
    """

    column: str
    members: Mapping[str, Source]
    name: str
    partial: bool = False
    _said: list[str] = field(default_factory=list)

    @property
    def labels(self) -> tuple[Label, ...]:
        return next(iter(self.members.values())).labels

    @property
    def own(self) -> Mapping[str, float]:
        """Thresholds that all members state alike."""
        first, *others = (member.own for member in self.members.values())
        return first if all(dict(each) == dict(first) for each in others) else {}

    @property
    def embeds(self) -> bool:
        """No: embeddings of different models cannot be compared."""
        return False

    @property
    def about(self) -> Mapping[str, Any]:
        """What it is."""
        members = {value: dict(member.about) for value, member in self.members.items()}
        return {"model": self.name, "one for each": self.column, "models": members}

    def remarks(self) -> list[str]:
        """Whose scores they are, and what the members say."""
        told = [
            f"each clip was heard by the model of its {self.column}, of {self.name} ({', '.join(self.members)})"
        ]
        return list(
            dict.fromkeys([*told, *(text for member in self.members.values() for text in member.remarks())])
        )

    def check(self, manifest: Manifest) -> None:
        """Raise ``UsageError`` if a clip has no model, naming the parts that have none."""
        missing = {getattr(row, self.column) for row in manifest.rows} - set(self.members)
        if missing:
            clips = sum(getattr(row, self.column) in missing for row in manifest.rows)
            raise UsageError(
                f"{self.name}: no model for {clips:,} of {len(manifest.rows):,} clips, whose {self.column} is "
                f"{matching.listed([value or '(empty)' for value in sorted(missing)])}. There are models for "
                f"{matching.listed(list(self.members))}; --split judges some clips only"
            )

    def of(self, manifest: Manifest) -> Iterator[tuple[Source, list[int]]]:
        """Each member, and the places of the rows that it is asked about."""
        for value, member in self.members.items():
            places = [k for k, row in enumerate(manifest.rows) if getattr(row, self.column) == value]
            if places:
                yield member, places

    def windows(self, manifest: Manifest, asked: Asked) -> Iterator[tuple[int, Windows]]:
        """Hear every clip by its own; see :class:`~sonoscope.evaluation.predictions.windows.Source`."""
        self.check(manifest)
        ids = [label.id for label in self.labels]
        asked = replace(asked, embedding=None)
        for member, places in self.of(manifest):
            columns = matching.columns(ids, member.labels, partial=False, what=member.name)
            rows = replace(manifest, rows=tuple(manifest.rows[k] for k in places))
            for place, windows in member.windows(rows, asked):
                yield places[place], Windows(windows.values[:, columns], windows.weights)


def opened(word: str, column: str, name: str, opener: Callable[[str], Source]) -> PartedSource:
    """The models that a word with braces names.

    Parameters
    ----------
    word, column : str
    name : str
        In tables.
    opener : function
        Opens a word without braces.

    Raises
    ------
    UnknownName
        If there is none.
    UsageError
        If they do not know the same labels.
    """
    before, mark, choice = word.rpartition("@")
    pattern, tail = (before, mark + choice) if mark and "/" not in choice else (word, "")
    held = re.compile(re.escape(pattern).replace(re.escape(f"{{{column}}}"), "([^/]+)", 1).replace(
        re.escape(f"{{{column}}}"), r"\1"
    ))  # fmt: skip
    absolute = Path(pattern).is_absolute()
    looked = pattern.lstrip("/").replace(f"{{{column}}}", "*")
    values = {}
    for place in sorted(Path("/" if absolute else ".").glob(looked)):
        if found := held.fullmatch(str(place)):
            values[found[1]] = f"{place}{tail}"
    if not values:
        raise UnknownName(
            f"{word}: there is nothing like it. {{{column}}} stands for the {column} of each clip, such as "
            f"{pattern.replace(f'{{{column}}}', 'A')}"
        )
    members = {value: opener(each) for value, each in values.items()}
    first, *others = members.values()
    for other in others:
        odd = sorted({label.id for label in first.labels} ^ {label.id for label in other.labels})
        if odd:
            raise UsageError(
                f"{word}: the models do not know the same labels; only some of them have {matching.listed(odd)}"
            )
    return PartedSource(column, members, name, partial=all(member.partial for member in members.values()))
