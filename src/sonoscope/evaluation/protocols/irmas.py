"""IRMAS: which of eleven instruments are predominant in excerpts of 5 to 20 s.

Windows of 1 s every half second, as Han, Kim and Lee (2016) and Zhong et al. (2023) take them: only whole ones, with
one weight each. ``--aggregate mean`` is S1 (and Zhong's), ``sum-max`` is S2. Published micro- and macro-F1 are at the
threshold of the best micro-F1 on the test excerpts: the row *oracle*, which tries 0.00, 0.02 … 0.78 as they do. LRAP is
the one published figure that no threshold enters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sonoscope import labels
from sonoscope.evaluation.clipfigures import ClipOptions
from sonoscope.evaluation.protocols import clip
from sonoscope.evaluation.protocols.protocol import Protocol, Request
from sonoscope.evaluation.result import Result
from sonoscope.evaluation.tagging import Answers

VERSION = "1"
NAME = "irmas"
TITLE = "IRMAS: predominant instruments"
#: Labels and test excerpts of the published figures.
LABELS = tuple(label.id for label in labels.IRMAS)
EXCERPTS = 2874


@dataclass(frozen=True)
class IrmasOptions(ClipOptions):
    """As published: windows of 1 s (where the model can be given them) every half window, only whole ones."""

    preferred_window_s: ClassVar[float | None] = 1.0
    hop_share: ClassVar[float | None] = 0.5

    tail: str = "drop"


def measure(
    answers: Answers, options: IrmasOptions = IrmasOptions(), *, notes: Sequence[str] = (), **rest: Any
) -> Result:
    """All figures of clips; the arguments are those of :func:`sonoscope.evaluation.protocols.clip.measure`."""
    found = clip.measure(
        answers, options, notes=(*_remarks(answers), *notes), protocol=(NAME, VERSION, TITLE), **rest
    )
    oracle: Mapping[str, Any] = {name: found.figures[f"{name}_oracle"] for name in ("micro_f1", "macro_f1")}
    first = {"lrap": found.figures["lrap"], **{f"{name}_oracle": figure for name, figure in oracle.items()}}
    return replace(found, figures={**first, **found.figures})


def _remarks(answers: Answers) -> list[str]:
    found = [
        "published micro- and macro-F1 (Han, Zhong) are those of the row 'oracle': tuned on the test excerpts"
    ]
    if set(answers.labels) != set(LABELS):
        missing, more = set(LABELS) - set(answers.labels), set(answers.labels) - set(LABELS)
        parts = [
            f"without {', '.join(sorted(missing))}" if missing else "",
            f"with {', '.join(sorted(more))}" if more else "",
        ]
        said = " and ".join(part for part in parts if part)
        found.append(f"the labels are not the eleven of IRMAS ({said}): no published figure compares")
    if len(answers.truth) != EXCERPTS:
        found.append(f"{len(answers.truth):,} clips, not the {EXCERPTS:,} excerpts of the published figures")
    return found


def judge(request: Request) -> Result:
    """Models or predictions on IRMAS, or on data in its manner."""
    from sonoscope.evaluation import judging  # arrays are judged without what reads sound

    return judging.clips(request, PROTOCOL)


PROTOCOL = Protocol(
    name=NAME,
    title=TITLE,
    version=VERSION,
    kind="clip",
    options=IrmasOptions,
    measure=measure,
    judge=judge,
    datasets=("irmas",),
    reference="Han, Kim, Lee 2016 (arXiv 1605.09507), section III; Zhong et al. 2023 (arXiv 2306.08850), evaluator",
)
