"""Tables in which labels are marks: a column of 0 and 1 for each, or a string of them for all.

A table of marks says something about each of its labels, and its rows say so explicitly: a 0 is ``absent``, and what
nobody judged, or has no column although the map has it, is ``unknown``.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import NoReturn

from sonoscope.data import formparts
from sonoscope.data.formparts import NO_LABELS, OTHER_DURATION, Cells, Lists, Reader
from sonoscope.data.labelmap import Names
from sonoscope.data.rows import COLUMNS, BadManifest, Manifest, Row
from sonoscope.data.table import Line, Table
from sonoscope.errors import nearest
from sonoscope.values import format_seconds

BITS = "label_multi"
MEL = ("mel_path", BITS, "orig_path", "start_s", OTHER_DURATION, "n_frames")

_YES, _NO = frozenset(("1", "1.0", "true")), frozenset(("0", "0.0", "false"))
_KNOWN = re.compile(r"is_(.+)_known")
#: What is left of bits that were taken for a number: no zeros in front, or a decimal point, or an exponent.
_NUMBER = re.compile(r"1[01]*(\.0)?|0(\.0)?|\d(\.\d+)?[eE]\+?\d+")


# ---- a column for each label -------------------------------------------------------------------------------


def known_column(label: str) -> str:
    """The column that says whether anybody judged ``label``: Lumen's ``is_drum_known`` for drums."""
    return "is_drum_known" if label == "drums" else f"is_{label}_known"


def column_reader(table: Table, names: Names) -> Reader:
    """With a label map its labels are columns (by id, code or synonym), without one all that is not known."""
    path = formparts.path_column(table)
    columns = _labels_of_columns(table, names)
    judged = {column: label for column in table.columns if (label := _judged_by(column, columns))}
    elsewhere = tuple(label for label in names.ids if label not in columns)
    make = formparts.row_maker(table, path, [*columns.values(), *judged])

    def read(line: Line) -> Row:
        said = {label: _mark(line, column, bool(names.ids)) for label, column in columns.items()}
        for column, label in judged.items():
            if not _mark(line, column, True):
                if said[label]:
                    line.fail(
                        column, f"says that nobody judged {label!r}, which sounds", "Correct one of the two."
                    )
                said[label] = None
        lists = Lists(*(tuple(k for k, v in said.items() if v is value) for value in (True, False, None)))
        lists = lists._replace(unknown=(*lists.unknown, *elsewhere))
        return make(line, lists)

    return read


def _labels_of_columns(table: Table, names: Names) -> dict[str, str]:
    """Label to column. A column that is nearly a label of the map is taken for a mistake, not for a remark."""
    candidates = [c for c in table.columns if c not in NO_LABELS and not _KNOWN.fullmatch(c)]
    found = {column: names.find(column) if names.ids else column for column in candidates}
    columns: dict[str, str] = {}
    for column, label in found.items():
        if label is None:
            near = get_close_matches(column.lower(), names.ids, n=1, cutoff=0.8)
            if near and near[0] not in found.values():
                raise BadManifest(
                    f"{table.name}, line 1: the column {column!r} is not in the label map. "
                    f"Did you mean {near[0]!r}? Rename it."
                )
        elif label in columns:
            raise BadManifest(
                f"{table.name}, line 1: the columns {columns[label]!r} and {column!r} are both {label!r}. "
                "Remove one."
            )
        else:
            columns[label] = column
    if not columns:
        raise BadManifest(
            f"{table.name}, line 1: no column is a label of the map ({', '.join(names.ids)}). "
            f"Found: {', '.join(map(repr, table.columns))}."
        )
    return columns


def _judged_by(column: str, labels: dict[str, str]) -> str | None:
    """The label that ``is_..._known`` is about: ``is_drum_known`` is about drums."""
    found = _KNOWN.fullmatch(column)
    stem = found.group(1) if found else ""
    return next((label for label in (stem, f"{stem}s") if label in labels), None)


def _mark(line: Line, column: str, is_label: bool) -> bool | None:
    cell = line.cells[column].strip().lower()
    if cell in _YES or cell in _NO:
        return cell in _YES
    if cell:
        hint = "Labels are 1, 0, or nothing where nobody judged."
        if not is_label:
            near = nearest(column, ("label", *COLUMNS))
            hint = f"If {column!r} is no label, name the label map (--labels).{near} {hint}"
        line.fail(column, "is neither 0 nor 1", hint)
    return None


def write_columns(manifest: Manifest) -> Cells:
    """``file``, a column for each label, and ``is_..._known`` for those that some row does not know."""
    labels = formparts.vocabulary(manifest)
    clash = NO_LABELS & set(labels)
    if clash:
        raise BadManifest(f"the label {min(clash)!r} cannot be a column: manifests have one of that name")
    says = [[manifest.says(row, label) for label in labels] for row in manifest.rows]
    partial = [place for place in range(len(labels)) if any(line[place] is None for line in says)]
    rows = [
        [
            row.path,
            *("1" if value else "0" for value in line),
            *("0" if line[i] is None else "1" for i in partial),
        ]
        for row, line in zip(manifest.rows, says, strict=True)
    ]
    return formparts.with_texts(
        manifest, ("file", *labels, *(known_column(labels[place]) for place in partial)), rows
    )


# ---- a string for all labels -------------------------------------------------------------------------------


def bit_reader(table: Table, names: Names) -> Reader:
    """``label_multi`` with the file in any column for it."""
    make = formparts.row_maker(table, formparts.path_column(table), [BITS])
    _need_map(table, names)
    return lambda line: make(line, _bits(line, names))


def mel_reader(table: Table, names: Names) -> Reader:
    """A table of spectrograms, whose rows are about the recordings they were made of."""
    _need_map(table, names)
    for column in MEL:
        if column not in table.columns:
            raise BadManifest(
                f"{table.name}, line 1: no column {column!r}.{nearest(column, table.columns)} "
                f"A table of spectrograms has {', '.join(MEL)}."
            )
    make = formparts.row_maker(table, "orig_path", [BITS])

    def read(line: Line) -> Row:
        frames = line.cells["n_frames"]
        if not (frames.isdecimal() and int(frames)):
            line.fail("n_frames", "is not a number of frames", "It is a whole number, 1 or more.")
        return make(line, _bits(line, names))

    return read


def _need_map(table: Table, names: Names) -> None:
    if not names.ids:
        raise BadManifest(
            f"{table.name}: which bit of {BITS!r} is which label is not in the table. "
            "Name the label map (--labels), or put its labels.json beside the table."
        )


def _bits(line: Line, names: Names) -> Lists:
    """Labels and absent ones from a bit string, which must have kept its zeros."""
    text = line.cells[BITS].strip()
    if len(text) != len(names.ids) or not set(text) <= {"0", "1"}:
        _refuse_bits(line, text, names)
    pairs = list(zip(names.ids, text, strict=True))
    return Lists(*(tuple(label for label, bit in pairs if bit == one) for one in "10"))


def _refuse_bits(line: Line, text: str, names: Names) -> NoReturn:
    wanted = f"{len(names.ids)} characters 0 or 1, one for each label of the map"
    if _NUMBER.fullmatch(text) and (len(text) < len(names.ids) or not text.isdecimal()):
        line.fail(
            BITS,
            f"has lost its leading zeros, or is of another label map: {wanted} are needed",
            "Spreadsheets and pandas take bits for a number: write the table again from its source, with that column "
            f"as text (pandas: dtype={{{BITS!r}: str}}).",
        )
    line.fail(BITS, f"is not {wanted}", f"The map is {', '.join(names.ids)}; name another one (--labels).")


def _bit_string(manifest: Manifest, row: Row, labels: tuple[str, ...]) -> str:
    says = {label: manifest.says(row, label) for label in labels}
    unknown = [label for label, value in says.items() if value is None]
    if unknown:
        raise BadManifest(
            f"{row.path}: {unknown[0]!r} is unknown, which a bit cannot say. "
            "Choose the form sonoscope or columns."
        )
    return "".join("1" if value else "0" for value in says.values())


def write_bits(manifest: Manifest) -> Cells:
    """``filepath,label_multi``."""
    labels = formparts.vocabulary(manifest)
    said = [(row.path, _bit_string(manifest, row, labels)) for row in manifest.rows]
    return formparts.with_texts(manifest, ("filepath", BITS), said)


def write_mel(manifest: Manifest) -> Cells:
    """The table of spectrograms, for rows that have ``mel_path`` and ``n_frames`` in ``extra``."""
    labels = formparts.vocabulary(manifest)
    rows = []
    for row in manifest.rows:
        missing = [key for key in ("mel_path", "n_frames") if not row.extra.get(key)]
        if missing or row.duration_s is None:
            raise BadManifest(
                f"{row.path}: no {(*missing, 'duration_s')[0]}. This form lists spectrograms, not recordings."
            )
        times = format_seconds(row.start_s), format_seconds(row.duration_s)
        bits = _bit_string(manifest, row, labels)
        rows.append([row.extra["mel_path"], bits, row.path, *times, row.extra["n_frames"]])
    columns, cells = formparts.with_texts(manifest, MEL, rows, taken=("mel_path", "n_frames"))
    keep = [place for place, column in enumerate(columns) if column != "duration_s"]
    return [columns[place] for place in keep], [[row[place] for place in keep] for row in cells]
