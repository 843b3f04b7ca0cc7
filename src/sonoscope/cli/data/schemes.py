"""``sonoscope data schemes``: what the labels of one data set or model mean in another."""

from __future__ import annotations

from typing import Annotated

import typer

from sonoscope.cli.words import listed
from sonoscope.errors import UsageError

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE", show_default=False, help="A scheme, or labels by comma (default: list the schemes)."
    ),
]
Target = Annotated[
    str | None,
    typer.Argument(metavar="TARGET", show_default=False, help="The scheme, or labels, to arrive at."),
]
Merge = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SOURCE=TARGET",
        show_default=False,
        help="Make a label another that it is no kind of; may be repeated.",
    ),
]
Rest = Annotated[
    str, typer.Option(metavar="TARGET", show_default=False, help="Where all goes that has no place.")
]
AsCsv = Annotated[bool, typer.Option("--csv", help="As a table: source, how, target.")]


def schemes_command(
    source: Source = None, target: Target = None, merge: Merge = None, rest: Rest = "", csv: AsCsv = False
) -> int:
    """Print the way from one label scheme to another; without arguments, all schemes.

    Nothing is merged silently: what is dropped and what is never reached is in the table.
    """
    from sonoscope.data import schemes

    if source is None:
        width = max(map(len, schemes.SCHEMES))
        for name, labels in schemes.SCHEMES.items():
            print(
                f"{name:<{width}}  {len(labels):>3}  {', '.join(labels[:6])}{' …' if len(labels) > 6 else ''}"
            )
        return 0
    if target is None:
        for label in schemes.scheme(_labels(source)):
            print(label)
        return 0
    bridge = schemes.bridge(_labels(source), _labels(target), merge=_merged(merge or []), rest=rest)
    if csv:
        from sonoscope.data.table import csv_text

        rows = [[way.source, way.how, ";".join(way.targets)] for way in bridge.ways]
        print(
            csv_text([["source", "how", "target"], *rows, *(["", "missing", t] for t in bridge.missing)]),
            end="",
        )
        return 0
    print(bridge.text(), end="")
    return 0


def _labels(text: str) -> str | list[str]:
    """A scheme's name, or the labels that are named themselves."""
    return listed(text) if "," in text else text


def _merged(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        label, sign, into = text.partition("=")
        if not (label and sign and into):
            raise UsageError(
                f"--merge {text!r} must be SOURCE=TARGET, such as electric_guitar=acoustic_guitar"
            )
        found[label] = into
    return found
