"""Sound events in time: a detector's scores at every threshold, and the events that were decided on.

From scores, cell by cell: precision, sensitivity and false-positive rate at all thresholds; the sensitivities at
precision 0.95 and at false-positive rate 0.005; false alarms per hour in recordings without the label; the same for
each site at thresholds from all others; PSDS 1 and 2. From decided events: F1 and error rate by segment and one by one.
What predictions do not hold, the result leaves out and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.evaluation import bootstrap, eventtables, psds, soundevents
from sonoscope.evaluation.eventtables import Frames
from sonoscope.evaluation.heard import Heard
from sonoscope.evaluation.notes import Counts
from sonoscope.evaluation.protocols.protocol import Protocol, Request
from sonoscope.evaluation.result import Curve, Draws, Figure, Result, Table
from sonoscope.evaluation.soundevents import Errors

VERSION = "1"
TITLE = "Sound events in time"


@dataclass(frozen=True)
class EventsOptions:
    """The defaults are buzzdetect's for cells, sed_eval's for events, DCASE's for PSDS.

    Attributes
    ----------
    min_overlap : float
        Seconds of a cell that events must cover to make it positive.
    precision, fpr : float
        The conditions under which sensitivities are quoted.
    segment, collar, offset_share : float
        Seconds of a segment; seconds within which an event begins and ends, or the share of its length for the end.
    max_rate : float
        False alarms per hour up to which PSDS looks.
    threshold : float, optional
        Where events begin if predictions hold scores only; none: the model's own, or else 0.5.
    """

    min_overlap: float = 0.192
    precision: float = 0.95
    fpr: float = 0.005
    segment: float = 1.0
    collar: float = 0.2
    offset_share: float = 0.5
    max_rate: float = 100.0
    threshold: float | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("min_overlap", 0.0, 60.0), ("precision", 0.0, 1.0), ("fpr", 0.0, 1.0), ("segment", 0.001, 3600.0),
            ("collar", 0.0, 60.0), ("offset_share", 0.0, 1.0), ("max_rate", 1e-6, 1e6),
        ):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name}={value:g} must lie in {low:g}..{high:g}")


def measure(
    recordings: Sequence[Heard],
    labels: Sequence[str],
    options: EventsOptions = EventsOptions(),
    *,
    title: str = TITLE,
    provenance: Mapping[str, object] | None = None,
    notes: Sequence[str] = (),
) -> Result:
    """Compare what was said of recordings with what sounds in them; ``labels`` are the columns of their scores.

    Raises
    ------
    UsageError
        If there is no recording or no label, or scores have another number of columns.
    """
    _check(recordings, labels)
    figures: dict[str, Figure] = {}
    tables: list[Table] = []
    curves: tuple[Curve, ...] = ()
    remarks = list(notes)
    scored = [heard for heard in recordings if heard.scores is not None]
    if len(scored) == len(recordings):
        frames = [Frames(recordings, label, k, options.min_overlap) for k, label in enumerate(labels)]
        operating, points = eventtables.operating_table(frames, options.precision, options.fpr)
        for k, name in enumerate(("sensitivity_at_precision", "sensitivity_at_fpr")):
            figures[name] = _mean([points[label][k].figure for label in labels])
        tables += [operating]
        if any(len(each.sites) > 1 for each in frames):
            tables.append(eventtables.site_table(frames, options.precision, options.fpr))
        found, of_psds = _psds(recordings, labels, options)
        figures |= found
        curves = (*eventtables.curves(frames), *of_psds)
        tables.append(eventtables.threshold_table(frames))
    else:
        remarks.append("no scores: thresholds, false-positive rates and PSDS are left out")
    if all(heard.said is not None for heard in recordings):
        more, table = _decided(recordings, labels, options)
        figures |= more
        tables.insert(0, table)
    else:
        remarks.append("no decided events: F1 and error rates of events are left out")
    remarks += _remarks(recordings, labels, options)
    return Result(
        "events", VERSION, title, figures, tuple(tables), curves, {}, tuple(remarks), dict(provenance or {})
    )


def _check(recordings: Sequence[Heard], labels: Sequence[str]) -> None:
    if not recordings or not labels:
        raise UsageError(
            f"nothing to compare: {len(recordings)} recordings and {len(labels)} labels; both are needed"
        )
    for heard in recordings:
        if heard.scores is not None and heard.scores.shape[1] != len(labels):
            raise UsageError(
                f"{heard.name}: scores of {heard.scores.shape[1]} labels, where {len(labels)} are compared: "
                f"{', '.join(labels[:10])}"
            )


def _mean(figures: Sequence[Figure]) -> Figure:
    """Over the labels that have one; why not, where none has."""
    values = [figure.value for figure in figures if figure.value is not None]
    if not values:
        return Figure(None, why=figures[0].why)
    left = len(figures) - len(values)
    why = (
        figures[0].why
        if len(figures) == 1
        else f"mean of {len(values)} labels; {left} have none"
        if left
        else ""
    )
    return Figure(float(np.mean(values)), why=why)


def _psds(
    recordings: Sequence[Heard], labels: Sequence[str], options: EventsOptions
) -> tuple[dict[str, Figure], tuple[Curve, ...]]:
    figures, curves = {}, []
    for number, scenario in psds.SCENARIOS.items():
        value, overall, each = psds.score(recordings, labels, replace(scenario, max_rate=options.max_rate))
        figures[f"psds{number}"] = Figure.of(value, "no event of any label")
        if each:
            curves.append(
                Curve(
                    f"psd_roc{number}", f"Events found, PSDS scenario {number}", "effective false alarms per hour",
                    "share of events", {"all": overall, **each} if len(each) > 1 else dict(each),
                )
            )  # fmt: skip
    return figures, tuple(curves)


def _decided(
    recordings: Sequence[Heard], labels: Sequence[str], options: EventsOptions
) -> tuple[dict[str, Figure], Table]:
    """Figures of events that were decided on, with intervals over recordings (of a site together)."""
    collars = {"collar_s": options.collar, "offset_share": options.offset_share}
    of_kind = {
        "segment": [soundevents.by_segment([heard], labels, options.segment) for heard in recordings],
        "event": [soundevents.one_by_one([heard], labels, **collars) for heard in recordings],
    }
    groups = [heard.site or heard.name for heard in recordings]
    figures: dict[str, Figure] = {}
    by_label: dict[str, dict[str, Counts]] = {}
    for kind, found in of_kind.items():
        by_label[kind] = {label: sum((each[label] for _, each in found), Counts()) for label in labels}
        figures |= _overall(kind, [errors for errors, _ in found], groups)
        present = [counts.f1 for counts in by_label[kind].values() if counts.reference]
        figures[f"{kind}_f1_macro"] = (
            Figure(float(np.mean(present))) if present else Figure(None, why="no event of any label")
        )
    return figures, eventtables.label_table(labels, by_label["segment"], by_label["event"], recordings)


def _overall(kind: str, errors: Sequence[Errors], groups: Sequence[str]) -> dict[str, Figure]:
    """F1, precision, recall and error rate of all labels together."""
    table = np.array(
        [
            (
                e.counts.hits,
                e.counts.reference,
                e.counts.estimate,
                e.substitutions + e.deletions + e.insertions,
            )
            for e in errors
        ],
        dtype=np.float64,
    )

    def figures(rows: np.ndarray) -> np.ndarray:
        hits, there, said, wrong = table[rows].sum(axis=0)
        if not there:
            return np.full(4, np.nan)
        return np.array(
            [2 * hits / (there + said), hits / said if said else 0.0, hits / there, wrong / there]
        )

    values = figures(np.arange(len(table)))
    drawn = np.array([figures(rows) for rows in bootstrap.draws_of(groups)])
    names = (f"{kind}_f1", f"{kind}_precision", f"{kind}_recall", f"{kind}_error_rate")
    return {
        name: Figure.of(
            value,
            "no event of any label",
            bootstrap.interval(of_draws),
            Draws(of_draws, tuple(groups)) if name.endswith("_f1") else None,
        )
        for name, value, of_draws in zip(names, values, drawn.T, strict=True)
    }


def _remarks(recordings: Sequence[Heard], labels: Sequence[str], options: EventsOptions) -> list[str]:
    """What must be said beside the figures."""
    hours = sum(heard.duration_s for heard in recordings) / 3600
    found = [
        f"{len(recordings)} recordings, {hours:.3g} h; a cell is positive if events cover "
        f"{options.min_overlap:g} s of it",
        f"events: onset within {1000 * options.collar:g} ms, offset within that or {options.offset_share:.0%} of the "
        f"event; segments of {options.segment:g} s; PSDS up to {options.max_rate:g} effective false alarms per hour",
    ]
    there = {e.label for heard in recordings for e in heard.truth if e.label not in heard.unknown}
    absent = [label for label in labels if label not in there]
    if absent:
        found.append(
            f"{len(absent)} of {len(labels)} labels have no event in the truth: {', '.join(absent[:10])}"
        )
    unjudged = sum(label in heard.unknown for heard in recordings for label in labels)
    if unjudged:
        found.append(
            f"in {unjudged} of {len(recordings) * len(labels)} cases nobody judged a label; they count nowhere"
        )
    return found


def judge(request: Request) -> Result:
    """Models or predictions on recordings with annotated events."""
    from sonoscope.evaluation.timed import judge_events  # arrays are judged without what reads sound

    return judge_events(request, PROTOCOL)


PROTOCOL = Protocol(
    name="events",
    title=TITLE,
    version=VERSION,
    kind="events",
    options=EventsOptions,
    measure=measure,
    judge=judge,
    datasets=("buzzdetect-training", "annotated"),
    reference="Mesaros et al. 2016; Bilen et al. 2020; OSU-Bee-Lab/buzzdetect, tests/metrics.csv",
)
