"""``sonoscope search QUERY… --index FOLDER``: the sounds of an index that are nearest to a recording."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.embed import each
from sonoscope.cli.telling import say
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from sonoscope.embeddings import Hit, Index
    from sonoscope.values import Recording

Queries = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="QUERY…",
        show_default=False,
        help="Recordings whose like is looked for; without --index, the last is the index or folder to look in.",
    ),
]
Folder = Annotated[
    str, typer.Option("--index", metavar="FOLDER", show_default=False, help="The index; made by --build.")
]
Count = Annotated[int, typer.Option("-k", "--count", metavar="N", help="Windows for each query.")]
Build = Annotated[
    list[str] | None,
    typer.Option(
        "--build",
        metavar="INPUT",
        show_default=False,
        help="Add these recordings first; may be repeated. Those that are in it stay.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        show_default=False,
        help="A name, or a bundle's folder (default: the index's; field for a new one).",
    ),
]
Hop = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", show_default=False, help="Between windows, of a new index (default: the model's)."
    ),
]
Dtype = Annotated[
    str, typer.Option("--dtype", metavar="NAME", help="float16 or float32: what a new index keeps.")
]
Out = Annotated[
    str | None,
    typer.Option(
        "-o", "--out", metavar="FILE.csv", show_default=False, help="A table; - for stdout, as CSV."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the table if it exists.")]
COLUMNS = ("query", "file", "start", "end", "similarity")


def search(
    queries: Queries = None,
    index: Folder = "",
    number: Count = 10,
    build: Build = None,
    model: Model = None,
    hop: Hop = None,
    dtype: Dtype = "float16",
    out: Out = None,
    overwrite: Overwrite = False,
) -> int:
    """The sounds nearest to recordings, in an index of others; the recordings themselves left out."""
    if number < 1:
        raise UsageError(f"-k {number} must be at least 1")
    if out not in (None, "-") and Path(str(out)).exists() and not overwrite:
        raise UsageError(f"{out} exists: name another file, or say --overwrite")
    if out not in (None, "-") and not Path(str(out)).parent.is_dir():
        raise UsageError(f"{out}: there is no folder {str(Path(str(out)).parent)!r}. Make it first.")
    asked, adding = list(queries or ()), list(build or ())
    if not index and (adding or len(asked) < 2):
        raise UsageError(
            "name the index: --index FOLDER (with --build RECORDINGS it is made), or a folder behind the queries"
        )
    if not index and (Path(asked[-1]) / "index.json").is_file():
        index = asked.pop()
    if not asked and not adding:
        raise UsageError("name a query, or --build INPUT to add to the index")
    if index:
        return _search(asked, Path(index), adding, (model, hop, dtype), number, out)
    with tempfile.TemporaryDirectory() as folder:
        where = asked.pop()
        say(
            f"{where} is heard for this search; --index sounds --build {shlex.quote(where)} keeps what was heard"
        )
        return _search(asked, Path(folder), [where], (model, hop, dtype), number, out)


def _search(
    queries: list[str],
    folder: Path,
    build: list[str],
    how: tuple[str | None, float | None, str],
    number: int,
    out: str | None,
) -> int:
    """Add to the index of a folder, then ask it; ``how``: model, hop and what it keeps."""
    from sonoscope.audio import find

    # Inputs that are not there are refused before any work.
    asked, given = find.find(queries) if queries else (), find.find(build) if build else ()
    opened = _open(folder, *how, make=bool(build))
    failed = _add(opened, given) if build else 0
    if not queries:
        return 1 if failed else 0
    answers: list[tuple[str, Hit]] = []

    def take(recording: Recording) -> None:
        answers.extend((recording.name, hit) for hit in opened.query(recording, number))

    failed += each(asked, take)[1]
    _show(answers, out)
    return 1 if failed else 0


def _open(folder: Path, model: str | None, hop: float | None, dtype: str, *, make: bool) -> Index:
    """The index, with the model and hop it was built with unless others are named."""
    from sonoscope import models
    from sonoscope.embeddings import Embedder, Index
    from sonoscope.embeddings import index as indexes
    from sonoscope.errors import lookup

    lookup(indexes.DTYPES, dtype, "dtype")
    known = indexes.about(folder) if (folder / "index.json").is_file() or not make else None
    if model is None and known and known["model"] not in models.names():
        raise UsageError(
            f"{folder} was built with the model {known['model']!r}, which has no name here: give its folder (-m FOLDER)"
        )
    bundle = models.load(model or (known["model"] if known else "field"), labels=False)
    if known and hop is None:
        hop = min(known["hop_samples"], bundle.window_samples) / bundle.sample_rate
    return Index(folder, Embedder(bundle, hop), make=make, dtype=dtype)


def _add(index: Index, found: object) -> int:
    """Add recordings to the index; how many could not be read."""
    from sonoscope.errors import count

    before = len(index)

    def take(recording: Recording) -> None:
        if not index.holds(recording):
            index.add(recording)

    done, failed = each(found, take)  # type: ignore[arg-type]
    say(f"{count(done, 'recording')}: {count(len(index) - before, 'window')} new, {len(index)} in the index")
    return failed


def _show(answers: list[tuple[str, Hit]], out: str | None) -> None:
    """A table for people, or CSV."""
    from sonoscope.data import table
    from sonoscope.values import columns, format_seconds

    rows = [
        (query, hit.file, format_seconds(hit.start), format_seconds(hit.end), f"{hit.similarity:.4f}")
        for query, hit in answers
    ]
    if out is None:
        print("\n".join(columns([COLUMNS, *rows], right=(2, 3, 4))))
    elif out == "-":
        print(table.csv_text([COLUMNS, *rows]), end="")
    else:
        table.put(Path(out), table.csv_text([COLUMNS, *rows]).encode())
