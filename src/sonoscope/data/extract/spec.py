"""The specification of an extraction: which stretches of which recordings hold what.

A list of entries in JSON or YAML::

    - file: videos/suona.mp4                # or url: https://..., whose file lies in the media folder
      labels: [suona, percussion]           # the first one is the main one; [] is none of the labels
      ranges: [["0:18", "2:05"], [130, end]]    # [] (or no ranges) is the whole recording
      description: a procession

The names of the founding system are read as well: ``video`` for ``url``, ``time_stamps_to_extract`` for ``ranges``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sonoscope.data.extract import marked, times
from sonoscope.data.extract.marked import BadSpec, Node
from sonoscope.errors import nearest

#: Names that a key may have, with the one that is meant.
KEYS = {
    "file": "file",
    "url": "url",
    "video": "url",
    "labels": "labels",
    "ranges": "ranges",
    "time_stamps_to_extract": "ranges",
    "description": "description",
    "group": "group",
    "source": "source",
    "licence": "licence",
    "license": "licence",
    "site": "site",
    "recorder": "recorder",
}
#: Keys whose text goes into the manifest as it is.
TEXTS = ("description", "group", "source", "licence", "site", "recorder")
#: As the end of a range: where the recording ends.
END = "end"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DASH = re.compile(r"\s*(?:-|–|—|\bto\b)\s*")


@dataclass(frozen=True, slots=True)
class Range:
    """``[start_s, end_s)`` of a recording; an end of None is the recording's."""

    start_s: float
    end_s: float | None
    line: int

    def __str__(self) -> str:
        return f"{times.clock(self.start_s)}-{END if self.end_s is None else times.clock(self.end_s)}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: ``file`` and ``url`` as written (one may be empty), labels as written, ranges in order of time.

    No ranges: the whole recording. ``label_lines`` says where each label stands.
    """

    line: int
    file: str
    url: str
    labels: tuple[str, ...]
    label_lines: tuple[int, ...]
    ranges: tuple[Range, ...]
    texts: dict[str, str]


@dataclass(frozen=True)
class Spec:
    """A specification and where it lies."""

    path: Path
    entries: tuple[Entry, ...]

    def fail(self, line: int, what: str) -> BadSpec:
        """The error that points to a line."""
        return BadSpec(f"{self.path}, line {line}: {what}", line)


def read(path: str | Path, *, decimals: str | None = None) -> Spec:
    """Read a specification.

    Parameters
    ----------
    path : path
        ``.json``, ``.yaml`` or ``.yml``.
    decimals : {"seconds", "minutes"}, optional
        What times such as 2.30 mean (:mod:`~sonoscope.data.extract.times`).

    Raises
    ------
    BadSpec
        If anything in it is not understood, or contradicts itself: names file, line, value and remedy.
    UsageError
        If ``decimals`` is unknown.
    """
    times.check_decimals(decimals)
    path = Path(path)
    root = marked.read(path)
    if root.items is None:
        what = "empty" if root.is_word else root.shown
        raise BadSpec(f"{path}, line {root.line}: {what}, where a list of entries is expected: {_EXAMPLE}")
    if not root.items:
        raise BadSpec(f"{path}: an empty list. Write an entry for each recording: {_EXAMPLE}")
    reader = _Reader(path, decimals)
    entries: list[Entry] = []
    errors: list[BadSpec] = []
    for node in root.items:
        try:
            entries.append(reader.entry(node))
        except BadSpec as error:
            errors.append(error)
    marked.raise_all(errors)
    spec = Spec(path, tuple(entries))
    _check_spelling(spec)
    return spec


_EXAMPLE = '[{"file": "a.mp4", "labels": ["violin"], "ranges": [["0:18", "2:05"]]}]'


@dataclass(frozen=True)
class _Reader:
    path: Path
    decimals: str | None

    def fail(self, node: Node, what: str) -> BadSpec:
        return BadSpec(f"{self.path}, line {node.line}: {what}", node.line)

    def entry(self, node: Node) -> Entry:
        if node.members is None:
            raise self.fail(node, f"{node.shown} is no entry: {_EXAMPLE[1:-1]}")
        found: dict[str, Node] = {}
        for key, value in node.members.items():
            if key not in KEYS:
                hint = nearest(key, KEYS) or f" Known: {', '.join(KEYS)}."
                raise self.fail(value, f"unknown key {key!r}.{hint}")
            if KEYS[key] in found:
                raise self.fail(value, f"{key!r} says again what another key of this entry says. Remove one.")
            found[KEYS[key]] = value
        file, url = self._text(found, "file"), self._text(found, "url")
        if url and not _URL.match(url):
            raise self.fail(
                found["url"], f"{url!r} is no address such as https://...; a path goes under 'file'"
            )
        if not url and _URL.match(file):
            file, url = "", file
        if not file and not url:
            raise self.fail(
                node, "an entry without 'file' and without 'url'. Say which recording it is about."
            )
        labels = self._labels(node, found.get("labels"))
        return Entry(
            node.line,
            file,
            url,
            tuple(text for text, _ in labels),
            tuple(line for _, line in labels),
            self._ranges(found.get("ranges")),
            {key: " ".join(self._text(found, key).split()) for key in TEXTS},
        )

    def _text(self, found: dict[str, Node], key: str) -> str:
        node = found.get(key)
        if node is None or (node.is_word and node.text in ("", "null", "~")):
            return ""
        if node.text is None or node.is_word:
            raise self.fail(node, f"{key!r} is {node.shown}, not a text")
        return node.text.strip()

    def _labels(self, entry: Node, node: Node | None) -> list[tuple[str, int]]:
        if node is None:
            raise self.fail(entry, "an entry without 'labels'. Write [] if none of the labels sounds.")
        labels: list[tuple[str, int]] = []
        for item in (node,) if node.items is None else node.items:
            text = (item.text or "").strip()
            if item.text is None or item.is_word:
                raise self.fail(item, f"{item.shown} is no label. Put it in quotes if it is one.")
            if not text or set(text) & set(";|\n\r") or text == "*":
                raise self.fail(item, f"{text!r} cannot be a label: empty, '*', or with ';' or '|' in it")
            if text in (label for label, _ in labels):
                raise self.fail(item, f"the label {text!r} is there twice. Remove one.")
            labels.append((text, item.line))
        return labels

    def _ranges(self, node: Node | None) -> tuple[Range, ...]:
        if node is None:
            return ()
        if node.items is None:
            raise self.fail(
                node,
                f'ranges are a list: [["0:18", "2:05"]], or [] for the whole recording, not {node.shown}',
            )
        if len(node.items) == 2 and all(self._is_time(item) for item in node.items):
            raise self.fail(node, "ranges are a list of pairs: put one more pair of brackets around this one")
        found = [self._range(item) for item in node.items]
        return tuple(sorted(found, key=lambda each: each.start_s))

    @staticmethod
    def _is_time(node: Node) -> bool:
        return node.text is not None and len(_DASH.split(node.text)) == 1

    def _range(self, node: Node) -> Range:
        texts = _DASH.split(node.text) if node.text is not None else [i.text for i in node.items or ()]
        if len(texts) != 2 or None in texts:
            raise self.fail(node, f'a range is a pair, such as ["0:18", "2:05"] or [130, "{END}"]')
        first, last = (str(text).strip() for text in texts)
        try:
            start_s = times.seconds(first, self.decimals)
            end_s = None if last.lower() == END else times.seconds(last, self.decimals)
        except ValueError as error:
            raise self.fail(node, f"{error}.") from None
        if end_s is not None and end_s <= start_s:
            what = "is empty" if end_s == start_s else "ends before it begins"
            raise self.fail(node, f"the range {first}-{last} {what}. Write the earlier time first.")
        return Range(start_s, end_s, node.line)


def _check_spelling(spec: Spec) -> None:
    """Labels that differ in case, spaces or hyphens only are one label, spelt twice."""
    seen: dict[str, tuple[str, int]] = {}
    for entry in spec.entries:
        for label, line in zip(entry.labels, entry.label_lines, strict=True):
            key = re.sub(r"[\s_-]+", "_", label.casefold())
            first, where = seen.setdefault(key, (label, line))
            if first != label:
                raise spec.fail(
                    line, f"the label {label!r} is written {first!r} on line {where}. Write it in one way."
                )
