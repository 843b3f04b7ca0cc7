"""The tables and curves of a report on clips, from what :mod:`sonoscope.evaluation.clipfigures` computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sonoscope.evaluation import calibration, fitting
from sonoscope.evaluation.clipfigures import Judged
from sonoscope.evaluation.decisions import AVERAGES, MEASURES, Decisions, accepted
from sonoscope.evaluation.metrics import confusion
from sonoscope.evaluation.ranking import Ranking
from sonoscope.evaluation.result import POOLED, Curve, Figure, Table
from sonoscope.evaluation.tagging import Answers

#: Points of a curve at most.
POINTS = 201
#: Rows beyond which a table by parts is for files only, and beyond which parts are too many to say anything of each;
#: columns beyond which a matrix is for files only.
LONG, MANY, WIDE = 30, 100, 7
#: Mistakes that are listed, the most confident first.
MISTAKES = 50

_ANSWERS = {
    "micro F1": "micro_f1",
    "macro F1": "macro_f1",
    "samples F1": "samples_f1",
    "Hamming": "hamming",
    "exact": "exact_match",
    "LRAP": "lrap",
    "mAP": "macro_ap",
}


def tables(judged: Judged, parts: Mapping[str, Sequence[str]]) -> tuple[Table, ...]:
    """All tables; ``parts`` are further columns of the clips (site, source, split) to report by."""
    found = [answers_table(judged), averages(judged), per_class(judged), counts(judged)]
    found += [part for name, values in parts.items() if (part := by_part(judged, name, values))]
    found += [label_counts(judged), *confusions(judged)]
    if (table := reliability(judged)) is not None:
        found.append(table)
    return (*found, mistakes(judged), clips(judged))


def answers_table(judged: Judged) -> Table:
    """Rows of thresholds, and in the same table the floors."""
    rows: list[tuple[object, ...]] = []
    ranked = judged.ranking.figures()
    for row in judged.rows:
        if row.thresholds is None:
            rows.append((row.title, "none given", *(None for _ in _ANSWERS)))
            continue
        values = judged.decisions[row.name].figures() | ranked
        rows.append((row.title, row.shown, *_cells(values)))
    rows += [(f"{floor.name} (hears nothing)", "", *_cells(floor.figures)) for floor in judged.floors]
    return Table(
        "answers",
        "At each threshold, and what answers come to that hear nothing",
        ("answer", "threshold", *_ANSWERS),
        tuple(rows),
        f"{len(judged.answers.truth):,} clips; macro: over the labels that sound",
    )


def _cells(values: Mapping[str, float]) -> tuple[object, ...]:
    return tuple(_defined(values.get(name, float("nan"))) for name in _ANSWERS.values())


def averages(judged: Judged) -> Table:
    """Precision, recall and F1 in every average."""
    columns = [f"{average}_{measure}" for average in AVERAGES for measure in MEASURES]
    rows = [
        (row.title, *(_defined(figures[name]) for name in columns))
        for row in judged.rows
        if row.name in judged.decisions and (figures := judged.decisions[row.name].figures())
    ]
    heads = tuple(name.replace("_", " ").replace("f1", "F1") for name in columns)
    return Table("averages", "Precision, recall and F1", ("answer", *heads), tuple(rows), detail=True)


def per_class(judged: Judged) -> Table:
    """A row for each label, at the chosen thresholds."""
    answers, row = judged.answers, judged.chosen
    precision, area = judged.ranking.of_labels()
    decided = judged.decisions[row.name].of_labels()
    assert row.thresholds is not None
    rows = []
    for k, label in enumerate(answers.labels):
        known = answers.known[:, k]
        truth = answers.truth[known, k] > 0
        positives, negatives = int(truth.sum()), int((~truth).sum())
        why = "no positives" if not positives else "no negatives" if not negatives else ""
        rows.append(
            (
                label,
                positives,
                negatives,
                int((~known).sum()),
                Figure.of(float(precision[k]), "no positives", judged.drawn.get(f"ap/{label}")),
                Figure.of(float(area[k]), why),
                float(row.thresholds[k]),
                *(Figure.of(float(decided[name][k]), "no positives") for name in MEASURES),
                _ece_of(judged, k),
            )
        )
    return Table(
        "per_class",
        f"By label ({row.title})",
        (
            "label",
            "positives",
            "negatives",
            "not judged",
            "AP",
            "ROC AUC",
            "threshold",
            "precision",
            "recall",
            "F1",
            "ECE",
        ),
        tuple(rows),
    )


def _ece_of(judged: Judged, k: int) -> float | None:
    known = judged.answers.known[:, k]
    if not judged.are_probabilities or not known.any():
        return None
    return calibration.expected_calibration_error(
        judged.answers.scores[known, k], judged.answers.truth[known, k] > 0, judged.options.bins
    )


def counts(judged: Judged) -> Table:
    """Hits, false alarms, misses and correct silences of each label at each row of thresholds."""
    rows = []
    for row in judged.rows:
        if row.thresholds is None:
            continue
        found = judged.decisions[row.name]
        of_labels = found.of_labels()
        hits, said, there = (part.sum(axis=0).astype(int) for part in (found.hits, found.said, found.there))
        judged_of = judged.answers.known.sum(axis=0)
        for k, label in enumerate(judged.answers.labels):
            rows.append(
                (
                    row.name, label, float(row.thresholds[k]), int(hits[k]), int(said[k] - hits[k]),
                    int(there[k] - hits[k]), int(judged_of[k] - said[k] - there[k] + hits[k]),
                    *(Figure.of(float(of_labels[name][k]), "no positives") for name in MEASURES),
                )
            )  # fmt: skip
    columns = (
        "row",
        "label",
        "threshold",
        "hits",
        "false alarms",
        "misses",
        "correct silences",
        "precision",
        "recall",
        "F1",
    )
    return Table("counts", "Decisions by label", columns, tuple(rows), detail=True)


def by_part(judged: Judged, name: str, values: Sequence[str]) -> Table | None:
    """Figures of the clips of each value of a column; None for one value, one a clip, or too many."""
    column = np.asarray(values, dtype=str)
    known = sorted(set(column.tolist()))
    if not 1 < len(known) <= min(MANY, len(column) - 1):
        return None
    row = judged.chosen
    assert row.thresholds is not None
    rows = []
    for value in known:
        part = judged.answers.take(np.flatnonzero(column == value))
        ranked = Ranking(part).figures()
        decided = Decisions(part, accepted(part.scores, row.thresholds)).figures()
        sounding = int(((part.truth > 0) & part.known).any(axis=0).sum())
        picked = [
            *(ranked[key] for key in ("lrap", "macro_ap")),
            *(decided[key] for key in ("micro_f1", "macro_f1", "hamming", "exact_match")),
        ]
        rows.append((value or "(none)", len(part.truth), sounding, *map(_defined, picked)))
    return Table(
        f"by_{name}",
        f"By {name} ({row.title})",
        (name, "clips", "labels", "LRAP", "mAP", "micro F1", "macro F1", "Hamming", "exact"),
        tuple(rows),
        "mAP and macro F1: over the labels that sound there",
        detail=len(rows) > LONG,
    )


def label_counts(judged: Judged) -> Table:
    """How many labels clips have, how many are said of them, and how well."""
    found = judged.decisions[judged.chosen.name]
    count = found.there.sum(axis=1).astype(int)
    of_clips, lrap = found.of_clips, judged.ranking.lrap_of_clips
    rows = []
    for size in np.unique(count):
        of_size = count == size
        rows.append(
            (
                int(size), int(of_size.sum()), float(found.said[of_size].sum(axis=1).mean()),
                *(_mean_defined(values[of_size]) for values in (lrap, of_clips["f1"], of_clips["exact_match"])),
            )
        )  # fmt: skip
    return Table(
        "label_counts",
        f"By number of labels in a clip ({judged.chosen.title})",
        ("labels", "clips", "said, mean", "LRAP", "F1", "exact"),
        tuple(rows),
    )


def confusions(judged: Judged) -> Iterator[Table]:
    """What is said of what sounds: of the best label where clips have one, of pairs of labels otherwise."""
    labels = judged.answers.labels
    detail = len(labels) > WIDE
    if judged.single:
        truth, known = judged.answers.truth > 0, judged.answers.known
        rows = np.flatnonzero((truth & known).any(axis=1))
        table = confusion(truth[rows].argmax(axis=1), judged.answers.scores[rows].argmax(axis=1), len(labels))
        cells = tuple((label, *map(int, row)) for label, row in zip(labels, table, strict=True))
        columns = ("sounds \\ best score", *labels)
        yield Table("confusion", "Confusion (clips)", columns, cells, detail=detail)
        share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        cells = tuple((label, *map(float, row)) for label, row in zip(labels, share, strict=True))
        yield Table(
            "confusion_shares", "Confusion (shares of the label that sounds)", columns, cells, detail=True
        )
    found = judged.decisions[judged.chosen.name]
    alarms = (found.said - found.hits).astype(np.float64)
    absent = judged.answers.known & ~(judged.answers.truth > 0)
    together = found.there.T @ absent.astype(np.float64)
    share = np.divide(
        found.there.T @ alarms, together, out=np.full(together.shape, np.nan), where=together > 0
    )
    recall = found.of_labels()["recall"]
    share[np.diag_indices(len(labels))] = recall
    cells = tuple(
        (label, *(_defined(value) for value in row)) for label, row in zip(labels, share, strict=True)
    )
    yield Table(
        "confusion_pairs",
        f"Of clips in which the label of the row sounds and that of the column does not: the share in which the "
        f"column's is said ({judged.chosen.title})",
        ("sounds \\ said", *labels),
        cells,
        "diagonal: recall",
        detail=detail,
    )


def reliability(judged: Judged) -> Table | None:
    """Scores against how often they are right; None where scores are no probabilities."""
    if not judged.are_probabilities:
        return None
    known = judged.answers.known
    bins = calibration.reliability(
        judged.answers.scores[known], judged.answers.truth[known] > 0, judged.options.bins
    )
    rows = tuple((f"{b.low:.2f} to {b.high:.2f}", b.count, b.score, b.share) for b in bins)
    columns = ("score", "decisions", "mean score", "share that sounds")
    return Table("reliability", "Reliability", columns, rows, detail=True)


def mistakes(judged: Judged) -> Table:
    """The most confident mistakes: false alarms by how far above the threshold, misses by how far below."""
    row, answers = judged.chosen, judged.answers
    assert row.thresholds is not None
    found = judged.decisions[row.name]
    wrong = (found.said + found.there - 2 * found.hits) > 0
    distance = np.where(wrong, np.abs(answers.scores - row.thresholds), -np.inf)
    order = np.argsort(-distance, axis=None, kind="stable")[: min(MISTAKES, int(wrong.sum()))]
    rows = []
    for place in order:
        i, k = np.unravel_index(place, distance.shape)
        said = "false alarm" if found.said[i, k] else "miss"
        sounds = ";".join(label for label, there in zip(answers.labels, found.there[i], strict=True) if there)
        rows.append(
            (
                answers.names[i],
                answers.labels[k],
                said,
                float(answers.scores[i, k]),
                float(row.thresholds[k]),
                sounds,
            )
        )
    columns = ("clip", "label", "mistake", "score", "threshold", "sounds")
    return Table("mistakes", f"The most confident mistakes ({row.title})", columns, tuple(rows), detail=True)


def clips(judged: Judged) -> Table:
    """A row for each clip: what sounds, what is said, how right that is, and every score."""
    answers, found = judged.answers, judged.decisions[judged.chosen.name]
    of_clips, lrap = found.of_clips, judged.ranking.lrap_of_clips

    def named(row: np.ndarray) -> str:
        return ";".join(label for label, value in zip(answers.labels, row, strict=True) if value)

    rows = [
        (
            name, answers.groups[i], named(found.there[i]), named(~answers.known[i]), named(found.said[i]),
            _defined(of_clips["hamming"][i]), _defined(of_clips["exact_match"][i]), _defined(of_clips["f1"][i]),
            _defined(lrap[i]), *map(float, answers.scores[i]),
        )
        for i, name in enumerate(answers.names)
    ]  # fmt: skip
    columns = (
        "file",
        "group",
        "sounds",
        "not judged",
        "said",
        "Hamming",
        "exact",
        "F1",
        "LRAP",
        *answers.labels,
    )
    return Table("clips", f"Clips ({judged.chosen.title})", columns, tuple(rows), detail=True)


def curves(judged: Judged) -> tuple[Curve, ...]:
    """ROC and precision over recall of each label and of all, the sweep of one threshold, and the reliability."""
    roc, pr = {}, {}
    columns = {label: judged.ranking.column(k) for k, label in enumerate(judged.answers.labels)}
    if len(columns) > 1:
        columns = {POOLED: judged.ranking.pooled, **columns}
    for label, column in columns.items():
        true, false = column.counts()
        if not true.size or not true[-1]:
            continue
        recall = np.r_[0.0, true / true[-1]]
        pr[label] = _thinned(recall[1:], true / (true + false))
        if false[-1]:
            roc[label] = _thinned(np.r_[0.0, false / false[-1]], recall)
    steps = np.linspace(0, 1, 101)
    _, micro = fitting.swept(judged.answers, steps)
    found = [
        Curve("roc", "ROC", "false-positive rate", "recall", roc),
        Curve("precision_recall", "Precision over recall", "recall", "precision", pr),
        Curve(
            "sweep",
            "Micro-F1 of one threshold for all labels",
            "threshold",
            "micro F1",
            {"micro F1": (steps, micro)},
        ),
    ]
    if judged.are_probabilities:
        known = judged.answers.known
        bins = calibration.reliability(
            judged.answers.scores[known], judged.answers.truth[known] > 0, judged.options.bins
        )
        line = np.array([b.score for b in bins]), np.array([b.share for b in bins])
        found.append(Curve("reliability", "Reliability", "score", "share that sounds", {"all labels": line}))
    return tuple(found)


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most :data:`POINTS` of the points, first and last among them: half evenly by number, half evenly across."""
    if len(x) > POINTS:
        by_number = np.linspace(0, len(x) - 1, POINTS // 2 + 1).round().astype(int)
        across = np.searchsorted(x, np.linspace(x[0], x[-1], POINTS // 2))
        kept = np.unique(np.r_[by_number, across])
        return x[kept], y[kept]
    return x, y


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mean_defined(values: np.ndarray) -> float | None:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if defined.size else None


def shown_parts(answers: Answers, parts: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """The columns to report by, groups among them unless another column has the same values."""
    same = any(tuple(values) == answers.groups for values in parts.values())
    return dict(parts) if same else {**parts, "group": answers.groups}
