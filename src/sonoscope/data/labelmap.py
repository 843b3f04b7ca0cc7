"""Label maps: which labels there are, in which order, and by which other names they may be called.

A map is a pair of files: ``labels.json`` (ids in order with what is known of each) and ``labels.txt`` (the ids
alone, a line each, the place of a line being the class's number), for people and for other programs. A
``labels.json`` that lies beside a manifest is that manifest's map.

Read are also a JSON list of names, a JSON object name to number, and a plain text file with a name on each line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from sonoscope.data.rows import EVERYTHING_ELSE, BadManifest
from sonoscope.data.table import Line, decoded, put
from sonoscope.errors import nearest
from sonoscope.labels import LABEL_SETS, index, label_set
from sonoscope.values import Label

JSON_NAME, TEXT_NAME = "labels.json", "labels.txt"
SCHEMA = "1"
REMEDY = "A label map is a list of names, a name on each line, or what sonoscope writes as labels.json."


def find(wish: str | Path | Sequence[str | Label] | None, folder: Path) -> tuple[Label, ...]:
    """The labels that are wished for, else those of the ``labels.json`` in ``folder``, else none.

    Parameters
    ----------
    wish : str, path, sequence of str or Label, optional
        The name of a label set, a label map, or the labels themselves in order.
    folder : Path

    Raises
    ------
    UnknownName
        If it is neither a label set nor a file.
    BadManifest
        If a map is damaged, or beside it lies a ``labels.txt`` that says something else.
    """
    if wish is None:
        return read(folder / JSON_NAME) if (folder / JSON_NAME).is_file() else ()
    if isinstance(wish, str | Path):
        is_path = isinstance(wish, Path) or (
            wish not in LABEL_SETS and Path(wish).suffix in (".json", ".txt")
        )
        return read(Path(wish)) if is_path else label_set(str(wish))
    return _checked([label if isinstance(label, Label) else Label(str(label)) for label in wish], "labels")


def read(path: Path) -> tuple[Label, ...]:
    """The labels of a map, in order.

    Raises
    ------
    BadManifest
        If it is missing, no map, or names a label twice; or if ``labels.txt`` beside a ``labels.json`` differs.
    """
    if not path.is_file():
        raise BadManifest(f"{path}: there is no such label map")
    text = decoded(path)
    if path.suffix.lower() != ".json":
        return _checked([Label(line.strip()) for line in text.splitlines() if line.strip()], str(path))
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadManifest(f"{path}, line {error.lineno}: not JSON ({error.msg}). {REMEDY}") from None
    labels = _checked(_from_json(content, str(path)), str(path))
    plain = path.with_name(TEXT_NAME)
    if path.name == JSON_NAME and plain.is_file():
        named = [line.strip() for line in decoded(plain).splitlines() if line.strip()]
        if named != [label.id for label in labels]:
            raise BadManifest(
                f"{plain} and {path} name different labels or orders. Correct {JSON_NAME} and delete {TEXT_NAME}."
            )
    return labels


def _from_json(content: Any, name: str) -> list[Label]:
    if isinstance(content, Mapping) and "labels" in content:
        stated = str(content.get("schema", SCHEMA))
        if stated.partition(".")[0] != SCHEMA:
            raise BadManifest(
                f"{name}: schema {stated}, not {SCHEMA}, which this sonoscope knows. Update sonoscope."
            )
        content = content["labels"]
    elif isinstance(content, Mapping):
        if sorted(content.values(), key=str) != sorted(range(len(content)), key=str):
            raise BadManifest(f"{name}: the numbers of the labels are not 0 to {len(content) - 1}, each once")
        content = sorted(content, key=content.__getitem__)
    if not isinstance(content, list):
        raise BadManifest(f"{name}: not a label map. {REMEDY}")
    return [_label(entry, name) for entry in content]


def _label(entry: Any, name: str) -> Label:
    if isinstance(entry, str):
        return Label(entry)
    known = {field.name for field in fields(Label)}
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
        raise BadManifest(f"{name}: {entry!r} is no label: a name, or an object with an id")
    for key in entry:
        if key not in known:
            raise BadManifest(f"{name}, label {entry['id']!r}: unknown key {key!r}.{nearest(key, known)}")
    return Label(**{**entry, "synonyms": tuple(entry.get("synonyms", ()))})


def _checked(labels: Sequence[Label], name: str) -> tuple[Label, ...]:
    if not labels:
        raise BadManifest(f"{name}: no labels. {REMEDY}")
    seen: set[str] = set()
    for label in labels:
        if (
            not label.id
            or label.id != label.id.strip()
            or set(label.id) & set(";|\n")
            or label.id == EVERYTHING_ELSE
        ):
            raise BadManifest(f"{name}: {label.id!r} cannot be a label: empty, '*', or with ';' or '|' in it")
        if label.id in seen:
            raise BadManifest(f"{name}: the label {label.id!r} is there twice")
        seen.add(label.id)
    return tuple(labels)


def write(labels: Sequence[Label], folder: Path) -> Path:
    """Write ``labels.json`` and ``labels.txt`` into a folder; the path of the first."""
    default = {field.name: field.default for field in fields(Label) if field.default is not MISSING}
    entries = [
        {key: value for key, value in asdict(label).items() if value != default.get(key, MISSING)}
        for label in _checked(labels, str(folder / JSON_NAME))
    ]
    lines = ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in entries)
    put(folder / TEXT_NAME, "".join(f"{label.id}\n" for label in labels).encode())
    put(folder / JSON_NAME, f'{{"schema": "{SCHEMA}", "labels": [\n{lines}\n]}}\n'.encode())
    return folder / JSON_NAME


def is_kept(labels: Sequence[Label], folder: Path) -> bool:
    """Whether a folder has this label map; False if it has none.

    Raises
    ------
    BadManifest
        If another map is there.
    """
    path = folder / JSON_NAME
    if not path.is_file():
        return False
    there, wanted = ([label.id for label in each] for each in (read(path), labels))
    if there != wanted:
        raise BadManifest(
            f"{path} is another label map: it has {', '.join(there)}; {', '.join(wanted)} is needed. "
            "Write to another folder, or name that map."
        )
    return True


def keep(labels: Sequence[str | Label], folder: Path) -> None:
    """See to it that a folder has this label map: write it, unless it is there.

    Raises
    ------
    BadManifest
        If another map is there.
    """
    wanted = _checked(
        [label if isinstance(label, Label) else Label(label) for label in labels], str(folder / JSON_NAME)
    )
    if not is_kept(wanted, folder):
        write(wanted, folder)


class Names:
    """Turns names in a table into ids: without a map every name is an id.

    Attributes
    ----------
    ids : tuple of str
        In the order of the map; empty without one.
    beside : bool
        Whether the map was found beside the table, where perhaps nobody knows of it.
    """

    def __init__(self, labels: Sequence[Label] = (), *, beside: bool = False) -> None:
        self.labels, self.beside = tuple(labels), beside
        self.ids = tuple(label.id for label in labels)
        self._known = index(labels)

    def translate(self, line: Line, column: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """Ids for ids, codes and synonyms.

        Raises
        ------
        BadManifest
            If a name is in no way in the map; the nearest is named.
        """
        if not self.labels:
            return names
        for name in names:
            if name not in self._known and name != EVERYTHING_ELSE:
                place = f", {JSON_NAME} beside this table" if self.beside else ""
                elsewhere = ", or put the table into a folder of its own" if self.beside else ""
                near = nearest(name, self._known).lstrip()
                line.fail(
                    column,
                    f"holds {name!r}, which is not in the label map{place}",
                    f"{near} Correct it, or add it to the map{elsewhere}.".lstrip(),
                )
        return tuple(dict.fromkeys(n if n == EVERYTHING_ELSE else self.ids[self._known[n]] for n in names))

    def find(self, name: str) -> str | None:
        """The id for a name, or None."""
        return self.ids[self._known[name]] if name in self._known else None
