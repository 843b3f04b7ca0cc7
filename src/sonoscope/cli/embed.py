"""``sonoscope embed INPUT… -o OUT``: a vector for each window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonoscope.cli.cluster import Dask, DaskWorkers
from sonoscope.cli.telling import say
from sonoscope.errors import UnreadableAudio, UsageError

if TYPE_CHECKING:
    from sonoscope.audio.find import Unlisted
    from sonoscope.embeddings.vectors import Piece
    from sonoscope.runs.dasked import Share
    from sonoscope.values import Recording

Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT…", show_default=False, help="Files, folders, patterns or archives."),
]
Model = Annotated[str, typer.Option("-m", "--model", metavar="MODEL", help="A name, or a bundle's folder.")]
Out = Annotated[
    str,
    typer.Option(
        "-o",
        "--out",
        metavar="FILE|FOLDER",
        show_default=False,
        help="A .npz or .parquet file for all, or a folder with an .embeddings.npz for each.",
    ),
]
Hop = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", show_default=False, help="Between windows, up to one (default: the model's)."
    ),
]
Channel = Annotated[
    int | None,
    typer.Option(metavar="N", show_default=False, help="The channel to hear, from 1 (default: their mean)."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]


def embed(
    inputs: Inputs,
    out: Out,
    model: Model = "field",
    hop: Hop = None,
    channel: Channel = None,
    dask: Dask = None,
    workers: DaskWorkers = None,
    overwrite: Overwrite = False,
) -> int:
    """Embeddings: a vector for each window of recordings, for classifiers, maps and searches of your own."""
    from sonoscope import models
    from sonoscope.audio import find
    from sonoscope.embeddings import Embedder, Folder, OneFile
    from sonoscope.embeddings.vectors import embedded
    from sonoscope.errors import count
    from sonoscope.runs import dasked

    if workers is not None and dask is None:
        raise UsageError("--workers is about --dask: alone, recordings are heard one after the other")
    found = find.find(inputs)
    bundle = models.load(model, labels=False)
    embedder = Embedder(bundle, hop, channel)
    windows = 0

    def add(name: str, pieces: Iterable[Piece]) -> None:
        nonlocal windows
        windows += sink.add(name, pieces)

    def take(recording: Recording) -> None:
        add(recording.name, embedder.pieces(recording))

    target = Path(out)
    one = bool(target.suffix) and not out.endswith("/") and not target.is_dir()
    with (OneFile if one else Folder)(target, embedder, overwrite=overwrite) as sink:
        if dask is None:
            done, failed = each(found, take)
        else:
            with dasked.shared(dask, workers) as share:
                pieces: deque[list[Piece]] = deque()
                done, failed = each(
                    _clustered(found, share, partial(embedded, bundle, hop, channel), pieces),
                    lambda recording: add(recording.name, pieces.popleft()),
                )
        if done:
            sink.close()
    if done:
        text = f"{count(windows, 'embedding')} of {count(done, 'recording')}, {embedder.size} values each"
        say(f"{text}, in {target}")
    return 1 if failed else 0


def _clustered(
    found: Iterable[Recording | Unlisted],
    share: Share,
    function: Callable[[Recording | Unlisted], list[Piece] | UnreadableAudio],
    pieces: deque[list[Piece]],
) -> Iterator[Recording | Unlisted]:
    """The recordings in order, each when its pieces are in ``pieces``; what failed is as what cannot be listed."""
    from sonoscope.audio.find import Unlisted

    handed = deque[Any]()

    def handing() -> Iterator[Recording | Unlisted]:
        for entry in found:
            handed.append(entry)
            yield entry

    for result in share(function, handing()):
        entry = handed.popleft()
        if isinstance(result, UnreadableAudio):
            yield Unlisted(result.file, result.reason, result.remedy)
        else:
            pieces.append(result)
            yield entry


def each(found: Iterable[Recording | Unlisted], take: Callable[[Recording], None]) -> tuple[int, int]:
    """Call ``take`` for every recording; what cannot be read is told on stderr. How many went well, and did not."""
    from sonoscope.values import Recording

    done = failed = 0
    for entry in found:
        if not isinstance(entry, Recording):
            say(f"{entry.name}: {entry.reason}. {entry.remedy}")
            failed += 1
            continue
        try:
            take(entry)
        except UnreadableAudio as error:
            say(str(error))
            failed += 1
        else:
            done += 1
    if not done and not failed:
        say("no recordings among the inputs")
    return done, failed
