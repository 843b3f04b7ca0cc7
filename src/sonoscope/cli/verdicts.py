"""``sonoscope thresholds verdicts FOLDER``: precision and recall over a season, and thresholds, from judged clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.words import check_new, listed
from sonoscope.errors import UsageError, lookup

if TYPE_CHECKING:
    from sonoscope.evaluation.result import Figure
    from sonoscope.field.clipfolder import ClipFolder
    from sonoscope.field.estimates import Estimate
    from sonoscope.field.evidence import Evidence
    from sonoscope.field.fitting import Point

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", show_default=False, help="A folder of clips with verdicts.")
]
Verdicts = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="VERDICTS.CSV",
        show_default=False,
        help="Only these verdicts. Default: all in the folder; where reviewers differ, the majority.",
    ),
]
Unsure = Annotated[
    str, typer.Option(metavar="out|yes|no", help="What clips count as of which nobody is sure.")
]
Precision = Annotated[
    float | None,
    typer.Option(metavar="SHARE", show_default=False, help="Find the lowest thresholds with this precision."),
]
Recall = Annotated[
    float | None,
    typer.Option(metavar="SHARE", show_default=False, help="Find the highest thresholds with this recall."),
]
Labels = Annotated[
    str | None, typer.Option(metavar="LABEL,...", show_default=False, help="Only these classes.")
]
Sites = Annotated[bool, typer.Option("--sites", help="Also say it for each site.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="FILE.CSV",
        show_default=False,
        help="Write the thresholds; analyze --threshold FILE.CSV reads them.",
    ),
]
Curve = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.CSV", show_default=False, help="Write precision and recall at many thresholds."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]


def verdicts_command(
    folder: Folder,
    verdicts: Verdicts = None,
    unsure: Unsure = "out",
    precision: Precision = None,
    recall: Recall = None,
    labels: Labels = None,
    sites: Sites = False,
    out: Out = None,
    curve: Curve = None,
    overwrite: Overwrite = False,
) -> int:
    """Say how right events are over the whole season, from verdicts on its clips; find thresholds.

    sonoscope thresholds verdicts clips --precision 0.9 -o thresholds.csv
    """
    from sonoscope.cli.telling import say
    from sonoscope.field import clipfolder, evidence, fitting

    wishes = {
        name: value for name, value in (("precision", precision), ("recall", recall)) if value is not None
    }
    _check(wishes, out, curve, overwrite)
    opened = clipfolder.open_folder(folder)
    answers = judged(opened, verdicts or (), unsure)
    known = evidence.of_folder(opened, answers)
    if labels is not None:
        known = {name: lookup(known, name, "class") for name in listed(labels)}
    print("\n".join(_table(known, sites=sites)))
    points = {label: fitting.curve(each) for label, each in known.items() if curve is not None or wishes}
    if curve is not None:
        _put(curve, _curve_text(points))
        say(f"written: {curve}")
    if not wishes:
        return 0
    [(name, wish)] = wishes.items()
    choose = fitting.for_precision if name == "precision" else fitting.for_recall
    fitted, refused = dict[str, fitting.Point](), list[str]()
    for label, of in points.items():
        try:
            fitted[label] = choose(label, of, wish)
        except UsageError as why:
            refused.append(str(why))
    if refused:
        raise UsageError("; ".join(refused))
    print("\n" + "\n".join(_fitted(fitted)))
    if out is not None:
        _put(out, fitting.thresholds_text(fitted))
        say(f"written: {out}; apply it: sonoscope analyze --from-scores OUT --threshold {out}")
    return 0


def judged(folder: ClipFolder, files: list[Path] | tuple[Path, ...], unsure: str) -> dict[str, bool]:
    """Whether the sound is in each clip that was judged; says for how much of the season nothing was.

    Raises
    ------
    UsageError
        If nothing was.
    """
    from sonoscope.cli.telling import say
    from sonoscope.field import evidence, verdicts

    reviewers = verdicts.read_all(folder.path, files)
    verdicts.check_clips(reviewers, (clip.clip for clip in folder.clips))
    answers = verdicts.together(reviewers.values(), unsure)
    if not answers:
        raise UsageError(f"{folder.path} has no clip of which anybody is sure: judge some first")
    for label in folder.labels:
        share = evidence.unjudged(folder.of(label), answers)
        if 0.005 <= share < 1:
            say(
                f"{label}: nobody judged clips that stand for {share:.0%} of its windows (of a site, or of a range of "
                "scores); those windows are taken to be as the others"
            )
    return answers


def _check(wishes: Mapping[str, float], out: Path | None, curve: Path | None, overwrite: bool) -> None:
    from sonoscope.field.fitting import check_wish

    if len(wishes) > 1:
        raise UsageError("--precision and --recall are two wishes: give one of them")
    for name, value in wishes.items():
        check_wish(name, value)
    if out is not None and not wishes:
        raise UsageError("-o takes thresholds: say what is wished, --precision 0.9 or --recall 0.5")
    for file in (out, curve):
        check_new(file, ".csv", overwrite=overwrite)


def _table(known: Mapping[str, Evidence], *, sites: bool) -> list[str]:
    """A line for each class, and site: precision, recall, and from how much."""
    from sonoscope.field.estimates import by_events, estimate
    from sonoscope.values import columns

    head = ("class", *(("site",) if sites else ()), "precision", "", "recall", "", "verdicts", "of found")
    rows: list[tuple[str, ...]] = [head]
    for label, each in known.items():
        places: list[str | None] = [None, *(each.frame.sites if sites else ())]
        for site in places:
            part = each if site is None else each.at(site)
            found = estimate(part, by_events(part))
            where = ("all" if site is None else site,) if sites else ()
            rows.append(
                (
                    label,
                    *where,
                    *cells(found.precision),
                    *cells(found.recall),
                    str(found.judged),
                    str(found.judged_found),
                )
            )
    right = {
        place for place, name in enumerate(head) if name in ("precision", "recall", "verdicts", "of found")
    }
    return columns(rows, right=right)


def _fitted(fitted: Mapping[str, Point]) -> list[str]:
    from sonoscope.values import columns

    rows: list[tuple[str, ...]] = [("class", "threshold", "precision", "", "recall", "")]
    for label, point in fitted.items():
        found: Estimate = point.estimate
        rows.append((label, f"{point.threshold:.4f}", *cells(found.precision), *cells(found.recall)))
    return columns(rows, right=(1, 2, 4))


def cells(figure: Figure) -> tuple[str, str]:
    """A figure and its interval, in two columns."""
    if figure.value is None:
        return "–", figure.why
    return f"{figure.value:.2f}", f"[{figure.low:.2f}, {figure.high:.2f}]"


def _curve_text(points: Mapping[str, list[Point]]) -> str:
    """The lines of :func:`~sonoscope.field.fitting.thresholds_text` for every threshold that was tried."""
    from sonoscope.field.fitting import thresholds_text

    parts = [thresholds_text({label: point}).split("\n", 1) for label, of in points.items() for point in of]
    return (parts[0][0] + "\n" if parts else "") + "".join(body for _, body in parts)


def _put(file: Path, content: str) -> None:
    from sonoscope.data.table import put

    put(file, content.encode())
