"""OpenMIC-2018: 20 instruments in excerpts of 10 s, each judged for a few instruments only.

mAP is the mean over labels of the average precision over the excerpts that were judged for the label, as in
``average_precision_score(y, p, sample_weight=mask)`` (PaSST, EfficientAT). The earlier literature gives the F1 of the
positive and of the negative class at 0.5, each label's two averaged, over judged pairs: ``f1_both``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sonoscope.data.datasets.openmic import LABELS
from sonoscope.evaluation.clipfigures import ClipOptions
from sonoscope.evaluation.decisions import Decisions, accepted
from sonoscope.evaluation.protocols import clip
from sonoscope.evaluation.protocols.protocol import Protocol, Request
from sonoscope.evaluation.result import Figure, Result, Table
from sonoscope.evaluation.tagging import Answers

VERSION = "1"
NAME = "openmic"
TITLE = "OpenMIC-2018: instruments, partially judged"


@dataclass(frozen=True)
class OpenmicOptions(ClipOptions):
    """As published: one score for an excerpt, the mean over the model's windows, at a threshold of 0.5."""


def measure(
    answers: Answers, options: OpenmicOptions = OpenmicOptions(), *, notes: Sequence[str] = (), **rest: Any
) -> Result:
    """All figures of clips; the arguments are those of :func:`sonoscope.evaluation.protocols.clip.measure`."""
    found = clip.measure(
        answers, options, notes=(*_remarks(answers), *notes), protocol=(NAME, VERSION, TITLE), **rest
    )
    positive, negative = both(answers, options.threshold)
    each = np.stack([positive, negative])
    why = "no label was judged present in some and absent in other clips"
    usable = np.isfinite(each).all(axis=0)
    figures = {
        "map": found.figures["macro_ap"],
        "f1_both": Figure.of(_mean(each[:, usable]), why),
        "f1_positive": Figure.of(_mean(positive[usable]), why),
        "f1_negative": Figure.of(_mean(negative[usable]), why),
    }
    rows = tuple(
        (label, Figure.of(float(p), "no positives"), Figure.of(float(n), "no negatives"))
        for label, p, n in zip(answers.labels, positive, negative, strict=True)
    )
    table = Table(
        "positive_negative",
        f"F1 of 'sounds' and of 'does not', over judged clips, at {options.threshold:g}",
        ("label", "F1 sounds", "F1 does not"),
        rows,
    )
    return replace(found, figures={**figures, **found.figures}, tables=(*found.tables, table))


def both(answers: Answers, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """F1 of presence and of absence of each label over judged clips, both (c,); nan where there is none of it."""
    said = accepted(answers.scores, threshold)
    absent = replace(answers, truth=1.0 - (answers.truth > 0))
    return Decisions(answers, said).of_labels()["f1"], Decisions(absent, ~said).of_labels()["f1"]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _remarks(answers: Answers) -> list[str]:
    found = []
    if set(answers.labels) != set(LABELS):
        found.append(f"{len(answers.labels)} labels, not the 20 of OpenMIC: no published figure compares")
    if answers.known.all():
        found.append("every decision was judged: nothing is masked, which no data of OpenMIC are")
    return found


def judge(request: Request) -> Result:
    """Models or predictions on OpenMIC, or on data in its manner."""
    from sonoscope.evaluation import judging  # arrays are judged without what reads sound

    return judging.clips(request, PROTOCOL)


PROTOCOL = Protocol(
    name=NAME,
    title=TITLE,
    version=VERSION,
    kind="clip",
    options=OpenmicOptions,
    measure=measure,
    judge=judge,
    datasets=("openmic",),
    reference="Humphrey, Durand, McFee 2018; kkoutini/PaSST ex_openmic.py",
)
