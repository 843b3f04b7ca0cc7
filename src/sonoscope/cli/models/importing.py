"""``sonoscope models import``: an ONNX graph that somebody else made, as a model."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope import delimited
from sonoscope.cli.parameters import Set, of_feature
from sonoscope.cli.words import number
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from sonoscope.values import Label

#: Columns that hold what a class is called, in tables of classes; the first one that is there counts.
NAME_COLUMNS = (
    "display_name", "common_name", "name", "label", "class_name", "class", "species", "inat2024_fsd50k",
)  # fmt: skip

Graph = Annotated[
    Path, typer.Argument(metavar="FILE.onnx", show_default=False, help="The graph, weights included.")
]
Out = Annotated[
    Path,
    typer.Option("-o", "--out", metavar="BUNDLE", show_default=False, help="The folder of the new bundle."),
]
Labels = Annotated[
    str,
    typer.Option(
        metavar="FILE|SET",
        show_default=False,
        help="The labels in the order of the scores: a line each, a JSON list, a CSV with a column of names, or a set.",
    ),
]
Rate = Annotated[
    int, typer.Option(metavar="HZ", show_default=False, help="Rate of the samples that it takes.")
]
Window = Annotated[
    float,
    typer.Option(metavar="SECONDS", parser=number, show_default=False, help="What it sees at a time."),
]
Hop = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", parser=number, show_default=False, help="Between windows (default: the window)."
    ),
]
Scores = Annotated[
    str,
    typer.Option(
        metavar="OUTPUT",
        show_default=False,
        help="The output with the scores (default: as wide as the labels).",
    ),
]
Embedding = Annotated[
    str,
    typer.Option(
        metavar="OUTPUT", show_default=False, help="The output with the embedding, for training on it."
    ),
]
Scale = Annotated[
    str,
    typer.Option(
        metavar="logit|probability",
        show_default=False,
        help="What the scores are (default: told by their values).",
    ),
]
FeatureName = Annotated[
    str,
    typer.Option(
        "--feature", metavar="NAME", show_default=False, help="What its rows are; without it: samples go in."
    ),
]
Name = Annotated[
    str, typer.Option(metavar="NAME", show_default=False, help="Name in tables (default: the file's).")
]
Licence = Annotated[str, typer.Option(metavar="SPDX", show_default=False, help="Under which it may be used.")]


def import_command(
    graph: Graph,
    out: Out,
    labels: Labels,
    sample_rate: Rate,
    window: Window,
    hop: Hop = None,
    scores: Scores = "",
    embedding: Embedding = "",
    scale: Scale = "",
    feature: FeatureName = "",
    parameters: Set = None,
    name: Name = "",
    licence: Licence = "",
) -> int:
    """Make a model of an ONNX graph that somebody else made.

    BirdNET, Perch, YAMNet and the like, which you have converted: a waveform, or rows of one of our features, goes in.
    Shapes are looked at, the graph is tried out, and what is concluded is told.
    """
    from sonoscope import features
    from sonoscope.cli.telling import say
    from sonoscope.models.foreign import Wish, import_graph

    given = of_feature(parameters)
    if given and not feature:
        raise UsageError("--set is about a feature: name it with --feature")
    made = None
    if feature:
        try:
            made = features.from_dict({"name": feature, "sample_rate": sample_rate, **given})
        except (TypeError, ValueError) as error:
            raise UsageError(f"--feature {feature}: {error}") from None
    wish = Wish(
        labels=read_labels(labels), sample_rate=sample_rate, window_s=window, hop_s=hop, scores=scores,
        embedding=embedding, feature=made, scale=scale, name=name or out.name, licence=licence,
    )  # fmt: skip
    bundle, told = import_graph(graph, out, wish)
    for line in told:
        say(line)
    print(out)
    say(f"{len(bundle.labels)} labels. Try it: sonoscope analyze RECORDINGS -m {out}")
    return 0


def read_labels(wish: str) -> tuple[Label, ...]:
    """Labels of a set, of a label map, or of a table of classes (CSV).

    Raises
    ------
    UsageError
        If the table has no column of names, or a name twice; what else can be wrong with a label map.
    """
    from sonoscope.data import labelmap

    path = Path(wish)
    if path.suffix.lower() not in (".csv", ".tsv"):
        return labelmap.find(wish if path.suffix else (path if path.is_file() else wish), Path())
    try:
        text = io.StringIO(delimited.decoded(path, UsageError), newline="")
    except OSError as error:
        raise UsageError(f"--labels {path} cannot be read ({error})") from None
    mark = "\t" if path.suffix.lower() == ".tsv" else ""
    lines = delimited.rows(text, str(path), UsageError, mark=mark).lines
    rows = [cells for _, cells in lines if any(cell.strip() for cell in cells)]
    if not rows:
        raise UsageError(f"--labels {path} is empty")
    return labelmap.find(_names(path, rows), Path())


def _names(path: Path, rows: Sequence[Sequence[str]]) -> list[Label]:
    """The labels of a table of classes."""
    from sonoscope.values import Label

    header = [cell.strip().lower() for cell in rows[0]]
    column = next((header.index(name) for name in NAME_COLUMNS if name in header), None)
    body = rows[1:]
    if column is None and len(header) == 1:
        column, body = 0, rows
    if column is None:
        raise UsageError(
            f"--labels {path}: none of its columns ({', '.join(rows[0])}) is called {', '.join(NAME_COLUMNS)}"
        )
    mids = header.index("mid") if "mid" in header else None
    names = [row[column].strip() for row in body]
    return [
        Label(name, name, audioset_mid="" if mids is None else row[mids].strip())
        for name, row in zip(names, body, strict=True)
    ]
