"""The tables of the protocol ``events``: labels at their thresholds, sites left out one by one, every threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sonoscope.evaluation import detector
from sonoscope.evaluation.detector import Operation, Point
from sonoscope.evaluation.heard import Heard
from sonoscope.evaluation.metrics import average_precision
from sonoscope.evaluation.notes import Counts
from sonoscope.evaluation.result import Curve, Figure, Table

#: Rows of one label in the table of all thresholds; with more that differ, so many are taken evenly.
MOST_ROWS = 1000


class Frames:
    """Truth and scores of the cells of one label (a column of the scores), and what happens at every threshold."""

    def __init__(self, recordings: Sequence[Heard], label: str, column: int, min_overlap_s: float) -> None:
        self.label, self.column, self.min_overlap_s = label, column, min_overlap_s
        self.recordings = [
            heard for heard in recordings if heard.scores is not None and label not in heard.unknown
        ]
        self.truth, self.scores = detector.cells(self.recordings, label, column, min_overlap_s)
        self.operation: Operation = detector.operation(self.truth, self.scores)

    @property
    def sites(self) -> list[str]:
        """Those of its recordings, sorted."""
        return sorted({heard.site for heard in self.recordings})

    def of(self, site: str, *, without: bool = False) -> Frames:
        """The cells of one site, or of all others."""
        kept = [heard for heard in self.recordings if (heard.site == site) != without]
        return Frames(kept, self.label, self.column, self.min_overlap_s)

    def average_precision(self) -> Figure:
        """Over all cells."""
        return Figure.of(average_precision(self.truth, self.scores), "no positives")

    def alarms(self, threshold: float) -> Figure | None:
        """False alarms per hour there; None without a recording that lacks the label."""
        found = detector.false_runs(self.recordings, self.label, self.column, threshold)
        return None if found.value is None else found


def operating_table(
    frames: Sequence[Frames], precision: float, fpr: float
) -> tuple[Table, dict[str, list[Point]]]:
    """Each label at the two thresholds that are quoted, and these points by label."""
    rows, points = [], {}
    for each in frames:
        found = [detector.at_precision(each.operation, precision), detector.at_fpr(each.operation, fpr)]
        points[each.label] = found
        for name, point in zip(_conditions(precision, fpr), found, strict=True):
            size = len(each.truth), each.operation.positives, each.average_precision().value
            rows.append((each.label, name, *size, *_there(each, point.threshold), point.figure.why))
    columns = ("label", "condition", "cells", "positive", "AP", *_THERE, "remark")
    caption = (
        "Of all cells, whatever recording they are of; thresholds are chosen on the very cells that are reported. "
        "Alarms: runs of accepted cells in recordings without the label, with exact 95 % limits."
    )
    return Table("operating", "Cells at two thresholds", columns, tuple(rows), caption), points


def _conditions(precision: float, fpr: float) -> tuple[str, str]:
    return f"precision ≥ {precision:g}", f"FPR ≤ {fpr:g}"


def site_table(frames: Sequence[Frames], precision: float, fpr: float) -> Table:
    """Each site with thresholds that were chosen on all others: what a new site may expect."""
    rows = []
    for each in frames:
        for site in each.sites if len(each.sites) > 1 else ():
            here, others = each.of(site), each.of(site, without=True)
            found = detector.at_precision(others.operation, precision), detector.at_fpr(others.operation, fpr)
            for name, point in zip(_conditions(precision, fpr), found, strict=True):
                size = len(here.truth), here.operation.positives, here.average_precision().value
                remark = "" if here.operation.positives else "no positives"
                if point.threshold is None:
                    remark = f"other sites: {point.figure.why}"
                rows.append(
                    (each.label, site or "(none)", name, *size, *_there(here, point.threshold), remark)
                )
    columns = ("label", "site", "condition", "cells", "positive", "AP", *_THERE, "remark")
    caption = (
        "Thresholds are the lowest that meet the condition on all other sites. The model itself may have heard a site: "
        "leaving it out of training is a split's task."
    )
    return Table("sites", "Each site left out", columns, tuple(rows), caption)


_THERE = ("threshold", "precision", "sensitivity", "FPR", "alarms/h")


def _there(here: Frames, threshold: float | None) -> tuple[object, ...]:
    """Cells of ``_THERE``; None where there is nothing to divide by."""
    if threshold is None:
        return (None,) * len(_THERE)
    values = detector.at_threshold(here.truth, here.scores, threshold)
    return threshold, *(None if np.isnan(value) else value for value in values), here.alarms(threshold)


def threshold_table(frames: Sequence[Frames]) -> Table:
    """Every threshold of every label."""
    rows = []
    for each in frames:
        table = each.operation
        chosen = np.unique(
            np.linspace(0, len(table.thresholds) - 1, min(MOST_ROWS, len(table.thresholds))).round()
        )
        values = np.stack([table.thresholds, table.precision, table.sensitivity, table.fpr], axis=1)
        rows += [(each.label, *row) for row in values[chosen.astype(int)].tolist()]
    columns = ("label", "threshold", "precision", "sensitivity", "FPR")
    return Table("thresholds", "Every threshold", columns, tuple(rows), detail=True)


def curves(frames: Sequence[Frames]) -> tuple[Curve, ...]:
    """Precision and false-positive rate against sensitivity."""
    held = [each for each in frames if each.operation.positives]
    if not held:
        return ()
    return (
        Curve(
            "precision_sensitivity", "Precision of cells", "sensitivity", "precision",
            {each.label: (each.operation.sensitivity, each.operation.precision) for each in held},
        ),
        Curve(
            "roc", "False-positive rate of cells", "false-positive rate", "sensitivity",
            {each.label: (each.operation.fpr, each.operation.sensitivity) for each in held if each.operation.negatives},
        ),
    )  # fmt: skip


def label_table(
    labels: Sequence[str], segments: dict[str, Counts], events: dict[str, Counts], recordings: Sequence[Heard]
) -> Table:
    """Decided events of each label."""
    rows = []
    for label in labels:
        cells: list[object] = []
        for counts in (segments[label], events[label]):
            why = "" if counts.reference else "not in the truth"
            misses = counts.reference + counts.estimate - 2 * counts.hits
            rate = misses / counts.reference if counts.reference else float("nan")
            cells += [counts.reference, counts.estimate]
            cells += [Figure(None if why else counts.f1, why=why), Figure.of(rate, why)]
        rows.append((label, *cells, detector.false_events(recordings, label)))
    columns = (
        "label", "segments", "said", "segment F1", "segment ER", "events", "said ", "event F1", "event ER", "alarms/h",
    )  # fmt: skip
    caption = (
        "ER of a label: what is missing or too much, over what is there. Alarms: in recordings without it."
    )
    return Table("labels", "Decided events by label", columns, tuple(rows), caption)
