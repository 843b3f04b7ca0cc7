"""``sonoscope review FOLDER``: a page on which clips are judged, by keyboard; and how far reviewers agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.words import check_new, listed
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from sonoscope.field.clipfolder import Clip, ClipFolder

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", show_default=False, help="A folder that sonoscope clips made.")
]
Reviewer = Annotated[
    str | None,
    typer.Option(metavar="NAME", show_default=False, help="Who judges: verdicts go to verdicts-NAME.csv."),
]
Port = Annotated[
    int | None,
    typer.Option(
        metavar="PORT", show_default=False, help="Port of the page. Default: the first free from 8765 on."
    ),
]
Labels = Annotated[
    str | None, typer.Option(metavar="LABEL,...", show_default=False, help="Only clips of these classes.")
]
Show = Annotated[bool, typer.Option("--open", help="Also open the page in the browser.")]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="PAGE.HTML",
        show_default=False,
        help="Write the page as one file to be mailed, sounds included, instead of serving it.",
    ),
]
Agreement = Annotated[
    bool, typer.Option("--agreement", help="Say how far the reviewers of the folder agree, and stop.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace PAGE.HTML if it is there.")]


def review_command(
    folder: Folder,
    reviewer: Reviewer = None,
    port: Port = None,
    labels: Labels = None,
    show: Show = False,
    html: Html = None,
    agreement: Agreement = False,
    overwrite: Overwrite = False,
) -> int:
    """Judge clips in the browser, one key each; the page is on this machine only.

    sonoscope review clips --reviewer anna
    """
    from sonoscope.field import clipfolder
    from sonoscope.field.reviewing.page import chosen

    ways = {"--agreement": agreement, "--html": html is not None, "--port": port is not None, "--open": show}
    given = [name for name, value in ways.items() if value]
    if len(given) > 1 and given != ["--port", "--open"]:
        raise UsageError(f"{given[0]} and {given[1]} do not go together: give one of them")
    if overwrite and html is None:
        raise UsageError("--overwrite is for --html")
    opened = clipfolder.open_folder(folder)
    names = listed(labels) if labels else None
    clips = chosen(opened, names)
    if agreement:
        return _agree(opened, clips)
    if html is not None:
        return _write(opened, clips, reviewer or "", html, overwrite)
    if reviewer is None:
        raise UsageError("who judges? --reviewer NAME; verdicts go to verdicts-NAME.csv in the folder")
    return _serve(opened, clips, reviewer, port, show)


def _serve(folder: ClipFolder, clips: Sequence[Clip], reviewer: str, port: int | None, show: bool) -> int:
    from sonoscope.cli.telling import say
    from sonoscope.errors import count
    from sonoscope.field.reviewing.server import Desk
    from sonoscope.field.verdicts import Notebook, file_of

    file = file_of(folder.path, reviewer)
    notebook = Notebook(file, reviewer, {clip.clip: clip.label for clip in folder.clips})
    with Desk(folder, clips, notebook, port) as desk:
        open_ = sum(clip.clip not in notebook.current for clip in clips)
        print(desk.url, flush=True)
        say(f"{open_} of {count(len(clips), 'clip')} to judge; verdicts go to {file}. Ctrl-C ends it")
        if show:
            import webbrowser

            webbrowser.open(desk.url)
        try:
            desk.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            say(f"{count(len(notebook.current), 'verdict')} in {file}")
    return 0


def _write(folder: ClipFolder, clips: Sequence[Clip], reviewer: str, file: Path, overwrite: bool) -> int:
    from sonoscope.cli.telling import say, told
    from sonoscope.data.table import put
    from sonoscope.field.reviewing.page import standalone
    from sonoscope.field.verdicts import file_of

    if reviewer:
        file_of(folder.path, reviewer)
    check_new(file, overwrite=overwrite)
    html = standalone(
        folder, clips, reviewer, told(lambda elapsed, done, of: f"{done} of {of} clips")
    ).encode()
    put(file, html)
    say(
        f"{len(clips)} clips in {file} ({len(html) / 1e6:.1f} MB). It opens in any browser; verdicts that come back "
        f"belong into {folder.path}"
    )
    return 0


def _agree(folder: ClipFolder, clips: Sequence[Clip]) -> int:
    from sonoscope.cli.telling import say
    from sonoscope.cli.verdicts import cells
    from sonoscope.field import agreement, verdicts
    from sonoscope.values import columns

    reviewers = verdicts.read_all(folder.path)
    verdicts.check_clips(reviewers, (clip.clip for clip in folder.clips))
    if len(reviewers) < 2:
        raise UsageError(
            f"{folder.path} has verdicts of {', '.join(reviewers)} only: agreement needs two reviewers"
        )
    mine = {clip.clip for clip in clips}
    reviewers = {
        name: {clip: verdict for clip, verdict in given.items() if clip in mine}
        for name, given in reviewers.items()
    }
    rows: list[tuple[str, ...]] = [("reviewers", "clips", "agree", "", "kappa", "")]
    for found in agreement.compare(reviewers):
        kind = "Cohen" if len(found.reviewers) == 2 else "Fleiss"
        rows.append(
            (
                ", ".join(found.reviewers),
                str(found.clips),
                *cells(found.agree),
                *(
                    part + (f" {kind}" if part and place else "")
                    for place, part in enumerate(cells(found.kappa))
                ),
            )
        )
    print("\n".join(columns(rows, right=(1, 2, 4))))
    apart = agreement.disagreements(reviewers)
    if apart:
        print(f"\nnot agreed on: {' '.join(apart)}")
    else:
        say("they agree on every clip that more than one judged")
    return 0
