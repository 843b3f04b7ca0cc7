"""``sonoscope data summary``: what a data set holds, and what to know before training on it."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from sonoscope.cli.data.options import Labels, Root
from sonoscope.cli.telling import left_out, say, told
from sonoscope.errors import UsageError
from sonoscope.writing import check_place

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="Manifests (.csv, .parquet), folders of recordings, data sets (irmas:FOLDER, irmas:FOLDER/train), "
        "lists of those (.txt).",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", metavar="REPORT", show_default=False, help="Write the report, an .html file."
    ),
]
Features = Annotated[
    Path | None,
    typer.Option(
        metavar="TABLE",
        show_default=False,
        help="Write a .csv or .parquet table: labels as 0 and 1, and features, for each row that was heard.",
    ),
]
Sample = Annotated[
    str,
    typer.Option(
        metavar="N|all", help="How many rows are heard; the same ones every time. Counts are about all rows."
    ),
]
NoAudio = Annotated[
    bool, typer.Option("--no-audio", help="Decode nothing: only count what the manifest says.")
]
Json = Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")]


def summary_command(
    data: Sources,
    out: Out = None,
    features: Features = None,
    sample: Sample = "2000",
    no_audio: NoAudio = False,
    labels: Labels = None,
    root: Root = None,
    json: Json = False,
) -> int:
    """Look at a data set: counts, splits, leaks, levels, features, key, tempo, maps; as one HTML file with -o.

    Rows that cannot be heard are listed in REPORT's .bad_rows.csv, and the exit code is then 1.
    """
    from sonoscope.cli.display import printable
    from sonoscope.data import sources, summary
    from sonoscope.data.summary import feature_table, page, text

    rows = _rows(sample)
    _check(out, features, no_audio)
    manifest = sources.load(data, labels=labels, root=root)
    found = summary.summarise(
        manifest,
        audio=not no_audio,
        rows=rows,
        maps=out is not None,
        progress=told(_heard),
    )
    if json:
        print(json_module.dumps(text.to_dict(found), indent=2, ensure_ascii=False))
    else:
        print("\n".join(printable(line) for line in text.lines(found)))
    if features is not None and found.heard is not None:
        feature_table.write(found.manifest, found.heard, features)
        say(f"features: {features}")
    if out is not None:
        page.write(found, out, f"Data summary: {', '.join(Path(word).name or word for word in data)}")
        say(f"report: {out}")
    return _bad_rows(out, found.problems)


def _rows(text: str) -> int | None:
    """How many rows to hear; None for all."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--sample {text}: give a number of rows from 1 on, or all")
    return int(text)


def _check(out: Path | None, features: Path | None, no_audio: bool) -> None:
    """Refuse what would fail after minutes of listening."""
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"-o {out}: the report is an .html file")
    if features is not None and features.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"--features {features}: the table is a .csv or a .parquet file")
    if features is not None and no_audio:
        raise UsageError("--features needs sound: leave out --no-audio")
    if features is not None and features.suffix.lower() == ".parquet":
        from sonoscope.errors import optional

        optional("pyarrow", "tables", "a feature table in Parquet")
    for path in (out, features):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{path}: there is no folder {str(path.parent)!r}. Make it first.")
        if path is not None:
            check_place(path)


def _bad_rows(out: Path | None, problems: tuple) -> int:
    """List what cannot be used beside the report; the exit code."""
    from sonoscope.data import badrows

    listed = badrows.beside(out) if out is not None else None
    if not problems:
        if listed is not None:
            listed.unlink(missing_ok=True)
        return 0
    where = ""
    if listed is not None:
        badrows.write(problems, listed)
        where = f", listed in {listed}"
    return left_out(problems, f"cannot be used{where}")


def _heard(_: float, done: int, total: int) -> str:
    return f"{done:,} of {total:,} rows heard"
