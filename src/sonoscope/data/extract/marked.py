"""JSON and YAML read as values that know their line, so that whatever is wrong in them can be pointed at.

Scalars stay the text that stands in the file: ``2.30`` is not 2.3, and YAML's ``2:05`` is not 125.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

import yaml

from sonoscope.errors import UsageError

SUFFIXES = (".json", ".yaml", ".yml")

_SPACE = re.compile(r"[ \t\n\r]*")
_BARE = re.compile(r"[^\s,\]}]+")
#: What a resolver of YAML takes for something else than text or a number.
_WORDS = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"}


class BadSpec(UsageError):
    """A specification that cannot be followed; the message names file, line, value and remedy.

    ``line`` is 0 where it is about the whole file.
    """

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


#: Further wrong lines that a message names.
SHOWN = 10


def raise_all(errors: Sequence[BadSpec]) -> None:
    """Raise the first error, with the lines of the others; nothing if there is none."""
    if not errors:
        return
    others = [str(error.line) for error in errors[1:]]
    more = ", ".join(others[:SHOWN]) + (", ..." if len(others) > SHOWN else "")
    told = f" (Also wrong: line{'s' if len(others) > 1 else ''} {more}.)" if others else ""
    raise BadSpec(f"{errors[0]}{told}", errors[0].line)


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line on which it (for what stands under a key: the key) begins.

    Exactly one of ``text``, ``items`` and ``members`` is not None, but for a ``word`` (true, false, null or nothing at
    all), which has a text too.
    """

    line: int
    text: str | None = None
    items: tuple[Node, ...] | None = None
    members: dict[str, Node] | None = None
    is_word: bool = False

    @property
    def shown(self) -> str:
        """The value for a message, cut if it is long."""
        if self.text is not None:
            return repr(self.text if len(self.text) <= 60 else f"{self.text[:57]}...")
        return "a list" if self.items is not None else "an object"


def read(path: Path) -> Node:
    """The content of a ``.json``, ``.yaml`` or ``.yml`` file in UTF-8.

    Raises
    ------
    BadSpec
        If there is no such file, it has another suffix, is not what its suffix says, or a key is there twice.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadSpec(f"{path}: a specification is a .json, .yaml or .yml file")
    if not path.is_file():
        raise BadSpec(
            f"{path}: {'a folder, not a specification' if path.is_dir() else 'there is no such file'}"
        )
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadSpec(f"{path}, line {line}: not UTF-8. Save the file in UTF-8.") from None
    try:
        return (_Json if path.suffix.lower() == ".json" else _Yaml)(text, str(path)).node()
    except RecursionError:
        raise BadSpec(f"{path}: lists within lists without end. A list of entries is expected.") from None


@dataclass
class _Json:
    """JSON that the standard library has found to be right, walked once more for the lines."""

    text: str
    name: str
    _ends: list[int] = field(default_factory=list)

    def node(self) -> Node:
        try:
            json.loads(self.text, parse_constant=self._refuse)
        except json.JSONDecodeError as error:
            hint = " JSON has no comments and no comma after the last item; YAML (.yaml) has."
            raise BadSpec(f"{self.name}, line {error.lineno}: not JSON ({error.msg}).{hint}") from None
        self._ends = [match.start() for match in re.finditer("\n", self.text)]
        return self._value(self._skip(0), None)[0]

    def _refuse(self, word: str) -> None:
        raise BadSpec(f"{self.name}: {word} is no number. Correct it.")

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def _line(self, at: int) -> int:
        return bisect_right(self._ends, at - 1) + 1

    def _value(self, at: int, line: int | None) -> tuple[Node, int]:
        """The value that begins at ``at``, and where it ends."""
        line = line or self._line(at)
        first = self.text[at]
        if first == '"':
            text, end = scanstring(self.text, at + 1)
            return Node(line, text), end
        if first == "[":
            items: list[Node] = []
            for start in self._members(at, "]"):
                item, self._at = self._value(start, None)
                items.append(item)
            return Node(line, items=tuple(items)), self._at
        if first == "{":
            members: dict[str, Node] = {}
            for start in self._members(at, "}"):
                key, end = scanstring(self.text, start + 1)
                _once(members, key, self.name, key_line := self._line(start))
                value = self._skip(self._skip(end) + 1)
                members[key], self._at = self._value(value, key_line)
            return Node(line, members=members), self._at
        bare = _BARE.match(self.text, at)
        assert bare is not None
        return Node(line, bare.group(), is_word=bare.group() in ("true", "false", "null")), bare.end()

    def _members(self, at: int, close: str) -> Iterator[int]:
        """Where each member of the list or object at ``at`` begins; whoever takes it moves ``_at`` to its end."""
        self._at = self._skip(at + 1)
        if self.text[self._at] == close:
            self._at += 1
            return
        while True:
            yield self._at
            self._at = self._skip(self._at)
            ended = self.text[self._at] == close
            self._at += 1
            if ended:
                return
            self._at = self._skip(self._at)


@dataclass
class _Yaml:
    """YAML as its nodes; what an alias repeats is one node."""

    text: str
    name: str
    _made: dict[int, Node | None] = field(default_factory=dict)

    def node(self) -> Node:
        try:
            root = yaml.compose(self.text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f", line {mark.line + 1}" if mark else ""
            begun = error.context_mark
            since = (
                f"; it began on line {begun.line + 1}" if begun and mark and begun.line < mark.line else ""
            )
            raise BadSpec(f"{self.name}{line}: not YAML ({error.problem or error.context}{since})") from None
        except yaml.YAMLError as error:
            raise BadSpec(f"{self.name}: not YAML ({' '.join(str(error).split())})") from None
        return Node(1, "", is_word=True) if root is None else self._value(root, root.start_mark.line + 1)

    def _value(self, node: Any, line: int) -> Node:
        if id(node) in self._made:
            made = self._made[id(node)]
            if made is None:
                raise BadSpec(f"{self.name}, line {line}: refers to itself. Write it out.")
            return made
        self._made[id(node)] = None
        if isinstance(node, yaml.ScalarNode):
            made = Node(line, node.value, is_word=node.style is None and node.tag in _WORDS)
        elif isinstance(node, yaml.SequenceNode):
            made = Node(line, items=tuple(self._value(item, item.start_mark.line + 1) for item in node.value))
        else:
            members: dict[str, Node] = {}
            for key, value in node.value:
                key_line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise BadSpec(f"{self.name}, line {key_line}: a key that is no text. Correct it.")
                _once(members, key.value, self.name, key_line)
                members[key.value] = self._value(value, key_line)
            made = Node(line, members=members)
        self._made[id(node)] = made
        return made


def _once(members: dict[str, Node], key: str, name: str, line: int) -> None:
    if key in members:
        raise BadSpec(f"{name}, line {line}: {key!r} stands on line {members[key].line} already. Remove one.")
