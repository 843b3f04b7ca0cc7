"""``sonoscope data audit``: labels that are probably wrong, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.data.options import Labels, Root
from sonoscope.cli.telling import left_out, say, told
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from sonoscope.data.audit.tasks import Listening
    from sonoscope.data.rows import Manifest
    from sonoscope.data.survey import Problem


Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="Labelled recordings: manifests, folders, data sets (irmas:FOLDER), lists of those (.txt).",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        metavar="FOLDER|FILE",
        show_default=False,
        help="Folder of the results; with --apply and --split-class also the new manifest itself (.csv, .parquet).",
    ),
]
ModelName = Annotated[
    str, typer.Option("-m", "--model", metavar="NAME|FOLDER", help="Whose embeddings to learn from.")
]
GroupBy = Annotated[
    str,
    typer.Option(
        metavar="COLUMN",
        help="What is never on both sides of a test: a column of the manifest; 'path': each file by itself.",
    ),
]
Folds = Annotated[int, typer.Option(metavar="N", help="Parts into which groups are divided for testing.")]
Top = Annotated[int, typer.Option(metavar="N", help="Doubtful rows that get a player on the page.")]
Present = Annotated[
    float, typer.Option(metavar="SHARE", help="Share of a row in which its label must be heard.")
]
Embeddings = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        help="An earlier audit: rows whose files have not changed are not listened to again.",
    ),
]
Apply = Annotated[
    Path | None,
    typer.Option(
        metavar="OVERRIDES",
        show_default=False,
        help="Carry out these decisions, write the cleaned manifest, and compare models of both.",
    ),
]
NoCompare = Annotated[
    bool, typer.Option("--no-compare", help="With --apply: only write the manifest, without listening.")
]
Against = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        show_default=False,
        help="Another labelling of the same recordings, taken as the truth, to set this one against.",
    ),
]
SplitClass = Annotated[
    str | None,
    typer.Option(
        metavar="COARSE=FINE,FINE",
        show_default=False,
        help="Split a class by clusters of embeddings: guitar=acoustic_guitar,electric_guitar.",
    ),
]
Pairs = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        show_default=False,
        help="With --split-class: rows labelled with the fine classes (default: those in DATA).",
    ),
]
KeepShare = Annotated[
    float,
    typer.Option(
        metavar="SHARE", help="With --split-class: the most confident rows, which get the new label."
    ),
]
Rehearse = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        show_default=False,
        help="Exchange labels in this share of rows and see how many of them the audit finds.",
    ),
]


def audit_command(
    data: Data,
    out: Out,
    model: ModelName = "instruments",
    group_by: GroupBy = "group",
    folds: Folds = 5,
    top: Top = 200,
    present: Present = 0.5,
    embeddings: Embeddings = None,
    labels: Labels = None,
    root: Root = None,
    apply: Apply = None,
    no_compare: NoCompare = False,
    against: Against = None,
    split_class: SplitClass = None,
    pairs: Pairs = None,
    keep_share: KeepShare = 0.5,
    rehearse: Rehearse = None,
) -> int:
    """Find labels that are probably wrong, as a ranked table and a page with players.

    A logistic head on the model's embeddings scores each row without having met its group; cleanlab ranks the labels
    that these scores contradict. Needs the extra 'data'. The exit code is 1 if rows could not be listened to
    (bad_rows.csv).
    """
    from sonoscope import models
    from sonoscope.data import sources
    from sonoscope.data.audit import tasks

    _one_task(apply=apply, against=against, split_class=split_class, rehearse=rehearse)
    if pairs is not None and split_class is None:
        raise UsageError("--pairs is for --split-class")
    if no_compare and apply is None:
        raise UsageError("--no-compare is for --apply")
    folder = _folder(out, may_be_file=apply is not None or split_class is not None)
    rows = sources.load(data, labels=labels, root=root)
    if against is not None:
        return _against(rows, sources.load(against, labels=labels, root=root), out, group_by)
    listening = tasks.Listening(
        models.load(model),
        folder,
        embeddings,
        told(_heard),
    )
    if apply is not None:
        cleaned = out if folder is None else out / "cleaned.csv"
        return _apply(rows, apply, cleaned, listening, group_by, folds, not no_compare)
    if split_class is not None:
        made = out if folder is None else out / "split.csv"
        labelled = rows if pairs is None else sources.load(pairs)
        return _split(rows, split_class, labelled, made, listening, keep_share, group_by, folds)
    if rehearse is not None:
        return _rehearse(rows, listening, rehearse, group_by, folds)
    return _audit(rows, listening, ", ".join(data), group_by, folds, top, present)


def _one_task(**given: object) -> None:
    asked = [name.replace("_", "-") for name, value in given.items() if value is not None]
    if len(asked) > 1:
        raise UsageError(f"--{asked[0]} and --{asked[1]} are two tasks: run them one after the other")


def _folder(out: Path, *, may_be_file: bool) -> Path | None:
    """The folder of the results, or None if ``out`` is the one file to write."""
    if out.suffix.lower() in (".csv", ".parquet"):
        if not may_be_file:
            raise UsageError(f"-o {out} must be a folder: an audit writes several files")
        return None
    if out.is_file():
        raise UsageError(f"-o {out} is a file. Give a folder.")
    return out


def _audit(
    rows: Manifest, listening: Listening, title: str, by: str, folds: int, top: int, present: float
) -> int:
    from sonoscope.data.audit import results, tasks
    from sonoscope.errors import count

    audit, problems = tasks.find_issues(
        rows, listening, title=title, by=by, folds=folds, top=top, at_least=present
    )
    header = ("label", "rows", "groups", "judged", "wrong?", "missing?", "heard in", "patchy")
    _print(
        results.text_table(
            header,
            [
                (
                    each.label,
                    *map(str, (each.rows, each.groups, each.judged, each.wrong, each.missing)),
                    "-" if each.present != each.present else f"{100 * each.present:.0f} %",
                    str(each.patchy),
                )
                for each in audit.labels
            ],
        )
    )
    assert listening.folder is not None
    print(listening.folder / "audit.html")
    print(listening.folder / "issues.csv")
    share = f" ({100 * len(audit.issues) / audit.judged:.1f} %)" if audit.judged else ""
    say(f"{count(len(audit.issues), 'row')} of {audit.judged} judged{share} are doubtful")
    lone = [each.label for each in audit.labels if each.judged < each.rows]
    if lone:
        say(
            f"note: not judged in every row, since too few groups have them: {', '.join(lone)}. "
            "With --group-by path each file is a group by itself."
        )
    return _ended(problems, listening)


def _rehearse(rows: Manifest, listening: Listening, share: float, by: str, folds: int) -> int:
    from sonoscope.data.audit import results, tasks

    found, problems = tasks.rehearse(rows, listening, share=share, by=by, folds=folds)
    print(
        f"{100 * found.share:g} % of labels exchanged, {found.repeats} times: {found.wrong} exchanged labels, "
        f"{found.rows} rows judged each time, {found.groups} groups"
    )
    _print(
        results.text_table(
            ("figure", "value (95 % interval)"),
            [(each.name, results.ranged(each.value, each.low, each.high)) for each in found.figures],
        )
    )
    return _ended(problems, listening)


def _apply(
    rows: Manifest, file: Path, out: Path, listening: Listening, by: str, folds: int, comparing: bool
) -> int:
    from sonoscope.data.audit import results, tasks
    from sonoscope.errors import count

    if comparing:
        tasks.need_packages()
    applied = tasks.apply(rows, file, out)
    done = ", ".join(f"{action} {number}" for action, number in applied.counts.items()) or "nothing"
    say(f"{done}; {count(applied.changed, 'row')} changed, {len(applied.manifest)} of {len(rows)} rows left")
    if applied.new_labels and rows.labels():
        say(f"note: labels that no row had before: {', '.join(applied.new_labels)}")
    print(out)
    if not comparing:
        return 0
    figures, problems = tasks.compare_labels(rows, applied, listening, by=by, folds=folds)
    _print(
        results.text_table(
            ("figure", "truth", "before", "after", "difference (95 % interval)", "rows", "groups"),
            [
                (
                    each.name,
                    each.truth,
                    f"{each.before:.3f}",
                    f"{each.after:.3f}",
                    results.ranged(each.difference, each.low, each.high, signed=True),
                    str(each.n),
                    str(each.groups),
                )
                for each in figures
            ],
        )
    )
    return _ended(problems, listening)


def _against(rows: Manifest, other: Manifest, folder: Path, by: str) -> int:
    from sonoscope.data.audit import agreement, results
    from sonoscope.errors import count

    found = agreement.agree(rows, other, by=by)
    folder.mkdir(parents=True, exist_ok=True)
    results.write_agreement(found, folder)
    _print(
        results.text_table(
            ("figure", "value (95 % interval)", "rows"),
            [
                (each.name, results.ranged(each.value, each.low, each.high), str(each.n))
                for each in found.shares
            ],
        )
    )
    print()
    _print(
        results.text_table(
            ("label", "first", "second", "both", "unlisted", "precision", "recall", "kappa"),
            [
                (
                    each.label,
                    *map(str, (each.first, each.second, each.both, each.unlisted)),
                    *(
                        results.decimals(value)[:5] or "-"
                        for value in (each.precision, each.recall, each.kappa)
                    ),
                )
                for each in found.labels
            ],
        )
    )
    say(f"{count(len(found.differing), 'row')} labelled differently, listed in {folder / 'differences.csv'}")
    if found.only_first or found.only_second:
        say(f"not in both: {found.only_first} rows of the first, {found.only_second} of the second")
    return 0


def _split(
    rows: Manifest,
    text: str,
    labelled: Manifest,
    out: Path,
    listening: Listening,
    keep_share: float,
    by: str,
    folds: int,
) -> int:
    from sonoscope.data.audit import division, results, tasks
    from sonoscope.errors import count

    plan = division.parse(text)
    found, problems = tasks.divide(
        rows, plan, labelled, listening, out, keep_share=keep_share, by=by, folds=folds
    )
    _print(
        results.text_table(
            ("labelled rows of held-out groups", "right (95 % interval)", "rows", "groups"),
            [
                (
                    "all" if each.of == 1.0 else f"the most confident {100 * each.of:g} %",
                    results.ranged(each.value, each.low, each.high),
                    str(each.n),
                    str(each.groups),
                )
                for each in found.accuracy
            ],
        )
    )
    print()
    _print(
        results.text_table(
            ("is \\ called", *plan.fine),
            [
                (label, *map(str, line))
                for label, line in zip(plan.fine, found.accuracy[0].table, strict=True)
            ],
        )
    )
    print(out)
    new = ", ".join(f"{label} {number}" for label, number in found.counts.items())
    left = found.coarse - sum(found.counts.values())
    say(f"{count(found.coarse, 'row')} of {plan.coarse}: {new}; {left} left unknown")
    return _ended(problems, listening)


def _ended(problems: Sequence[Problem], listening: Listening) -> int:
    """Say which rows could not be listened to; 1 if there are any."""
    where = "" if listening.folder is None else f", listed in {listening.folder / 'bad_rows.csv'}"
    return left_out(problems, f"left out{where}")


def _print(text: str) -> None:
    from sonoscope.cli.display import printable

    print("\n".join(printable(line) for line in text.splitlines()))


def _heard(past: float, rows: int, seconds: float) -> str:
    """How far listening is, and how fast it goes."""
    return f"{rows:,} rows, {seconds / 60:,.0f} minutes of sound, {seconds / past:,.0f} x real time"
