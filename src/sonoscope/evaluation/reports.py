"""Results as files: one file by its ending, or a folder with all of them. One entry a kind.

``FILES`` are what ``-o NAME.ending`` can be; ``IN_FOLDER`` what a folder gets, each from the whole result (None: this
result has none of it). Tables have a file each, ``NAME.csv``; that of the clips is ``predictions.csv``, which
``evaluate`` reads again. What can be drawn is in ``plots/``, as SVG and, where Matplotlib is installed, as PNG.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from sonoscope.data.table import put
from sonoscope.errors import UsageError
from sonoscope.evaluation import page, plots
from sonoscope.evaluation.result import Result, Table, plain
from sonoscope.writing import check_place

#: Tables whose file has another name.
CALLED = {"clips": "predictions"}
ARRAYS, PLOTS = "arrays.npz", "plots"


def as_json(result: Result) -> bytes:
    """Everything but arrays."""
    return (json.dumps(result.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def as_markdown(result: Result) -> bytes:
    """A page to read."""
    return result.markdown().encode()


def as_html(result: Result) -> bytes:
    """A page to look at and to hear."""
    return page.html(result).encode()


def as_text(result: Result) -> bytes:
    """What the terminal shows."""
    return result.text().encode()


def as_csv(result: Result) -> bytes:
    """A row for each figure: ``figure,value,low,high,sd,why``."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("figure", "value", "low", "high", "sd", "why"))
    for name, figure in result.figures.items():
        numbers = (figure.value, figure.low, figure.high, figure.sd)
        writer.writerow([name, *("" if n is None else plain(n) for n in numbers), figure.why])
    return file.getvalue().encode()


def as_arrays(result: Result) -> bytes | None:
    """Truth, scores and what else there is, as NumPy reads it."""
    if not result.arrays:
        return None
    file = io.BytesIO()
    np.savez_compressed(file, **{name: np.asarray(array) for name, array in result.arrays.items()})  # type: ignore[arg-type]
    return file.getvalue()


Writer = Callable[[Result], bytes | None]

FILES: Mapping[str, Writer] = {
    ".html": as_html,
    ".json": as_json,
    ".md": as_markdown,
    ".csv": as_csv,
    ".txt": as_text,
}
IN_FOLDER: dict[str, Writer] = {
    "metrics.json": as_json,
    "figures.csv": as_csv,
    "report.html": as_html,
    "report.md": as_markdown,
    ARRAYS: as_arrays,
}


def check(out: str | Path, *, overwrite: bool = False) -> Path:
    """Where results will be written; refused before anything is computed.

    Raises
    ------
    UsageError
        If the ending is of no known kind, or something is there and ``overwrite`` is not set.
    OSError
        If nothing can be written there.
    """
    path = Path(out)
    if path.suffix and not path.is_dir() and path.suffix.lower() not in FILES:
        raise UsageError(f"-o {out}: {path.suffix} is none of {', '.join(FILES)}; a folder has no ending")
    there = path.is_file() or (path.is_dir() and any((path / name).exists() for name in IN_FOLDER))
    if there and not overwrite:
        raise UsageError(f"{out} exists already: name another place with -o, or replace it with --overwrite")
    check_place(path)
    return path


def plays(out: Path) -> bool:
    """Whether what is written there has sound in it."""
    return out.suffix.lower() not in FILES or out.suffix.lower() == ".html" or out.is_dir()


def write(result: Result, out: Path) -> list[Path]:
    """Write a result into a file or a folder; what was there is replaced. Returns the files, in order."""
    if out.suffix.lower() in FILES and not out.is_dir():
        content = FILES[out.suffix.lower()](result)
        out.parent.mkdir(parents=True, exist_ok=True)
        put(out, content or b"")
        return [out]
    out.mkdir(parents=True, exist_ok=True)
    contents = {name: writer(result) for name, writer in IN_FOLDER.items()}
    contents |= {f"{CALLED.get(table.name, table.name)}.csv": _rows(table) for table in result.tables}
    contents |= _plotted(result)
    written = []
    for name, content in contents.items():
        if content is not None:
            (out / name).parent.mkdir(exist_ok=True)
            put(out / name, content)
            written.append(out / name)
    return written


def _plotted(result: Result) -> dict[str, bytes]:
    """Every plot as SVG and, where Matplotlib is installed, as PNG."""
    found: dict[str, bytes] = {}
    painted = importlib.util.find_spec("matplotlib") is not None
    for name, drawing in plots.drawn(result).items():
        found[f"{PLOTS}/{name}.svg"] = drawing.svg()
        if painted:
            found[f"{PLOTS}/{name}.png"] = drawing.png()
    return found


def _rows(table: Table) -> bytes:
    return table.csv().encode()
