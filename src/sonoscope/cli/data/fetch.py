"""``sonoscope data fetch`` and ``sonoscope data formats``: data sets, what can be had of them, and what is read."""

from __future__ import annotations

import json as json_module
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonoscope.cli.telling import TOLD_EVERY_S, say
from sonoscope.cli.words import named
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from sonoscope.data.datasets import Dataset
    from sonoscope.data.fetch import Item


Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]", show_default=False, help="A data set; `fetch --list` alone shows which there are."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="ROOT",
        show_default=False,
        help="The folder it is fetched into (default: NAME in $SONOSCOPE_DATASETS).",
    ),
]
Listing = Annotated[
    bool, typer.Option("--list", help="Only show what would be fetched, and how far it is in ROOT.")
]
Part = Annotated[
    str | None,
    typer.Option("--part", metavar="PART,...", show_default=False, help="Only these parts, such as train."),
]
KeepArchives = Annotated[
    bool, typer.Option("--keep-archives", help="Do not remove archives once they are unpacked.")
]
Again = Annotated[
    bool, typer.Option("--again", help="Fetch again what was fetched before, and removed or changed since.")
]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def fetch_command(
    name: Name = None,
    out: Out = None,
    list_only: Listing = False,
    part: Part = None,
    keep_archives: KeepArchives = False,
    again: Again = False,
) -> int:
    """Fetch a data set: files, sizes, target and free space are shown first; then it is downloaded and unpacked.

    What is interrupted goes on in the next call. Checksums are compared where they are published. A file that you
    put into ROOT under its name is taken as fetched, so a machine without a network needs only the last step.
    """
    from sonoscope.data import datasets, fetch, sources

    if name is None:
        if not list_only:
            raise UsageError("which data set? `sonoscope data fetch --list` shows them")
        _show_all(list(datasets.DATASETS.values()))
        return 0
    dataset = datasets.find(name)
    parts = [] if part is None else named(part, "--part")
    if out is None and os.environ.get(sources.HOME):
        out = sources.home_of(name)
    items = fetch.plan(dataset, out, parts, again=again)
    if list_only:
        _show(dataset, items, out)
        return 0
    if out is None:
        raise UsageError(f"where to? Name a folder: sonoscope data fetch {name} -o FOLDER")
    items = fetch.measured(items)
    _show(dataset, items, out)
    done = fetch.fetch(
        dataset, out, items, keep_archives=keep_archives, say=say, progress=download_progress()
    )
    if done.downloaded or done.unpacked:
        say(f"{len(done.downloaded)} downloaded, {done.unpacked:,} files unpacked")
    else:
        say("all of it is there already")
    say(f"list what it holds: sonoscope data manifest {name}:{out} -o manifest.csv")
    return 0


def formats_command(json: Json = False) -> int:
    """Show what `data` reads and writes: data sets, forms of manifests, annotations."""
    from sonoscope.data.datasets import DATASETS
    from sonoscope.data.forms import FORMS
    from sonoscope.outputs import READERS, WRITERS
    from sonoscope.values import columns

    notes = {
        "maps": ".txt with OnsetTime, OffsetTime, MidiPitch: notes of MAPS",
        "musicnet": ".csv with start_time, end_time, instrument, note: notes of MusicNet",
        "guitarset": ".jams with note_midi: notes of GuitarSet",
        "medleydb": ".lab with time, S01, S02 …: activations of MedleyDB's stems",
        "buzzdetect-training": ".csv with ident, start, end, label",
    }
    if json:
        found: dict[str, Any] = {
            "datasets": {
                name: {
                    "title": dataset.title,
                    "reads": dataset.layout,
                    "source": dataset.source,
                    "licence": dataset.licence,
                    "citation": dataset.citation,
                    "url": dataset.url,
                    "splits": dataset.splits,
                    "labels": dataset.labels,
                    "fetch": dataset.parts,
                }
                for name, dataset in DATASETS.items()
            },
            "manifests": {name: form.header for name, form in FORMS.items()},
            "annotations": {name: _endings(form) for name, form in READERS.items()} | notes,
        }
        print(json_module.dumps(found, indent=2, ensure_ascii=False))
        return 0
    print("Data sets (NAME:FOLDER wherever data are named)")
    _table([(name, dataset.layout) for name, dataset in DATASETS.items()])
    print("\nManifests (.csv, .parquet; read and written by `data manifest`)")
    _table([(name, form.header) for name, form in FORMS.items()])
    print("\nAnnotations beside recordings, or in a manifest's column `annotation`")
    rows = [
        (name, _endings(form), "read and written" if name in WRITERS else "read")
        for name, form in READERS.items()
    ]
    print("\n".join(columns(rows, indent="  ")))
    _table(list(notes.items()))
    return 0


def _endings(form: Any) -> str:
    return ", ".join(dict.fromkeys((form.suffix, *form.extensions)))


def _table(rows: Sequence[tuple[str, str]]) -> None:
    """Two columns, the second one wrapped."""
    left = max(len(name) for name, _ in rows)
    width = max(shutil.get_terminal_size((110, 24)).columns - left - 4, 40)
    for name, text in rows:
        first, *others = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
        print(f"  {name.ljust(left)}  {first}")
        for line in others:
            print(f"  {'':{left}}  {line}")


def _show_all(found: Sequence[Dataset]) -> None:
    """Every data set, and which parts can be fetched."""
    from sonoscope.values import columns

    rows = [("name", "parts to fetch", "what")]
    rows += [(d.name, ",".join(d.parts) or "on request, or yours", d.what) for d in found]
    print("\n".join(columns(rows)))


def _show(dataset: Dataset, items: Sequence[Item], root: Path | None) -> None:
    """What there is to fetch, where to, and what the disk has room for."""
    from sonoscope.data.fetch import free_bytes, gigabytes
    from sonoscope.values import columns

    print(f"{dataset.title}\n  {dataset.what}\n  licence: {dataset.licence}\n  cite: {dataset.citation}\n")
    rows = [("part", "file", "size", "state" if root else "", "checksum")]
    for item in items:
        size = "unknown" if item.size is None else gigabytes(item.size)
        state = f"{gigabytes(item.have_bytes)} are there" if item.state == "partial" else item.state
        checksum = item.file.checksum or "none published"
        rows.append((item.file.part, item.file.name, size, state if root else "", checksum))
    shown = [[cell for cell in row if cell or root] for row in rows]
    print("\n".join(columns(shown, right=(2,), indent="  ")))
    for item in items:
        print(f"  {item.file.url}")
    left = sum(item.left_bytes for item in items)
    unknown = any(item.size is None and item.state != "done" for item in items)
    known = f"at least {gigabytes(left)}" if left else "unknown until the servers are asked"
    print(f"\nto fetch: {known if unknown else gigabytes(left)}; archives need as much again to be unpacked")
    if root:
        print(f"target: {root.absolute()}\nfree there: {gigabytes(free_bytes(root))}", flush=True)


def download_progress() -> Callable[[str, int, int | None], None]:
    """Tell on stderr how far a download is: one line rewritten on a terminal, now and then elsewhere."""
    from sonoscope.data.fetch import gigabytes

    terminal = sys.stderr.isatty()
    told_at = time.monotonic()

    def report(name: str, done: int, total: int | None) -> None:
        nonlocal told_at
        now = time.monotonic()
        finished = done == total
        if not finished and now - told_at < (0.2 if terminal else TOLD_EVERY_S):
            return
        told_at = now
        share = f" of {gigabytes(total)}, {done / total:.0%}" if total else ""
        line = f"{name}: {gigabytes(done)}{share}"
        if terminal:
            print(f"\r{line.ljust(70)}", end="\n" if finished else "", file=sys.stderr, flush=True)
        else:
            say(line)

    return report
