"""Clips with any number of labels, each with one score for each label: the protocol of data without their own.

``measure`` judges arrays; the other protocols of clips (IRMAS, OpenMIC) are this one with other options and further
figures. Macro figures are means over the labels that sound in some clip, and say over how many; a label that never
sounds is named, and counts in no mean.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sonoscope import __version__
from sonoscope.errors import count
from sonoscope.evaluation import cliptables
from sonoscope.evaluation.clipfigures import ClipOptions, Judged
from sonoscope.evaluation.protocols.protocol import Protocol, Request
from sonoscope.evaluation.result import Result
from sonoscope.evaluation.tagging import Answers

VERSION = "1"
NAME = "clip"
TITLE = "Clips with any number of labels"
#: Groups below which the percentiles of a bootstrap over groups say little.
FEW_GROUPS = 10


def measure(
    answers: Answers,
    options: ClipOptions = ClipOptions(),
    *,
    own: np.ndarray | None = None,
    own_title: str = "the model's own",
    validation: Answers | None = None,
    parts: Mapping[str, Sequence[str]] | None = None,
    provenance: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    protocol: tuple[str, str, str] = (NAME, VERSION, TITLE),
) -> Result:
    """All figures of scored clips.

    Parameters
    ----------
    answers : Answers
        Truth and scores of the clips, at least one.
    options : ClipOptions
        The scores are aggregated already: ``aggregate`` says how, for what may be made of them.
    own : np.ndarray, shape (c,), optional
        Thresholds that the model states, or that were given (``own_title`` says which); left out where the
        aggregation leaves no probabilities.
    validation : Answers, optional
        Other clips with the same labels, to fit thresholds on.
    parts : mapping of str to sequence of str, optional
        Further columns of the clips to report by.
    provenance, notes
        What the result says besides.
    protocol : name, version and title of the result
    """
    judged = Judged(answers, options, own if options.gives_probabilities else None, validation, own_title)
    name, version, title = protocol
    return Result(
        protocol=name,
        version=version,
        title=title,
        figures=judged.figures(),
        tables=cliptables.tables(judged, cliptables.shown_parts(answers, parts or {})),
        curves=cliptables.curves(judged),
        arrays={
            "truth": answers.truth.astype(np.float32),
            "known": answers.known,
            "scores": answers.scores,
            "names": np.array(answers.names),
            "groups": np.array(answers.groups),
            "labels": np.array(answers.labels),
        },
        notes=(*remarks(judged), *notes),
        provenance={**about(judged), **(provenance or {})},
    )


def about(judged: Judged) -> dict[str, Any]:
    """What every report names: versions, options, and where each row's thresholds come from."""
    options = judged.options
    return {
        "sonoscope": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "clips": len(judged.answers.truth),
        "groups": len(set(judged.answers.groups)),
        "labels": list(judged.answers.labels),
        "aggregate": options.aggregate,
        "bootstrap": f"{options.draws} draws of groups, seed {options.seed}",
        "thresholds": {row.name: row.why or f"{row.title} ({row.shown})" for row in judged.rows},
    }


def remarks(judged: Judged) -> list[str]:
    """What must be said beside the figures."""
    answers = judged.answers
    sounds = (answers.truth > 0) & answers.known
    silent = [label for label, there in zip(answers.labels, sounds.any(axis=0), strict=True) if not there]
    found = []
    if silent:
        whole = judged.decisions[judged.chosen.name].of_labels()["f1"]
        zeros = float(np.nan_to_num(whole).mean())
        found.append(
            f"{len(silent)} of {len(answers.labels)} labels sound in no clip and are in no mean: {', '.join(silent)} "
            f"(scikit-learn's macro F1 with zero_division=0, which counts each as 0: {zeros:.3f})"
        )
    empty = int((~sounds.any(axis=1)).sum())
    if empty:
        found.append(
            f"{empty:,} of {len(sounds):,} clips have no label: they are in no LRAP and in no samples figure"
        )
    unjudged = int((~answers.known).sum())
    if unjudged:
        found.append(
            f"{unjudged:,} of {answers.known.size:,} decisions were judged by nobody and count nowhere"
        )
    fitted = judged.fitted.get("per-class")
    if fitted is not None and fitted.unmet:
        unmet = "; ".join(f"{label}: {why}" for label, why in fitted.unmet.items())
        found.append(f"thresholds that could not be fitted: {unmet}")
    tied = int((np.diff(np.sort(answers.scores, axis=1), axis=1) == 0).any(axis=1).sum())
    if tied:
        found.append(f"in {tied:,} clips two labels have the same score; LRAP gives both the worse rank")
    groups = len(set(answers.groups))
    if groups == len(answers.groups):
        found.append("every clip is its own group: intervals take clips for independent")
    elif groups < FEW_GROUPS and judged.options.draws:
        found.append(f"{count(groups, 'group')}: too few for intervals to be trusted")
    return found


def judge(request: Request) -> Result:
    """Models or predictions on a data set."""
    from sonoscope.evaluation import judging  # arrays are judged without what reads sound

    return judging.clips(request, PROTOCOL)


PROTOCOL = Protocol(
    name=NAME,
    title=TITLE,
    version=VERSION,
    kind="clip",
    options=ClipOptions,
    measure=measure,
    judge=judge,
    reference="scikit-learn's multilabel metrics",
)
