"""Pitches in frames, as papers on MusicNet count.

``thickstun`` (Thickstun et al. 2018): windows of 16,384 samples at 44,100 Hz every 512, 7,500 of them from 1 s on; the
label is that of the window's centre; 128 pitches; average precision over all frames and pitches of all files; errors of
MIREX on 1,000 frames spread evenly over each file, at scores above 0.4, averaged over files. ``weiss`` (Weiß and
Peeters 2022): all frames, 512 samples at 22,050 Hz apart, 72 pitches (24 to 95, others are left out), average precision
of each file, averaged. Both averages are always given: they differ by 0.01.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.data.datasets import musicnet as dataset
from sonoscope.errors import UnknownName, UsageError, lookup, nearest
from sonoscope.evaluation import bootstrap, pitch
from sonoscope.evaluation.metrics import average_precision, precision_recall
from sonoscope.evaluation.notes import Notes
from sonoscope.evaluation.pitch import FrameGrid, Roll
from sonoscope.evaluation.protocols.protocol import Protocol, Request
from sonoscope.evaluation.result import Curve, Draws, Figure, Result, Table
from sonoscope.labels import pitch_name

VERSION = "1"
TITLE = "Pitches in frames"
#: How each publication takes frames: start in s, stride and window in samples, frames (0: all), rate, frames for the
#: errors (0: the same), lowest and highest pitch.
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "thickstun": {
        "start": 1.0, "stride": 512, "window": 16_384, "frames": 7500, "sr": 44_100, "evenly": 1000, "lowest": 0,
        "highest": 127,
    },
    "weiss": {
        "start": 0.0, "stride": 512, "window": 0, "frames": 0, "sr": 22_050, "evenly": 0, "lowest": 24, "highest": 95,
    },
}  # fmt: skip
#: Points of the precision-recall curve that are kept.
CURVE_POINTS = 500


@dataclass(frozen=True)
class MusicnetOptions:
    """``as_in`` says which publication; whatever else is given replaces what it says.

    Attributes
    ----------
    as_in : {"thickstun", "weiss"}
    ids : str
        Which recordings: test-3, test-10, MuN-10, MuN-10a, MuN-10b, MuN-10c, MuN-10full, or numbers (2303,2382). Empty:
        all that are given.
    start : float, seconds; stride, window : int, samples at ``sr``; frames : int, 0 for all
        Window ``k`` begins ``k * stride`` samples after ``start``; its moment is its centre.
    evenly : int
        Frames of each file on which errors are counted, spread evenly from ``start`` on; 0: on the frames themselves.
    lowest, highest : int
        MIDI numbers that count.
    rule : {"centre", "intersects"}
        What a label needs: the moment, or any of the window.
    threshold : float
        Above it a pitch is said to sound.
    thresholds : tuple of float
        Those of the table; fitted on validation data, the one with the highest accuracy.
    allowed_errors : tuple of int
        Wrong pitches that a frame may have to count as right.
    pitch_classes : bool
        Octaves laid on each other.
    """

    as_in: str = "thickstun"
    ids: str = ""
    start: float | None = None
    stride: int | None = None
    window: int | None = None
    frames: int | None = None
    sr: int | None = None
    evenly: int | None = None
    lowest: int | None = None
    highest: int | None = None
    rule: str = "centre"
    threshold: float = 0.4
    thresholds: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    allowed_errors: tuple[int, ...] = (0, 1, 2, 3, 5, 10)
    pitch_classes: bool = False

    def __post_init__(self) -> None:
        for name, value in lookup(PUBLISHED, self.as_in, "publication").items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value if name == "start" else int(value))
        self.grid.moments(0.0)
        if not 0 <= self.low <= self.high <= 127:
            raise UsageError(
                f"lowest={self.low} and highest={self.high} must be MIDI numbers, the lower one first"
            )
        for value in (self.threshold, *self.thresholds):
            if not 0 <= value <= 1:
                raise UsageError(f"threshold={value} must lie in 0..1")
        if any(count < 0 for count in self.allowed_errors):
            raise UsageError(f"allowed_errors={self.allowed_errors} must be 0 or more")
        if self.rule not in pitch.RULES:
            raise UsageError(f"rule={self.rule!r} must be one of {', '.join(pitch.RULES)}")
        self.numbers()

    @property
    def grid(self) -> FrameGrid:
        """The frames."""
        values = (
            0 if value is None else value
            for value in (self.stride, self.window, self.frames, self.sr, self.evenly)
        )
        return FrameGrid(self.start or 0.0, *values)

    @property
    def low(self) -> int:
        """The lowest pitch."""
        return self.lowest or 0

    @property
    def high(self) -> int:
        """The highest pitch."""
        return 127 if self.highest is None else self.highest

    def numbers(self) -> tuple[int, ...]:
        """The recordings that are meant; none: all.

        Raises
        ------
        UnknownName
            If it is neither a list's name nor numbers.
        """
        if not self.ids or self.ids in dataset.LISTS:
            return dataset.LISTS.get(self.ids, ())
        parts = [part.strip() for part in self.ids.split(",")]
        if not all(part.isdecimal() for part in parts):
            known = ", ".join(dataset.LISTS)
            raise UnknownName(
                f"ids={self.ids!r} is no list.{nearest(self.ids, dataset.LISTS)} Known: {known}, or numbers "
                "(2303,2382)."
            )
        return tuple(int(part) for part in parts)


@dataclass(frozen=True, eq=False)
class PitchPiece:
    """One recording: its notes, and scores or notes that were found in it. ``number`` is MusicNet's."""

    name: str
    duration_s: float
    truth: Notes
    said: Roll | Notes
    group: str = ""
    number: int | None = None


class _Frames:
    """Truth and scores of one recording at its moments."""

    def __init__(self, piece: PitchPiece, options: MusicnetOptions) -> None:
        self.piece, low, high = piece, options.low, options.high
        moments, errors_at = piece_moments(piece, options)
        tables, distances = [], []
        for times in (moments, errors_at):
            roll = piece.said if isinstance(piece.said, Roll) else pitch.of_notes(piece.said, times)
            scores, off = roll.at(times, low, high)
            true = pitch.labels(
                piece.truth, times, low, high, rule=options.rule, window_s=options.grid.window_s
            )
            tables.append((true, scores))
            distances.append(off)
        self.off_s = distances[0]
        if options.pitch_classes:
            tables = [(pitch.folded(true, low), pitch.folded(scores, low)) for true, scores in tables]
        (self.true, self.scores), (self.true_errors, self.scores_errors) = tables

    def errors(self, threshold: float, low: int) -> dict[str, float]:
        """The figures of MIREX."""
        found = pitch.mirex(self.true_errors, self.scores_errors > threshold, low)
        total = found["precision"] + found["recall"]
        return found | {"f1": 2 * found["precision"] * found["recall"] / total if total else 0.0}

    def shares(self, threshold: float, allowed: Sequence[int]) -> list[float]:
        """Of frames with at most so many wrong pitches; NaN without frames."""
        count = pitch.wrong(self.true_errors, self.scores_errors > threshold)
        return [float(np.mean(count <= most)) if count.size else float("nan") for most in allowed]


def piece_moments(piece: PitchPiece, options: MusicnetOptions) -> tuple[np.ndarray, np.ndarray]:
    """The moments of a recording.

    Raises
    ------
    UsageError
        If it is too short for a single one.
    """
    moments, errors_at = options.grid.moments(piece.duration_s)
    if not moments.size or not errors_at.size:
        raise UsageError(
            f"{piece.name}: {piece.duration_s:.2f} s are too short for a window of {options.window} samples from "
            f"{options.start:g} s on; begin earlier (start) or take shorter windows (window)"
        )
    return moments, errors_at


def fit_threshold(pieces: Sequence[PitchPiece], options: MusicnetOptions) -> float:
    """Of the options' thresholds, the one with the highest accuracy, averaged over files."""
    frames = [_Frames(piece, options) for piece in pieces]
    accuracy = [
        np.mean([each.errors(t, options.low)["accuracy"] for each in frames]) for t in options.thresholds
    ]
    return options.thresholds[int(np.argmax(accuracy))]


def measure(
    pieces: Sequence[PitchPiece],
    options: MusicnetOptions = MusicnetOptions(),
    *,
    title: str = TITLE,
    provenance: Mapping[str, object] | None = None,
    notes: Sequence[str] = (),
) -> Result:
    """Compare pitches in frames.

    Raises
    ------
    UsageError
        If there is no recording, or one is too short for a frame.
    """
    if not pieces:
        raise UsageError("no recording to compare pitches of: at least one is needed")
    frames = [_Frames(piece, options) for piece in pieces]
    groups = [piece.group or piece.name for piece in pieces]
    true = np.concatenate([each.true for each in frames])
    scores = np.concatenate([each.scores for each in frames])
    per_file = [average_precision(each.true.ravel(), each.scores.ravel()) for each in frames]
    figures = {
        "ap_pooled": Figure.of(average_precision(true.ravel(), scores.ravel()), "no note sounds in any frame")
    }
    figures["ap_mean"] = _over_files(np.array(per_file), groups, "no note sounds in any frame", compared=True)
    errors = [each.errors(options.threshold, options.low) for each in frames]
    sounding = np.array([each.true_errors.any() for each in frames])
    for name in (*pitch.MIREX, "f1", *(f"chroma_{n}" for n in pitch.MIREX)):
        values = np.where(sounding, [found[name] for found in errors], np.nan)
        figures[name] = _over_files(
            values, groups, "no note sounds in any frame", compared=name in ("accuracy", "f1")
        )
    off = np.concatenate([each.off_s for each in frames])
    figures["time_error_max_s"] = Figure.of(float(off.max()), "nothing was predicted")
    tables = (
        _threshold_table(frames, options),
        _column_table(true, scores, options),
        _file_table(frames, per_file, errors),
    )
    return Result(
        "musicnet", VERSION, title, figures, tables, _curves(frames, true, scores, options), {},
        (*notes, *_remarks(frames, options)), dict(provenance or {}),
    )  # fmt: skip


def _over_files(values: np.ndarray, groups: Sequence[str], why: str, *, compared: bool = False) -> Figure:
    """Mean over the files that have a value, with an interval; models are compared by some of them."""
    have = np.flatnonzero(np.isfinite(values))
    if not have.size:
        return Figure(None, why=why)
    held = tuple(groups[k] for k in have.tolist())
    drawn = np.array([values[have][rows].mean() for rows in bootstrap.draws_of(held)])
    left = len(values) - have.size
    return Figure(
        float(values[have].mean()),
        *bootstrap.interval(drawn),
        f"{left} of {len(values)} files: {why}" if left else "",
        draws=Draws(drawn, held) if compared else None,
    )


def _threshold_table(frames: Sequence[_Frames], options: MusicnetOptions) -> Table:
    """Means over files at every threshold."""
    rows = []
    for threshold in sorted({*options.thresholds, options.threshold}):
        found = [each.errors(threshold, options.low) for each in frames]
        shares = np.mean([each.shares(threshold, options.allowed_errors) for each in frames], axis=0)
        means = [
            float(np.mean([one[name] for one in found]))
            for name in ("precision", "recall", "f1", "accuracy", "e_tot")
        ]
        rows.append((threshold, *means, *map(float, shares)))
    columns = (
        "threshold", "P", "R", "F1", "accuracy", "E_tot", *(f"≤ {k} wrong" for k in options.allowed_errors),
    )  # fmt: skip
    caption = "Means over files. The last columns: share of frames with at most so many wrong pitches."
    return Table("thresholds", "At every threshold", columns, tuple(rows), caption)


def _column_table(true: np.ndarray, scores: np.ndarray, options: MusicnetOptions) -> Table:
    """Every pitch, or every name of one."""
    rows = []
    for column in range(true.shape[1]):
        name = pitch_name(60 + column)[:-1] if options.pitch_classes else pitch_name(options.low + column)
        there, said = true[:, column], scores[:, column] > options.threshold
        if not there.any() and not said.any():
            continue
        hits = int((there & said).sum())
        rows.append(
            (
                name, int(there.sum()), Figure.of(average_precision(there, scores[:, column]), "never sounds"),
                Figure(hits / int(said.sum())) if said.any() else Figure(None, why="never said"),
                Figure(hits / int(there.sum())) if there.any() else Figure(None, why="never sounds"),
            )
        )  # fmt: skip
    which = "pitch class" if options.pitch_classes else "pitch"
    return Table(
        "pitches", f"Every {which}, all frames together", (which, "frames", "AP", "P", "R"), tuple(rows),
        f"At scores above {options.threshold:g}.", detail=not options.pitch_classes,
    )  # fmt: skip


def _file_table(
    frames: Sequence[_Frames], per_file: Sequence[float], errors: Sequence[Mapping[str, float]]
) -> Table:
    """Every file."""
    names = (*pitch.MIREX, "f1", *(f"chroma_{n}" for n in pitch.MIREX))
    rows = tuple(
        (
            each.piece.name,
            len(each.true),
            Figure.of(value, "no note sounds"),
            *(found[name] for name in names),
        )
        for each, value, found in zip(frames, per_file, errors, strict=True)
    )
    return Table("files", "Every file", ("file", "frames", "AP", *names), rows, detail=True)


def _curves(
    frames: Sequence[_Frames], true: np.ndarray, scores: np.ndarray, options: MusicnetOptions
) -> tuple[Curve, ...]:
    """Precision and recall over all frames, and how many frames have how few errors."""
    most = max(10, *options.allowed_errors) if options.allowed_errors else 10
    allowed = np.arange(most + 1)
    share = np.mean([each.shares(options.threshold, allowed.tolist()) for each in frames], axis=0)
    found = [
        Curve(
            "allowed_errors", f"Frames with few errors, at scores above {options.threshold:g}", "wrong pitches allowed",
            "share of frames", {"all files": (allowed, share)},
        )
    ]  # fmt: skip
    if true.any():
        precision, recall, _ = precision_recall(true.ravel(), scores.ravel())
        chosen = np.unique(np.linspace(0, len(recall) - 1, CURVE_POINTS).round().astype(int))
        line = recall[chosen], precision[chosen]
        found.append(
            Curve("precision_recall", "All frames and pitches", "recall", "precision", {"all files": line})
        )
    return tuple(found)


def _remarks(frames: Sequence[_Frames], options: MusicnetOptions) -> list[str]:
    """What must be said beside the figures."""
    meant = "window" if options.rule == "intersects" else "moment at its centre"
    found = [
        f"as in {options.as_in}: a frame every {1000 * options.grid.hop_s:.3g} ms, labels of the {meant}; P, R, "
        f"accuracy and errors at scores above {options.threshold:g}, averaged over files"
    ]
    hops = sorted(
        {round(1000 * each.piece.said.hop_s, 3) for each in frames if isinstance(each.piece.said, Roll)}
    )
    if hops:
        apart = ", ".join(f"{hop:g}" for hop in hops)
        found.append(
            f"predictions are {apart} ms apart, and the nearest counts: up to {hops[-1] / 2:.3g} ms off"
        )
    if any(isinstance(each.piece.said, Notes) for each in frames):
        found.append(
            "predictions are notes that were decided on: average precision knows one point of its curve"
        )
    short = [each.piece.name for each in frames if options.frames and len(each.true) < options.frames]
    if short:
        found.append(f"{len(short)} files end before {options.frames} frames: {', '.join(short[:5])}")
    numbers = [each.piece.number for each in frames if each.piece.number is not None]
    for number, others in dataset.twins(numbers).items():
        found.append(
            f"{number} is a performance of what {', '.join(map(str, others))} plays: if that was trained on, "
            "this is no test"
        )
    listed = set(options.numbers())
    if listed and listed != set(numbers):
        missing = ", ".join(map(str, sorted(listed - set(numbers)))) or "none"
        found.append(f"the list {options.ids} is not complete: {missing} is missing")
    return found


def judge(request: Request) -> Result:
    """Models or predictions on recordings with annotated notes."""
    from sonoscope.evaluation.timed import judge_pitch  # arrays are judged without what reads sound

    return judge_pitch(request, PROTOCOL)


PROTOCOL = Protocol(
    name="musicnet",
    title=TITLE,
    version=VERSION,
    kind="pitch",
    options=MusicnetOptions,
    measure=measure,
    judge=judge,
    datasets=("musicnet",),
    reference="jthickstun/thickstun2018invariances: lib/base_model.py, lib/diagnostics.py; "
    "christofw/multipitch_architectures",
)
