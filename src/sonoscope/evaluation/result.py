"""What a protocol found: figures, tables and curves, whatever was measured; as text, Markdown and JSON.

A figure without a value says why (``no positives``): it is never 0 and never NaN, and nothing averages over it in
silence. Everything that shows results (terminal, files, pages) takes a :class:`Result` and knows no protocol.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sonoscope.errors import count
from sonoscope.values import columns

#: Decimals in text and Markdown; JSON and CSV have :data:`EXACT_DECIMALS`.
DECIMALS = 3
EXACT_DECIMALS = 6
#: The table that shows the figures of several models beside each other, in the place of a list of them.
SIDE_BY_SIDE = "side_by_side"
#: Figures that are no shares, although they may lie between 0 and 1.
UNBOUNDED = ("d_prime",)
#: Tables for files that are no longer than this are on the page, too.
PAGE_ROWS = 50
#: What stands where there is no value.
ABSENT = "–"
#: Figures that a prompt shows of a result, the first of them: the protocol's own.
SHOWN_FIGURES = 3
#: The line of a curve that stands for a whole model, among those of its labels.
POOLED = "all labels together"


@dataclass(frozen=True, eq=False)
class Draws:
    """What a figure came to in each draw of a bootstrap: ``values`` (d,), and the groups that were drawn from.

    Two figures with the same groups were drawn alike, so that their differences are paired.
    """

    values: np.ndarray
    groups: tuple[str, ...]

    def pairs_with(self, other: Draws | None) -> bool:
        """Whether each draw of the one took the same groups as that of the other."""
        return other is not None and self.groups == other.groups and self.values.shape == other.values.shape


@dataclass(frozen=True, repr=False)
class Figure:
    """One number.

    Attributes
    ----------
    value : float, optional
        None: not defined, and ``why`` says why.
    low, high : float, optional
        A 95 % interval.
    why : str
        Why there is no value; or what must be known to read it.
    sd : float, optional
        Standard deviation (n - 1) over several models, of which ``value`` is the mean.
    draws : Draws, optional
        What the interval was made of, for differences of two models. Not written.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""
    sd: float | None = None
    draws: Draws | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("value", "low", "high", "sd"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(
                    f"{name}={number} of a figure must be finite; None and why= where it is undefined"
                )

    @classmethod
    def of(
        cls,
        value: float,
        why: str = "",
        interval: tuple[float, float] | None = None,
        draws: Draws | None = None,
    ) -> Figure:
        """From a number that is NaN where it is undefined for the reason ``why``."""
        if not math.isfinite(value):
            return cls(None, why=why or "undefined")
        low, high = interval if interval is not None and np.isfinite(interval).all() else (None, None)
        limits = (None if low is None else float(low), None if high is None else float(high))
        return cls(float(value), *limits, draws=draws)

    def __repr__(self) -> str:
        return f"Figure({self})"

    def __str__(self) -> str:
        if self.value is None:
            return f"{ABSENT} ({self.why})" if self.why else ABSENT
        spread = f" ± {self.sd:.{DECIMALS}f}" if self.sd is not None else ""
        between = (
            f" [{self.low:.{DECIMALS}f}, {self.high:.{DECIMALS}f}]"
            if self.low is not None and self.high is not None
            else ""
        )
        return f"{self.value:.{DECIMALS}f}{spread}{between}"

    def to_dict(self) -> dict[str, Any]:
        """What is known of it; ``value`` always."""
        found: dict[str, Any] = {"value": plain(self.value)}
        for name in ("low", "high", "sd"):
            if getattr(self, name) is not None:
                found[name] = plain(getattr(self, name))
        return found | ({"why": self.why} if self.why else {})


@dataclass(frozen=True, repr=False)
class Table:
    """Rows under columns. Cells are text, whole numbers, floats, booleans, figures, or None.

    ``detail`` tables are too long for a terminal (a row for each file): they are in files only.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    caption: str = ""
    detail: bool = False

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.name!r}, row {number}: {len(row)} cells, the header has {len(self.columns)}"
                )

    def __repr__(self) -> str:
        return f"Table({self.name!r}, {count(len(self.rows), 'row')}, {count(len(self.columns), 'column')})"

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, Any]:
        """Title, columns and rows; figures as objects."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [[plain(cell) for cell in row] for row in self.rows],
            "caption": self.caption,
        }

    def text(self) -> str:
        """Aligned columns for a terminal, numbers to the right."""
        cells = [[shown(cell) for cell in row] for row in self.rows]
        numeric = [
            all(not isinstance(row[k], str) for row in self.rows) and bool(self.rows)
            for k in range(len(self.columns))
        ]
        right = [k for k, is_number in enumerate(numeric) if is_number]
        lines = columns([self.columns, *cells], right=right, indent="  ")
        return "\n".join([self.title, *lines, *([f"  {self.caption}"] if self.caption else [])])

    def markdown(self) -> str:
        """A table with its title as a heading."""
        head = [self.columns, ["---"] * len(self.columns), *([shown(c) for c in row] for row in self.rows)]
        lines = ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in head]
        return "\n".join([f"## {self.title}", "", *lines, *(["", self.caption] if self.caption else [])])

    def csv(self) -> str:
        """Comma-separated; a figure takes a column of its own and, where any row has them, two for its interval."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        wide = [
            any(isinstance(row[k], Figure) and row[k].low is not None for row in self.rows)  # type: ignore[attr-defined]
            for k in range(len(self.columns))
        ]
        header = [
            part
            for name, three in zip(self.columns, wide, strict=True)
            for part in ([name, f"{name} low", f"{name} high"] if three else [name])
        ]
        writer.writerow(header)
        for row in self.rows:
            writer.writerow(
                part for cell, three in zip(row, wide, strict=True) for part in _csv_cells(cell, three)
            )
        return file.getvalue()


@dataclass(frozen=True, repr=False)
class Curve:
    """Lines over a common pair of axes, by their names: ``lines[name] = (x, y)``, arrays of one length."""

    name: str
    title: str
    x: str
    y: str
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]]

    def __repr__(self) -> str:
        return f"Curve({self.name!r}, {count(len(self.lines), 'line')})"

    def to_dict(self) -> dict[str, Any]:
        """Axes and points."""
        return {
            "title": self.title,
            "x": self.x,
            "y": self.y,
            "lines": {
                name: {"x": plain(list(x)), "y": plain(list(y))} for name, (x, y) in self.lines.items()
            },
        }


@dataclass(frozen=True)
class Excerpt:
    """What a page plays and shows of a clip: a WAV of ``seconds`` from ``begins_s`` of the clip, and its spectrogram on
    the mel scale from 0 to ``top_hz`` as a PNG."""

    wav: bytes
    png: bytes
    begins_s: float
    seconds: float
    top_hz: float


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """All that a protocol says of one set of predictions.

    Attributes
    ----------
    protocol, version, title : str
        Which protocol, which edition of it, and a line for people.
    figures : mapping of str to Figure
        The figures to quote, by names that stay (``lrap``, ``micro_f1_fixed``).
    tables : tuple of Table
    curves : tuple of Curve
    arrays : mapping of str to np.ndarray
        Truth, scores and what else a page or a test wants; not in the JSON.
    notes : tuple of str
        What must be said beside the figures: what was dropped and why, over what a mean was taken.
    provenance : mapping
        Models, data, options, library versions: whatever JSON holds.
    excerpts : mapping of str to Excerpt
        By clip, for pages: the sound of the loudest mistakes. Not in the JSON.
    pictures : mapping of str to bytes
        By what they show, for pages: PNGs that a training left (an SVM's borders). Not in the JSON.
    """

    protocol: str
    version: str
    title: str
    figures: Mapping[str, Figure]
    tables: tuple[Table, ...]
    curves: tuple[Curve, ...] = ()
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)
    excerpts: Mapping[str, Excerpt] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    def __repr__(self) -> str:
        known = {name: figure for name, figure in self.figures.items() if figure.value is not None}
        first = [f"{name} {figure}" for name, figure in list(known.items())[:SHOWN_FIGURES]]
        more = len(self.figures) - len(first)
        rest = [f"{count(more, 'more figure')}: print it"] if more else []
        return f"Result({', '.join([repr(self.protocol), *first, *rest])})"

    def __str__(self) -> str:
        return self.text()

    def table(self, name: str) -> Table:
        """The table of that name; raises ``KeyError`` with those there are."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(f"no table {name!r}; there are {', '.join(table.name for table in self.tables)}")

    @property
    def _has_figures_as_table(self) -> bool:
        return any(table.name == SIDE_BY_SIDE for table in self.tables)

    def to_dict(self) -> dict[str, Any]:
        """Everything but ``arrays``, as JSON holds it: floats to six decimals, no NaN."""
        return {
            "protocol": self.protocol,
            "version": self.version,
            "title": self.title,
            "figures": {name: figure.to_dict() for name, figure in self.figures.items()},
            "tables": {table.name: table.to_dict() for table in self.tables},
            "curves": {curve.name: curve.to_dict() for curve in self.curves},
            "notes": list(self.notes),
            "provenance": plain(dict(self.provenance)),
        }

    def text(self) -> str:
        """For a terminal: figures, tables without details, notes."""
        listed = {} if self._has_figures_as_table else self.figures
        width = max((len(name) for name in listed), default=0)
        figures = [f"  {name.ljust(width)}  {figure}" for name, figure in listed.items()]
        parts = [f"{self.title}\nprotocol {self.protocol} {self.version}", "\n".join(figures)]
        parts += [table.text() for table in self.tables if not table.detail]
        parts += ["\n".join(f"- {note}" for note in self.notes)]
        return "\n\n".join(part for part in parts if part) + "\n"

    def markdown(self) -> str:
        """A page: figures, tables, notes, and where it all comes from."""
        lines = [f"# {self.title}", "", f"Protocol `{self.protocol}`, version {self.version}.", ""]
        lines += [f"- {note}" for note in self.notes]
        figures = Table(
            "figures",
            "Figures",
            ("figure", "value"),
            tuple((name, figure) for name, figure in self.figures.items()),
        )
        parts = ["\n".join(lines).rstrip(), *([] if self._has_figures_as_table else [figures.markdown()])]
        parts += [
            table.markdown() for table in self.tables if not table.detail or len(table.rows) <= PAGE_ROWS
        ]
        origin = tuple((name, shown(plain(value))) for name, value in self.provenance.items())
        if origin:
            parts.append(Table("provenance", "Where it comes from", ("what", "value"), origin).markdown())
        return "\n\n".join(parts) + "\n"


def shown(cell: object) -> str:
    """A cell as people read it."""
    if cell is None:
        return ABSENT
    if isinstance(cell, bool | np.bool_):
        return "yes" if cell else "no"
    if isinstance(cell, float | np.floating):
        return f"{cell:.{DECIMALS}f}" if math.isfinite(cell) else ABSENT
    if isinstance(cell, Mapping):
        return ", ".join(f"{name} {shown(value)}" for name, value in cell.items())
    if isinstance(cell, list | tuple):
        return ", ".join(shown(value) for value in cell)
    return str(cell)


def plain(value: object) -> Any:
    """What JSON holds: NumPy's numbers become Python's, a number that is not finite null, floats are rounded."""
    if isinstance(value, Figure):
        return value.to_dict()
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return round(float(value), EXACT_DECIMALS) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(entry) for entry in value]
    return value if value is None or isinstance(value, str) else str(value)


def _csv_cells(cell: object, three: bool) -> Iterable[object]:
    figure = cell if isinstance(cell, Figure) else Figure(None)
    value = plain(figure.value) if isinstance(cell, Figure) else plain(cell)
    blank = ["" if value is None else value]
    return (
        [*blank, *("" if each is None else plain(each) for each in (figure.low, figure.high))]
        if three
        else blank
    )


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
