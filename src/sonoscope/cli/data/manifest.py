"""``sonoscope data manifest``: recordings, or the tables of other systems, as a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.data.options import Labels, Remap, Root
from sonoscope.cli.telling import left_out, say, told
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from sonoscope.data.update import Updated


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        show_default=False,
        help="Folders of recordings; manifests and tables of other systems (.csv, .parquet); "
        "data sets (irmas:FOLDER); lists of those (.txt).",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        metavar="MANIFEST",
        show_default=False,
        help="A .csv or .parquet file. If it is there, only new rows are added to it.",
    ),
]
LabelsFrom = Annotated[
    str | None,
    typer.Option(
        metavar="folder",
        show_default=False,
        help="Label each file with the name of its folder (A,B: both sound; -A: known not to sound).",
    ),
]
FormName = Annotated[
    str, typer.Option("--form", metavar="NAME", help="What to write: sonoscope, label, columns, bits or mel.")
]
NoDurations = Annotated[
    bool,
    typer.Option(
        "--no-durations", help="Do not decode the files: lengths stay open and damage is not found."
    ),
]
NoCheck = Annotated[
    bool, typer.Option("--no-check", help="For tables: do not even see whether the files are there.")
]


def manifest_command(
    sources: Sources,
    out: Out,
    labels_from: LabelsFrom = None,
    labels: Labels = None,
    root: Root = None,
    remap: Remap = None,
    form: FormName = "sonoscope",
    no_durations: NoDurations = False,
    no_check: NoCheck = False,
) -> int:
    """List recordings in a manifest: a row for each, paths relative. A second run adds what is new.

    Every new file is decoded to count its length. Those that are missing, cut short or damaged are left out and
    listed, with the reason, in MANIFEST's .bad_rows.csv; the exit code is then 1.
    """
    from sonoscope.data import paths, table, update
    from sonoscope.data import sources as words
    from sonoscope.errors import count

    folders = [source for source in sources if Path(source).is_dir()]
    tables = [source for source in sources if source not in folders]
    if folders and form != "sonoscope":
        raise UsageError(
            f"--form {form} is for tables; a folder's recordings have no labels to write in that form"
        )
    if tables and labels_from:
        raise UsageError(f"--labels-from is for folders; {tables[0]!r} has labels of its own")
    table.check_place(out)
    done: list[Updated] = []
    for folder in folders:
        done.append(
            update.add_folder(
                out,
                folder,
                labels_from=labels_from,
                durations=not no_durations,
                labels=labels,
                progress=told(lambda past, done: f"{done:,} files, {done / past:,.0f} a second"),
            )
        )
    if tables:
        found = words.load(tables, labels=labels, root=root, remap=paths.parse_remaps(remap or ()))
        done.append(
            update.add_rows(
                out,
                found,
                form=form,
                decode=not no_durations,
                look=not no_check,
                labels=labels,
                progress=told(lambda past, done: f"{done:,} files, {done / past:,.0f} a second"),
            )
        )
    problems = [problem for each in done for problem in each.problems]
    bad = update.tell(out, problems)
    print(out)
    say(f"{count(sum(each.added for each in done), 'row')} added, {count(done[0].kept, 'row')} kept")
    for warning in (warning for each in done for warning in each.warnings):
        say(f"note: {warning}")
    return left_out(problems, f"left out, listed in {bad}")
