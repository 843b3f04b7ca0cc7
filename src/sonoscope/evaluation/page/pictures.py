"""Pictures that a training left: for each label of an SVM the border it decides by."""

from __future__ import annotations

from html import escape

from sonoscope.data.summary.page import inline
from sonoscope.evaluation.result import Result

#: Pictures that are seen at once; the others are folded.
SHOWN = 2


def drawn(result: Result) -> str:
    """Every picture with its name."""
    figures = [
        f'<figure class="picture"><img src="{inline("image/png", png)}" '
        f'alt="{escape(name)}: border and map"><figcaption>{escape(name)}</figcaption></figure>'
        for name, png in result.pictures.items()
    ]
    if not figures:
        return ""
    lead = (
        "Drawn by the training. Left: windows that were learned from on their two main components, with the decision "
        "over that plane; the line is the border. Right: t-SNE of windows of validation, stars sound."
    )
    rest = "".join(figures[SHOWN:])
    folded = f"<details><summary>{len(figures) - SHOWN} more labels</summary>{rest}</details>" if rest else ""
    return f"<p>{lead}</p>{''.join(figures[:SHOWN])}{folded}"
