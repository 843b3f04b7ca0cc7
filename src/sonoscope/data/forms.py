"""The tables that say what sounds in which file: ours, and those of the systems that this one grew from.

- ``sonoscope``: ``path,start_s,duration_s,labels,absent,unknown,…``, names of labels with ``;`` between them (``|``
  is read too)
- ``label``: ``filepath,label``, one name, or several as above
- ``columns``: ``file,violin,piano,…``, each 1, 0, or nothing where nobody judged; ``is_violin_known`` 0 says the same
- ``bits``: ``filepath,label_multi``, a 0 or 1 for each label of the map, such as ``0010``
- ``mel``: ``mel_path,label_multi,orig_path,start_s,dur_s,n_frames``, the same; a row is about ``orig_path``

Which form a table has follows from its header alone. The file may be in a column ``path``, ``file``, ``filepath``,
``file_path`` or ``filename``. Every form may have the columns of the first that say no labels (``start_s``,
``split``, …; a part may also state ``end_s`` or ``dur_s``), and columns of its own, which become ``extra``.
"""

from __future__ import annotations

from sonoscope.data import cells, formparts, marks
from sonoscope.data.formparts import LISTS, NO_LABELS, Cells, Form, Reader
from sonoscope.data.labelmap import Names
from sonoscope.data.rows import COLUMNS, BadManifest, Manifest, Row
from sonoscope.data.table import Line, Table


def recognise(table: Table) -> Form:
    """The form that the header shows.

    Raises
    ------
    BadManifest
        If it shows none.
    """
    columns = set(table.columns)
    if marks.BITS in columns:
        is_mel = columns & {"mel_path", "orig_path"} and columns.isdisjoint(formparts.PATHS)
        return FORMS["mel" if is_mel else "bits"]
    formparts.path_column(table)
    if "labels" in columns:
        return FORMS["sonoscope"]
    if "label" in columns:
        return FORMS["label"]
    return FORMS["columns" if columns - NO_LABELS else "sonoscope"]


def path_column(table: Table) -> str:
    """The column that names the file which a row is about."""
    return "orig_path" if recognise(table).name == "mel" else formparts.path_column(table)


def _own_reader(table: Table, names: Names) -> Reader:
    make = formparts.row_maker(table, formparts.path_column(table))
    return lambda line: make(line, formparts.lists(line, names))


def _write_own(manifest: Manifest) -> Cells:
    columns = (*COLUMNS, *dict.fromkeys(key for row in manifest.rows for key in row.extra))
    rows = []
    for row in manifest.rows:
        lists = {key: cells.joined(getattr(row, key)) for key in LISTS}
        given = {"path": row.path, **lists, **formparts.texts(row)}
        rows.append([given.get(column, "") for column in columns])
    return columns, rows


def _label_reader(table: Table, names: Names) -> Reader:
    make = formparts.row_maker(table, formparts.path_column(table), ["label"])

    def read(line: Line) -> Row:
        for name in cells.labels(line.cells["label"]):
            if name.isdecimal() and names.ids and names.find(name) is None:
                line.fail(
                    "label",
                    "is a number",
                    "A number needs an order, which a table does not state: use names.",
                )
        return make(line, formparts.lists(line, names, "label"))

    return read


def _write_label(manifest: Manifest) -> Cells:
    for row in manifest.rows:
        if row.unknown:
            raise BadManifest(
                f"{row.path}: {cells.joined(row.unknown)} is unknown, which the form label cannot say. "
                "Choose the form sonoscope or columns."
            )
    said = [(row.path, cells.joined(row.labels)) for row in manifest.rows]
    return formparts.with_texts(manifest, ("filepath", "label"), said)


#: Every form by name, with the header that shows it.
FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("sonoscope", "path,start_s,duration_s,labels,absent,unknown,...", _own_reader, _write_own),
        Form("label", "filepath,label", _label_reader, _write_label),
        Form("columns", "file,LABEL,...,is_LABEL_known,...", marks.column_reader, marks.write_columns, True),
        Form("bits", "filepath,label_multi", marks.bit_reader, marks.write_bits, True),
        Form("mel", ",".join(marks.MEL), marks.mel_reader, marks.write_mel, True),
    )
}
