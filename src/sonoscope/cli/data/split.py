"""``sonoscope data split``: parts that cut no group, and the certificate that they share nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonoscope.cli.telling import left_out, say, told
from sonoscope.cli.words import check_new, named
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from sonoscope.data.certificate import Certificate
    from sonoscope.data.duplicates import Pair
    from sonoscope.data.rows import Manifest
    from sonoscope.data.survey import Problem


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="Manifests, folders, data sets (irmas:FOLDER), lists of those.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="MANIFEST",
        show_default=False,
        help="Where the manifest with its splits goes (.csv or .parquet); the certificate goes beside it.",
    ),
]
By = Annotated[
    str,
    typer.Option(
        metavar="COLUMN,...",
        help="Columns whose values no split may cut: group, site, origin ...; files are never cut.",
    ),
]
Parts = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=SHARE,...",
        show_default=False,
        help="Default: train=0.7,val=0.15,test=0.15, of the seconds.",
    ),
]
Folds = Annotated[
    int | None, typer.Option(metavar="K", show_default=False, help="K equal parts instead, fold1 to foldK.")
]
LeaveOut = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN[=VALUE]",
        show_default=False,
        help="Each value of a column (site) is a part of its own; or VALUE is the test, the rest train (or --parts).",
    ),
]
Move = Annotated[
    str | None,
    typer.Option(
        metavar="FROM:TO[=SHARE]",
        show_default=False,
        help="Move a share (default: 0.5) of one part to another without cutting a group: val:train=0.5.",
    ),
]
Seed = Annotated[int, typer.Option(help="What is left to chance is drawn with this.")]
Count = Annotated[str, typer.Option(metavar="seconds|rows", help="What shares are of.")]
Anew = Annotated[
    bool, typer.Option("--anew", help="Forget the splits that rows have; otherwise they are kept.")
]
Check = Annotated[
    bool,
    typer.Option("--check", help="Change nothing: certify the split that is there. Exit code 1: it leaks."),
]
NoAudio = Annotated[
    bool, typer.Option("--no-audio", help="Do not listen for near-duplicates; the certificate says so.")
]
Similar = Annotated[
    float | None,
    typer.Option(metavar="0-1", show_default=False, help="Similarity of near-duplicates. Default: 0.9."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace MANIFEST if it is there.")]


def split_command(
    sources: Sources,
    out: Out = None,
    by: By = "group",
    parts: Parts = None,
    folds: Folds = None,
    leave_out: LeaveOut = None,
    move: Move = None,
    seed: Seed = 0,
    count: Count = "seconds",
    anew: Anew = False,
    check: Check = False,
    no_audio: NoAudio = False,
    similar: Similar = None,
    overwrite: Overwrite = False,
) -> int:
    """Split labelled recordings so that no group, file or copy is in two parts, and certify it.

    Parts get their shares of the time and of every label. What sounds the same is found by listening and stays
    together. MANIFEST gets a certificate (.split.json) and, if there are any, a list of pairs (.duplicates.csv).
    """
    from sonoscope.data import lengths, table
    from sonoscope.data import sources as words

    _check_options(out, parts, folds, leave_out, move, count, check, anew, overwrite)
    if out is not None:
        table.check_place(out)
    manifest = words.load(sources)
    if not manifest.rows:
        raise UsageError("there are no rows to split")
    columns = named(by, "--by")
    problems: list[Problem] = []
    seconds = lengths.seconds(manifest, report=problems.append)

    def split(
        manifest: Manifest, seconds: Sequence[float], pairs: Sequence[Pair], **options: Any
    ) -> Manifest:
        weights = seconds if count == "seconds" else [1.0] * len(seconds)
        options |= {"by": columns, "ties": _ties(manifest, pairs), "seconds": weights, "seed": seed}
        return _split(manifest, _shares(parts), folds, leave_out, move, anew, options)

    if not check:
        split(manifest, seconds, ())  # what cannot be done is refused before an hour of listening
    pairs = None if no_audio else _listened(manifest, columns, similar, problems)
    how: dict[str, Any] = {"checked": True}
    if not check:
        manifest, seconds, pairs = _heard(manifest, seconds, pairs, problems)
        manifest = split(manifest, seconds, pairs or (), tell=_note)
        how = _how(by, parts, folds, leave_out, move, seed, count, anew)
    return _finish(manifest, out, columns, pairs, problems, seconds, how, sources[0] if check else None)


def _check_options(
    out: Path | None,
    parts: str | None,
    folds: int | None,
    leave_out: str | None,
    move: str | None,
    count: str,
    check: bool,
    anew: bool,
    overwrite: bool,
) -> None:
    ways = {"--folds": folds, "--leave-out": leave_out, "--move": move, "--check": check or None}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} are different things: give one of them")
    if parts is not None and given and not (leave_out and "=" in leave_out):
        raise UsageError(f"--parts says nothing beside {given[0]}")
    if anew and given not in ([], ["--folds"]):
        raise UsageError(f"--anew says nothing beside {given[0]}")
    if count not in ("seconds", "rows"):
        raise UsageError(f"--count {count!r} must be seconds or rows")
    if check and out is not None:
        raise UsageError("--check writes the certificate beside the manifest that it checks; leave -o out")
    if not check and out is None:
        raise UsageError(
            "where to? Name a manifest: -o split.csv (or --check to look at the split that is there)"
        )
    check_new(out, overwrite=overwrite)


def _shares(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    shares: dict[str, float] = {}
    for word in named(text, "--parts"):
        name, sign, share = word.partition("=")
        shares[name.strip()] = _number(share, f"--parts {word!r}", "train=0.7")
        if not sign:
            raise UsageError(f"--parts {word!r} must be NAME=SHARE, such as train=0.7")
    return shares


def _number(text: str, where: str, example: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{where}: {text!r} is no number; write it like {example}") from None


def _split(
    manifest: Manifest,
    parts: dict[str, float] | None,
    folds: int | None,
    leave_out: str | None,
    move: str | None,
    anew: bool,
    options: dict[str, Any],
) -> Manifest:
    from sonoscope.data import splits

    if leave_out is not None:
        column, sign, value = leave_out.partition("=")
        return splits.leave_out(manifest, column, value if sign else None, parts=parts, **options)
    if move is not None:
        source, colon, rest = move.partition(":")
        target, sign, share = rest.partition("=")
        if not colon or not target:
            raise UsageError(f"--move {move!r} must be FROM:TO or FROM:TO=SHARE, such as val:train=0.5")
        moved = _number(share, f"--move {move!r}", "val:train=0.5") if sign else 0.5
        return splits.move(manifest, source, target, moved, **options)
    if folds is not None:
        return splits.folds(manifest, folds, anew=anew, **options)
    return splits.assign(manifest, parts=parts or splits.PARTS, anew=anew, **options)


def _listened(
    manifest: Manifest, columns: Sequence[str], similar: float | None, problems: list[Problem]
) -> list[Pair]:
    """The pairs that sound the same and are not in one group already."""
    from sonoscope.data import duplicates, units

    together = units.units(manifest, by=columns)
    return duplicates.find(
        manifest,
        apart=together.of.tolist(),
        similar=duplicates.SIMILAR if similar is None else similar,
        report=lambda problem: None if problem in problems else problems.append(problem),
        progress=told(_listening),
    )


def _heard(
    manifest: Manifest, seconds: Sequence[float], pairs: Sequence[Pair] | None, problems: Sequence[Problem]
) -> tuple[Manifest, list[float], list[Pair] | None]:
    """Without the rows that cannot be used; those that stay have new places."""
    bad = {(problem.path, problem.start_s, problem.duration_s) for problem in problems}
    kept = [p for p, r in enumerate(manifest.rows) if (r.path, r.start_s, r.duration_s) not in bad]
    if not kept:
        first = problems[0]
        elsewhere = not (manifest.root / first.path).exists()
        hint = (
            " If it lies elsewhere: sonoscope data manifest TABLE --root FOLDER -o NEW.csv"
            if elsewhere
            else ""
        )
        raise UsageError(f"no row can be used; the first: {first.path}: {first.reason}.{hint}")
    place = {old: new for new, old in enumerate(kept)}
    moved = None
    if pairs is not None:
        moved = [replace(pair, first=place[pair.first], second=place[pair.second]) for pair in pairs]
    rows = tuple(manifest.rows[old] for old in kept)
    return replace(manifest, rows=rows), [seconds[old] for old in kept], moved


def _ties(manifest: Manifest, pairs: Sequence[Pair] | None) -> list[tuple[int, ...]]:
    """What belongs together although no column says so: versions of a piece, and what sounds the same."""
    from sonoscope.data import duplicates

    return [*duplicates.known(manifest), *((pair.first, pair.second) for pair in pairs or ())]


def _how(*values: Any) -> dict[str, Any]:
    names = ("by", "parts", "folds", "leave_out", "move", "seed", "count", "anew")
    return {
        name: value
        for name, value in zip(names, values, strict=True)
        if value is not None and value is not False
    }


def _finish(
    manifest: Manifest,
    out: Path | None,
    columns: Sequence[str],
    pairs: Sequence[Pair] | None,
    problems: Sequence[Problem],
    seconds: Sequence[float],
    how: dict[str, Any],
    checked: str | None,
) -> int:
    """Write the manifest, its certificate and its lists, and show the certificate."""
    from sonoscope.data import certificate, labelmap, update
    from sonoscope.data import manifest as manifests

    if out is not None:
        if manifest.label_map:
            labelmap.keep(manifest.label_map, out.parent)
        manifests.write(manifest, out)
    found = certificate.certify(
        manifest,
        by=columns,
        pairs=pairs,
        unheard=len(problems) if checked is not None else 0,
        seconds=seconds,
        how=how,
    )
    place = out if out is not None else _table(checked)
    if place is not None:
        certificate.write(found, certificate.beside(place))
        _list(manifest, pairs, place.with_suffix(".duplicates.csv"))
        bad = update.tell(place, problems)
        left = "left out" if out is not None else "cannot be used"
        if bad is not None:
            left_out(problems, f"{left}, listed in {bad}")
    print(found.text(), end="")
    _say_verdict(found, place)
    return 1 if problems or found.leaks else 0


def _say_verdict(found: Certificate, place: Path | None) -> None:
    from sonoscope.data import certificate

    told = f"; certificate: {certificate.beside(place)}" if place is not None else ""
    if not found.parts:
        say("no row has a split" + told)
    elif found.leaks:
        say("this split LEAKS: what is trained on comes back in the test" + told)
    else:
        say(
            ("nothing is in two parts" if found.is_clean else "nothing that was looked for is in two parts")
            + told
        )


def _table(source: str | None) -> Path | None:
    """The manifest file that was checked; None for what is not one file."""
    path = Path(source) if source else None
    if path is not None and path.is_dir():
        path = path / "manifest.csv"
    return (
        path if path is not None and path.is_file() and path.suffix.lower() in (".csv", ".parquet") else None
    )


def _list(manifest: Manifest, pairs: Sequence[Pair] | None, path: Path) -> None:
    """The pairs that sound the same, as a table; none, no table."""
    from sonoscope.data import table
    from sonoscope.errors import count
    from sonoscope.values import format_seconds

    if not pairs:
        path.unlink(missing_ok=True)
        return
    header = ("first", "first_start_s", "first_split", "second", "second_start_s", "second_split", "offset_s",
              "shared_s", "similarity")  # fmt: skip
    rows = []
    for pair in pairs:
        one, two = manifest.rows[pair.first], manifest.rows[pair.second]
        times = (format_seconds(pair.offset_s), format_seconds(pair.shared_s), f"{pair.similarity:.3f}")
        first, second = ((row.path, format_seconds(row.start_s), row.split) for row in (one, two))
        rows.append((*first, *second, *times))
    table.write(path, header, rows)
    say(f"{count(len(pairs), 'pair')} of rows in different groups, which sound the same: {path}")


def _note(text: str) -> None:
    say(f"note: {text}")


def _listening(past: float, done: int, total: int) -> str:
    """How far listening is, and how long it will take."""
    return f"listening: {done:,} of {total:,}, {(total - done) * past / done:,.0f} s left"
