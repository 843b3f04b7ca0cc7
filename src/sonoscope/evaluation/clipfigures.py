"""All figures of scored clips: without a threshold, at each of several, and of those who hear nothing; with intervals.

Published figures of IRMAS choose their threshold on the test clips. Here every report has three rows: a fixed
threshold, those fitted on other clips, and the one tuned on the very clips that are reported (*oracle*), to compare
with what is published. Intervals are percentiles of a bootstrap that draws whole groups of clips.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import ClassVar

import numpy as np

from sonoscope.evaluation import bootstrap, calibration, fitting, floors
from sonoscope.evaluation.decisions import Decisions, accepted
from sonoscope.evaluation.floors import Floor
from sonoscope.evaluation.pooling import AGGREGATIONS, ALIASES, PROBABILITIES
from sonoscope.evaluation.ranking import Ranking
from sonoscope.evaluation.result import Draws, Figure
from sonoscope.evaluation.tagging import Answers, top1

#: Figures of each row of thresholds that are quoted.
QUOTED = ("micro_f1", "macro_f1", "samples_f1", "hamming", "exact_match")
#: Beginnings of the names of figures by which models are compared, draw by draw.
COMPARED = ("lrap", "macro_ap", "micro_f1", "macro_f1")
#: Why a figure is undefined: nothing sounds, or what sounds does so everywhere, and is to be ranked above nothing.
NO_POSITIVES = "no label sounds in any clip"
NO_NEGATIVES = "no label sounds in some clips and not in others"


@dataclass(frozen=True)
class ClipOptions:
    """How clips are judged.

    Attributes
    ----------
    aggregate : str
        How scores of windows become one (:mod:`sonoscope.evaluation.pooling`).
    window_s, hop_s : float, optional
        Of windows; None: the model's own.
    tail : str
        ``keep`` windows that reach past the end (they weigh less), or ``drop`` them where there is a whole one.
    threshold : float
        Of the fixed row.
    draws : int
        Of the bootstrap; 0: no intervals.
    bins : int
        Of the reliability.
    seed : int
        Of the bootstrap and of chance.
    """

    #: The window that is taken where nobody asks for one and the model can, and the hop as a share of the window.
    preferred_window_s: ClassVar[float | None] = None
    hop_share: ClassVar[float | None] = None

    aggregate: str = "mean"
    window_s: float | None = None
    hop_s: float | None = None
    tail: str = "keep"
    threshold: float = 0.5
    draws: int = bootstrap.DRAWS
    bins: int = 15
    seed: int = 0

    def __post_init__(self) -> None:
        if ALIASES.get(self.aggregate, self.aggregate) not in AGGREGATIONS:
            known = ", ".join((*AGGREGATIONS, *ALIASES))
            raise ValueError(f"aggregate={self.aggregate!r} must be one of {known}")
        if self.tail not in ("keep", "drop"):
            raise ValueError(f"tail={self.tail!r} must be keep or drop")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold:g} must lie in 0..1")
        for name in ("window_s", "hop_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}={value:g} must be above 0 seconds")
        if self.draws < 0 or self.bins < 1:
            raise ValueError(f"draws={self.draws} must be 0 or more, bins={self.bins} 1 or more")

    @property
    def gives_probabilities(self) -> bool:
        """Whether the aggregation leaves probabilities."""
        return ALIASES.get(self.aggregate, self.aggregate) in PROBABILITIES


@dataclass(frozen=True, eq=False)
class Row:
    """One way to decide: a short name, a line for people, thresholds (c,), and where they come from.

    ``thresholds`` is None where there are none; ``why`` then says why.
    """

    name: str
    title: str
    thresholds: np.ndarray | None
    shown: str = ""
    why: str = ""


@dataclass(frozen=True, eq=False)
class Judged:
    """Everything that is known of a set of answers; computed when it is asked for, and once.

    Attributes
    ----------
    answers : Answers
        The clips that are reported.
    options : ClipOptions
    own : np.ndarray, shape (c,), optional
        Thresholds that the model states, or that were given; ``own_title`` says which.
    validation : Answers, optional
        Other clips of the same labels, to fit thresholds on.
    """

    answers: Answers
    options: ClipOptions
    own: np.ndarray | None = None
    validation: Answers | None = None
    own_title: str = "the model's own"

    @cached_property
    def ranking(self) -> Ranking:
        return Ranking(self.answers)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Fixed, fitted (one for all, and by label), the model's own if it states any, and the oracle."""
        c = len(self.answers.labels)
        fixed = Row("fixed", "fixed", np.full(c, self.options.threshold), f"{self.options.threshold:g}")
        best, _ = fitting.swept(self.answers)
        oracle = Row("oracle", "oracle: tuned on these clips, as published", np.full(c, best), f"{best:.2f}")
        own = [] if self.own is None else [Row("own", self.own_title, self.own, _span(self.own))]
        return (fixed, *self._fitted_rows, *own, oracle)

    @cached_property
    def fitted(self) -> Mapping[str, fitting.Fitted]:
        """What was fitted on validation, by scope; empty without validation."""
        if self.validation is None:
            return {}
        wish = fitting.Wish("f1")
        return {scope: fitting.fit(self.validation, wish, scope=scope) for scope in fitting.SCOPES}

    @property
    def _fitted_rows(self) -> list[Row]:
        if not self.fitted:
            return [Row("fitted", "fitted on validation", None, why="no validation")]
        limits = {scope: fit.array(self.answers.labels) for scope, fit in self.fitted.items()}
        one = float(limits["global"][0])
        return [
            Row("fitted_global", "fitted on validation, one for all", limits["global"], f"{one:.3f}"),
            Row("fitted", "fitted on validation, by label", limits["per-class"], _span(limits["per-class"])),
        ]

    @property
    def chosen(self) -> Row:
        """The row that tables of labels and parts are made at: fitted by label, else the model's own, else fixed."""
        usable = {row.name: row for row in self.rows if row.thresholds is not None}
        return next(usable[name] for name in ("fitted", "own", "fixed") if name in usable)

    @cached_property
    def decisions(self) -> Mapping[str, Decisions]:
        """Of each row that has thresholds."""
        return {
            row.name: Decisions(self.answers, accepted(self.answers.scores, row.thresholds))
            for row in self.rows
            if row.thresholds is not None
        }

    @cached_property
    def floors(self) -> tuple[Floor, ...]:
        """Constants, dummies and chance on these clips."""
        shares = None if self.validation is None else floors.share_of(self.validation)
        return tuple(floors.floors(self.answers, shares, seed=self.options.seed))

    @cached_property
    def single(self) -> bool:
        """Whether every clip in which anything sounds has exactly one label, and every label of it was judged."""
        count = ((self.answers.truth > 0) & self.answers.known).sum(axis=1)
        return bool((count == 1).any() and (count <= 1).all() and self.answers.known.all())

    @cached_property
    def ece(self) -> float | None:
        """Expected calibration error of all judged decisions; None where scores are no probabilities."""
        if not self.are_probabilities:
            return None
        known = self.answers.known
        return calibration.expected_calibration_error(
            self.answers.scores[known], self.answers.truth[known] > 0, self.options.bins
        )

    @property
    def are_probabilities(self) -> bool:
        """Whether scores can be read as probabilities."""
        scores = self.answers.scores[self.answers.known]
        inside = bool(((scores >= 0) & (scores <= 1)).all()) if scores.size else False
        return self.options.gives_probabilities and inside

    @cached_property
    def values(self) -> dict[str, float]:
        """Every figure by name; nan where undefined."""
        found = {name: float(value) for name, value in self.ranking.figures().items()}
        for row, decisions in self.decisions.items():
            figures = decisions.figures()
            found |= {f"{name}_{row}": figures[name] for name in QUOTED}
        return found

    @cached_property
    def samples(self) -> dict[str, np.ndarray]:
        """``values`` in each draw, (d,), and each label's average precision as ``ap/LABEL``; empty without draws."""
        samples: dict[str, list[np.ndarray]] = defaultdict(list)
        if not self.options.draws or len(set(self.answers.groups)) < 2:
            return {}
        groups, options = self.answers.groups, self.options
        for weights in bootstrap.stacked_weights(
            groups, len(self.answers.labels), options.draws, options.seed
        ):
            for name, values in self.ranking.drawn(weights).items():
                samples[name].append(values)
            for row, decisions in self.decisions.items():
                figures = decisions.drawn(weights)
                for name in QUOTED:
                    samples[f"{name}_{row}"].append(figures[name])
        return {name: np.concatenate(values) for name, values in samples.items()}

    @cached_property
    def drawn(self) -> dict[str, tuple[float, float]]:
        """95 % intervals of what is in ``samples``."""
        return {name: bootstrap.interval(values) for name, values in self.samples.items()}

    def figure(self, name: str) -> Figure:
        """A figure of ``values`` with its interval; those of :data:`COMPARED` keep their draws."""
        draws = None
        if name in self.samples and name.startswith(COMPARED) and not name.endswith("_oracle"):
            draws = Draws(self.samples[name], self.answers.groups)
        something_sounds = bool(self.answers.truth[self.answers.known].any())
        why = NO_NEGATIVES if something_sounds else NO_POSITIVES
        return Figure.of(self.values[name], why, self.drawn.get(name), draws)

    def _d_prime(self) -> Figure:
        """AudioSet's d': how many deviations apart two normals are that have this area between them."""
        area = self.figure("macro_roc_auc")
        if area.value is None:
            return area
        if not 0 < area.value < 1:
            return Figure(None, why=f"the area under the ROC curve is {area.value:g}: infinitely far apart")
        low, high = area.low, area.high
        if low is None or high is None or low <= 0 or high >= 1:
            return Figure(_apart(area.value))
        # Percentiles keep their order under what only rises.
        return Figure(_apart(area.value), _apart(low), _apart(high))

    def figures(self) -> dict[str, Figure]:
        """All that is quoted, with intervals; accuracy where clips have one label each."""
        found = {name: self.figure(name) for name in self.values}
        missing = next((row for row in self.rows if row.thresholds is None), None)
        if missing is not None:
            found |= {f"{name}_{missing.name}": Figure(None, why=missing.why) for name in QUOTED[:2]}
        if self.single:
            accuracy, recall = top1(self.answers)
            found |= {"top1": Figure.of(accuracy), "macro_top1": Figure.of(recall)}
        found["d_prime"] = self._d_prime()
        found["ece"] = (
            Figure(None, why="these scores are no probabilities") if self.ece is None else Figure.of(self.ece)
        )
        return found


def _apart(area: float) -> float:
    return math.sqrt(2) * NormalDist().inv_cdf(area)


def _span(thresholds: np.ndarray) -> str:
    low, high = float(thresholds.min()), float(thresholds.max())
    return f"{low:.3f}" if low == high else f"{low:.2f} to {high:.2f}"
