"""What the left-out sounds show: calibration, thresholds, how much is found, and what else is taken for it.

A sound is *found* if one of its windows reaches the threshold: then ``analyze`` reports an event in it. Shares have
Wilson's 95 % interval, as if sounds were independent; sites differ, so each site is shown too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonoscope import events as event_rules
from sonoscope import scores as score_tables
from sonoscope.errors import UsageError
from sonoscope.evaluation import calibration
from sonoscope.events import Decision
from sonoscope.field import fitting, intervals
from sonoscope.field.intervals import Rate
from sonoscope.training.describe import BETA, LOW_RATIO, described
from sonoscope.training.teach.against import Piece
from sonoscope.training.teach.examples import BUILT_IN, UNLABELLED, Examples
from sonoscope.training.teach.folds import Folds
from sonoscope.training.teach.hearing import Listener
from sonoscope.training.teach.taught import SNIPPET

#: The fewest sounds of a class that can be taught.
LEAST_SOUNDS = 5
_Z = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """So many of so many, with Wilson's interval.

    >>> str(Share(31, 40))
    '31 of 40 [62–88 %]'
    """

    hits: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, as shares."""
        n = self.of
        if not n:
            return 0.0, 1.0
        p = self.hits / n
        middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
        return max(middle - half, 0.0), min(middle + half, 1.0)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.hits} of {self.of} [{100 * low:.0f}–{100 * high:.0f} %]"


@dataclass(frozen=True)
class Class:
    """What is known of one class.

    Attributes
    ----------
    label : str
    slope, offset : float
        Of the calibration.
    threshold : float
    origin : str
        What the threshold is.
    found : Share
        Of its left-out sounds.
    by_file : bool
        Whether sounds were left out by file, since all are from one site.
    sites : mapping of str to Share
        Found, by site.
    alarms : mapping of str to Share
        Sounds of other kinds in which it was reported: ``taught`` ones, ``built-in`` and ``unlabelled``.
    mistaken : mapping of str to int
        Which built-in kinds and other classes were taken for it, and how often.
    entry : mapping
        Further figures for ``bundle.json``.
    average_precision : float
    """

    label: str
    slope: float
    offset: float
    threshold: float
    origin: str
    found: Share
    by_file: bool
    sites: Mapping[str, Share]
    alarms: Mapping[str, Share]
    mistaken: Mapping[str, int]
    entry: Mapping[str, Any]
    average_precision: float


def check_counts(examples: Examples, precision: float | None) -> None:
    """Find that there is enough of every class for what is asked.

    Raises
    ------
    UsageError
        If a class has less than :data:`LEAST_SOUNDS` sounds, nothing stands against it, or its sounds could not show
        the precision even if all were found and nothing else; says how many verdicts would do.
    """
    for k, label in enumerate(examples.labels):
        count = int(examples.positives(label).sum())
        if count < LEAST_SOUNDS:
            raise UsageError(
                f"{label}: {count} sounds are too few to be taught: {LEAST_SOUNDS} are needed, 20 from several sites "
                "are better"
            )
        if not (examples.known[:, k] & ~examples.truth[:, k]).any():
            raise UsageError(
                f"{label}: nothing stands against it: leave built-in backgrounds in, or give --unlabelled"
            )
        if precision is not None:
            fitting.check_wish("precision", precision)
            needed = fitting.verdicts_needed(precision, 1.0)
            if count < needed:
                raise UsageError(_too_few(label, precision, count, needed))


def _too_few(label: str, wish: float, count: int, needed: int) -> str:
    return (
        f"{label}: a precision of {wish:g} cannot be shown with {count} sounds that are found: at least {needed} are "
        f"needed, about {fitting.verdicts_needed(wish)} if some are wrong. Train without --precision, run the model, "
        f"judge {fitting.verdicts_needed(wish)} clips of what it finds (sonoscope clips, review), and let thresholds "
        "verdicts find the threshold"
    )


def judge(examples: Examples, logits: np.ndarray, folds: Folds, precision: float | None) -> list[Class]:
    """Every class, from the logits (n, c) of windows that were left out.

    Raises
    ------
    UsageError
        If a precision is not shown.
    """
    return [
        _class(examples, logits, k, label in folds.by_file, precision)
        for k, label in enumerate(examples.labels)
    ]


def _class(examples: Examples, logits: np.ndarray, k: int, by_file: bool, precision: float | None) -> Class:
    label = examples.labels[k]
    windows = ~examples.copy & ~np.isnan(logits[:, k]) & examples.known[examples.owner, k]
    raw, truth = logits[windows, k], examples.truth[examples.owner[windows], k]
    slope, offset = calibration.fit_platt(raw, truth)
    slope, offset = round(slope, 5), round(offset, 5)
    p = probability(raw, slope, offset)
    best = probability(examples.best(logits[:, k : k + 1])[:, 0], slope, offset)
    judged = examples.known[:, k] & ~np.isnan(best)
    sounds = judged & examples.truth[:, k]
    if precision is None:
        threshold = calibration.best_threshold(p, truth, beta=BETA)
        origin = f"best F{BETA:g} on {int(windows.sum())} windows left out by {'file' if by_file else 'site'}"
    else:
        threshold = _for_precision(label, best[judged], sounds[judged], precision)
        origin = f"precision {precision:g} among {int(judged.sum())} sounds left out"
    hit = judged & (best >= threshold)
    others = judged & ~sounds
    roles = np.where(examples.taught, "taught", examples.roles)
    alarms = np.flatnonzero(hit & others & (roles != UNLABELLED)).tolist()
    wrong = Counter(sorted(_what(examples, i) for i in alarms))
    sites = examples.groups
    return Class(
        label, slope, offset, threshold, origin, Share(int((hit & sounds).sum()), int(sounds.sum())), by_file,
        {site: _share(hit, sounds & (sites == site)) for site in sorted(set(sites[sounds]))},
        {role: _share(hit, others & (roles == role)) for role in ("taught", BUILT_IN, UNLABELLED)
         if (others & (roles == role)).any()},
        dict(wrong.most_common()),
        {"ece": round(calibration.expected_calibration_error(p, truth), 4),
         "operating_points": calibration.operating_points(p, truth)},
        round(_average_precision(sounds[judged], best[judged]), 4),
    )  # fmt: skip


def _what(examples: Examples, i: int) -> str:
    """What a taught sound is that was taken for something else."""
    labels = [label for label, there in zip(examples.labels, examples.truth[i], strict=True) if there]
    if not labels and examples.roles[i] in (SNIPPET, BUILT_IN):
        return examples.names[i].partition("/")[0]
    return ",".join(labels) or str(examples.roles[i])


def _average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    from sonoscope.evaluation.metrics import average_precision

    return float(average_precision(truth.astype(np.float64), scores))


def _share(hit: np.ndarray, of: np.ndarray) -> Share:
    return Share(int((hit & of).sum()), int(of.sum()))


def probability(logits: np.ndarray, slope: float, offset: float) -> np.ndarray:
    """Calibrated, nan where there is no logit."""
    return 1.0 / (1.0 + np.exp(-np.clip(slope * logits + offset, -60, 60)))


def _for_precision(label: str, scores: np.ndarray, truth: np.ndarray, wish: float) -> float:
    """The lowest threshold at which the precision among sounds is reached, and shown to be.

    Raises
    ------
    UsageError
        If there is none; says how many verdicts would show it.
    """
    from scipy.special import betaincinv

    met, most = None, 0
    for threshold in np.unique(np.floor(scores * 1e4) / 1e4):
        reported = scores >= threshold
        right, count = int(truth[reported].sum()), int(reported.sum())
        if right / count < wish:
            continue
        most = max(most, count)
        if float(betaincinv(right + 0.5, count - right + 0.5, 0.025)) >= fitting.least(wish):
            met = float(threshold)
            break
    if met is not None and met > 0:
        return met
    if most:
        raise UsageError(_too_few(label, wish, most, fitting.verdicts_needed(wish, 1.0)))
    raise UsageError(
        f"{label}: no threshold gives a precision of {wish:g} among the sounds left out. Wish for less, or teach more "
        "sounds, also of what is mistaken for it"
    )


# ---- unlabelled sound --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hits:
    """Events that the finished model reports in unlabelled sound that it did not learn from."""

    events: int
    hours: float
    rate: Rate


def hits(
    classes: Sequence[Class], pieces: Sequence[Piece], listener: Listener, logits: Sequence[np.ndarray]
) -> dict[str, Hits]:
    """Events of each class in stretches of unlabelled sound, as ``analyze`` would decide; logits of each, (n, c)."""
    if not pieces:
        return {}
    ids = [each.label for each in classes]
    scaling = np.array([[each.slope, each.offset] for each in classes])
    decision = Decision(
        {each.label: each.threshold for each in classes},
        {each.label: round(each.threshold * LOW_RATIO, 3) for each in classes},
    )
    counts = {label: np.zeros(len(pieces)) for label in ids}
    for place, (piece, table) in enumerate(zip(pieces, logits, strict=True)):
        scores = score_tables.assemble(
            table, scaling, labels=ids, sample_rate=listener.sample_rate, window_samples=listener.window,
            hop_samples=listener.window, n_samples=round(piece.length_s * listener.sample_rate),
        )  # fmt: skip
        for event in event_rules.find(scores, decision, described(ids), duration_s=piece.length_s):
            counts[event.label][place] += 1
    seconds = np.array([piece.length_s for piece in pieces])
    places = np.unique([piece.recording for piece in pieces], return_inverse=True)[1]
    return {
        label: Hits(int(count.sum()), float(seconds.sum()) / 3600, intervals.rate(count, seconds, places))
        for label, count in counts.items()
    }
