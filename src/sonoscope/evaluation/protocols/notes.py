"""Notes as papers on transcription compare them: mir_eval's figures per file, averaged over files, and pooled.

What is compared, from the strictest to the mildest:

======================  =====================================================================================
``onset_offset``        pitch, onset, and offset within 50 ms or a fifth of the note
``onset``               pitch and onset
``onset_only``          onset, whatever the pitch
``velocity``            as ``onset_offset``, and velocity after a linear fit; ``onset_velocity`` without offset
``instrument_full``     as ``onset_offset``, instrument by instrument; ``_class`` by family, ``_flat`` drums apart
``frame``               pitches sounding every 10 ms
======================  =====================================================================================

A file without notes in the reference has no recall; papers leave such files out of their means, and so does this: they
are counted and named. Pooled figures, of all notes together, have everything that was said in them as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.evaluation import bootstrap, noteextras
from sonoscope.evaluation import notes as noted
from sonoscope.evaluation.notes import Counts, Notes, Tolerance
from sonoscope.evaluation.protocols.protocol import Protocol, Request
from sonoscope.evaluation.result import Curve, Draws, Figure, Result, Table

VERSION = "1"
TITLE = "Notes"
#: Rise of the F1 from 50 to 500 ms beyond which labels and sound are suspected not to be aligned.
SUSPECT_RISE = 0.1
#: Whose precision, recall and pooled F1 are figures; those of the others are in tables.
QUOTED = ("onset", "onset_offset")
TITLES = {
    "onset": "onset and pitch",
    "onset_offset": "onset, pitch and offset",
    "onset_only": "onset alone",
    "velocity": "onset, pitch, offset and velocity",
    "onset_velocity": "onset, pitch and velocity",
    "instrument_full": "onset, pitch, offset and instrument",
    "instrument_class": "onset, pitch, offset and family of instruments",
    "instrument_flat": "onset, pitch, offset; drums apart",
    "frame": "pitches every 10 ms",
}


@dataclass(frozen=True)
class NotesOptions:
    """The defaults are mir_eval's, and what papers report.

    Attributes
    ----------
    onset, cents, offset, offset_share : float
        Tolerances: seconds, cents, seconds, and a share of the reference note.
    tolerances : tuple of float
        Seconds, of the curve.
    pedal : bool
        Notes of MIDI files last until the sustain pedal comes up (controller 64 below 64) or the note is struck again.
    guard : float
        Seconds at the beginning in which estimates, and notes that sound already, are left out of both; 0: nothing is.
    """

    onset: float = noted.ONSET_S
    cents: float = noted.CENTS
    offset: float = noted.OFFSET_S
    offset_share: float = noted.OFFSET_SHARE
    tolerances: tuple[float, ...] = noteextras.TOLERANCES_S
    pedal: bool = True
    guard: float = 0.0

    def __post_init__(self) -> None:
        if not all(0 < seconds <= 10 for seconds in self.tolerances):
            raise UsageError(f"tolerances={self.tolerances} must lie in (0, 10] seconds")
        if not 0 <= self.guard <= 10:
            raise UsageError(f"guard={self.guard} must lie in 0..10 seconds")
        Tolerance(self.onset, self.cents, self.offset, self.offset_share)

    @property
    def within(self) -> Tolerance:
        """The tolerances."""
        return Tolerance(self.onset, self.cents, self.offset, self.offset_share)


@dataclass(frozen=True, eq=False)
class Piece:
    """One recording: its notes, and those that were found in it. Pieces of a group are drawn together."""

    name: str
    truth: Notes
    said: Notes
    group: str = ""


def measure(
    pieces: Sequence[Piece],
    options: NotesOptions = NotesOptions(),
    *,
    title: str = TITLE,
    provenance: Mapping[str, object] | None = None,
    notes: Sequence[str] = (),
) -> Result:
    """Compare the notes of recordings.

    Raises
    ------
    UsageError
        If there is no recording.
    """
    if not pieces:
        raise UsageError("no recording to compare notes of: at least one is needed")
    counts = [_counted(piece, options) for piece in pieces]
    kept = [k for k, piece in enumerate(pieces) if len(piece.truth)]
    empty = [piece.name for piece in pieces if not len(piece.truth)]
    kinds = [kind for kind in TITLES if any(kind in count for count in counts)]
    figures: dict[str, Figure] = {}
    rows = []
    for kind in kinds:
        cells = _row(kind, counts, kept, [pieces[k].group or pieces[k].name for k in kept])
        mean, precision, recall, pooled, files = cells
        figures[f"{kind}_f1"] = mean
        if kind in QUOTED:
            figures |= {f"{kind}_precision": precision, f"{kind}_recall": recall, f"{kind}_pooled_f1": pooled}
        rows.append((TITLES[kind], mean, precision.value, recall.value, pooled, files))
    late = np.concatenate([_errors(piece, options) for piece in pieces])
    figures["onset_error_median_s"] = Figure.of(
        float(np.median(late)) if late.size else np.nan, "no note was found"
    )
    curves, tolerance = _tolerances([pieces[k] for k in kept], options)
    return Result(
        "notes", VERSION, title, figures,
        (
            Table("kinds", "Notes found", _COLUMNS, tuple(rows), _CAPTION),
            tolerance,
            _pooled(counts, kinds),
            _files(pieces, counts, kinds),
        ),
        curves,
        {"onset_errors_s": late},
        (*notes, *_remarks(pieces, empty, kinds, tolerance, options)),
        dict(provenance or {}),
    )  # fmt: skip


_CAPTION = "Means over files with 95 % intervals; pooled: all notes together."
_COLUMNS = ("compared", "F1", "precision", "recall", "pooled F1", "files")


def _counted(piece: Piece, options: NotesOptions) -> dict[str, Counts]:
    """Counts of every kind that can be compared in this recording."""
    true, said = _fair(piece, options)
    within = options.within

    def count(pairs: Sequence[object]) -> Counts:
        return Counts(len(pairs), len(true), len(said))

    pitchless = Tolerance(within.onset_s, None, within.offset_s, within.offset_share)
    found = {
        "onset": count(noted.matched(true, said, within=within)),
        "onset_offset": count(noted.matched(true, said, offsets=True, within=within)),
        "onset_only": count(noted.matched(true, said, within=pitchless)),
        "frame": noted.frame_counts(true, said),
    }
    if all(notes.velocity is not None or not len(notes) for notes in (true, said)):
        for kind, offsets in (("velocity", True), ("onset_velocity", False)):
            pairs = noteextras.with_velocity(true, said, offsets=offsets, within=within)
            if pairs is not None:
                found[kind] = count(pairs)
    if _has_instruments(true) and _has_instruments(said):
        for granularity in noteextras.GRANULARITIES:
            each = noteextras.by_instrument(true, said, granularity, within=within)
            found[f"instrument_{granularity}"] = sum(each.values(), Counts())
    return found


def _fair(piece: Piece, options: NotesOptions) -> tuple[Notes, Notes]:
    return noted.fair(piece.truth, piece.said, options.guard) if options.guard else (piece.truth, piece.said)


def _errors(piece: Piece, options: NotesOptions) -> np.ndarray:
    return noted.onset_errors(*_fair(piece, options), within=options.within)


def _has_instruments(notes: Notes) -> bool:
    """Whether any note says what plays it; a side without notes says nothing against it."""
    return not len(notes) or (notes.label is not None and bool((notes.label != "note").any()))


def _row(
    kind: str, counts: Sequence[Mapping[str, Counts]], kept: Sequence[int], groups: Sequence[str]
) -> tuple:
    """F1, precision, recall (means over files), the same pooled, and over how many files."""
    have = [
        (count[kind], group)
        for count, group in zip((counts[k] for k in kept), groups, strict=True)
        if kind in count
    ]
    missing = len(kept) - len(have)
    pooled = sum((count[kind] for count in counts if kind in count), Counts())
    cells: list[object] = [Figure(None, why="no file has notes in the reference")] * 3
    if have:
        values = np.array([[each.f1, each.precision, each.recall] for each, _ in have])
        drawn = np.array(
            [values[rows].mean(axis=0) for rows in bootstrap.draws_of([group for _, group in have])]
        )
        why = f"{missing} of {len(kept)} files lack it" if missing else ""
        drawn_from = tuple(group for _, group in have)
        cells = [
            Figure(
                float(mean), *bootstrap.interval(of_draws), why,
                draws=None if place else Draws(of_draws, drawn_from),
            )
            for place, (mean, of_draws) in enumerate(zip(values.mean(axis=0), drawn.T, strict=True))
        ]  # fmt: skip
    why = "" if pooled.reference else "no notes in the reference"
    return (*cells, Figure(None if why else pooled.f1, why=why), len(have))


def _pooled(counts: Sequence[Mapping[str, Counts]], kinds: Iterable[str]) -> Table:
    """All notes together."""
    totals = {kind: sum((count[kind] for count in counts if kind in count), Counts()) for kind in kinds}
    rows = tuple(
        (TITLES[kind], each.hits, each.reference, each.estimate, each.precision, each.recall, each.f1)
        for kind, each in totals.items()
    )
    columns = ("compared", "hits", "in the reference", "estimated", "precision", "recall", "F1")
    return Table("pooled", "All notes together", columns, rows, detail=True)


def _tolerances(pieces: Sequence[Piece], options: NotesOptions) -> tuple[tuple[Curve, ...], Table]:
    """Mean F1 over files at every tolerance, with and without offset."""
    seconds = np.array(sorted(options.tolerances))
    lines = {}
    for name, offsets in (("onset", False), ("onset and offset", True)):
        per_file = [
            [
                c.f1
                for c in noteextras.tolerance_counts(
                    *_fair(piece, options), seconds.tolist(), offsets=offsets
                )
            ]
            for piece in pieces
        ]
        lines[name] = np.mean(per_file, axis=0) if per_file else np.zeros(0)
    rows = tuple(
        (float(s), *(float(line[k]) for line in lines.values())) for k, s in enumerate(seconds) if len(pieces)
    )
    table = Table(
        "tolerances", "F1 by tolerance", ("tolerance (s)", "onset F1", "onset and offset F1"), rows,
        "A curve that still rises at its end shows labels that are not aligned with the sound.",
    )  # fmt: skip
    if not len(pieces):
        return (), table
    curve = Curve(
        "tolerances",
        "F1 by tolerance",
        "tolerance (s)",
        "F1",
        {name: (seconds, line) for name, line in lines.items()},
    )
    return (curve,), table


def _files(pieces: Sequence[Piece], counts: Sequence[Mapping[str, Counts]], kinds: Iterable[str]) -> Table:
    """A row for each recording."""
    kinds = list(kinds)
    columns = ("file", "notes", "estimated", *(f"{kind} {part}" for kind in kinds for part in ("F1", "hits")))
    rows = tuple(
        (
            piece.name, len(piece.truth), len(piece.said),
            *(
                cell
                for kind in kinds
                for cell in ((count[kind].f1, count[kind].hits) if kind in count else (None, None))
            ),
        )
        for piece, count in zip(pieces, counts, strict=True)
    )  # fmt: skip
    return Table("files", "Every file", columns, rows, detail=True)


def _remarks(
    pieces: Sequence[Piece],
    empty: Sequence[str],
    kinds: Sequence[str],
    tolerance: Table,
    options: NotesOptions,
) -> Iterable[str]:
    """What must be said beside the figures."""
    yield (
        f"onset within {1000 * options.onset:g} ms, pitch within {options.cents:g} cents, offset within "
        f"{1000 * options.offset:g} ms or {options.offset_share:.0%} of the note; F1 of each file, averaged over files"
    )
    yield f"notes of MIDI files {'last until the sustain pedal comes up' if options.pedal else 'end with their keys'}"
    if empty:
        said = sum(bool(len(piece.said)) for piece in pieces if not len(piece.truth))
        yield (
            f"{len(empty)} of {len(pieces)} files have no notes in the reference and are left out of the means; "
            f"in {said} of them notes were found: {', '.join(empty[:5])}{', …' if len(empty) > 5 else ''}"
        )
    silent = sum(not len(piece.said) for piece in pieces if len(piece.truth))
    if silent:
        yield f"in {silent} of {len(pieces)} files no note was found; they count as 0"
    if options.guard:
        yield (
            f"the first {options.guard:g} s of estimates, and notes that sound when the recording begins, are left "
            "out of both sides"
        )
    if "velocity" not in kinds:
        yield "velocities are not compared: truth or estimates have none"
    if "instrument_full" in kinds:
        yield (
            "instruments as in MT3: compared instrument by instrument (full), by family of General MIDI (class) or "
            "drums apart (flat), and the hits added up; drums by onset and pitch alone"
        )
    else:
        yield "instruments are not compared: truth or estimates name none"
    rise = {float(row[0]): row[1] for row in tolerance.rows}  # type: ignore[arg-type]
    if 0.05 in rise and 0.5 in rise and rise[0.5] - rise[0.05] > SUSPECT_RISE:  # type: ignore[operator]
        yield (
            f"onset F1 rises from {rise[0.05]:.3f} at 50 ms to {rise[0.5]:.3f} at 500 ms: the labels may not be "
            "aligned with the sound"
        )


def judge(request: Request) -> Result:
    """Models or predictions on recordings with annotated notes."""
    from sonoscope.evaluation.timed import judge_notes  # arrays are judged without what reads sound

    return judge_notes(request, PROTOCOL)


PROTOCOL = Protocol(
    name="notes",
    title=TITLE,
    version=VERSION,
    kind="notes",
    options=NotesOptions,
    measure=measure,
    judge=judge,
    datasets=("maestro", "maps", "guitarset"),
    reference="mir_eval.transcription, mir_eval.transcription_velocity; Gardner et al. 2022 (instruments)",
)
