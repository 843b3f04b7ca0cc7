"""What arrays of clips look like: scores of what sounds and of what does not, and how labels are spread."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np

from sonoscope.data.summary import charts
from sonoscope.evaluation.result import Result

#: Bars of a histogram; labels whose histograms are seen at once, others are folded.
BARS, SHOWN = 25, 36
_WIDE, _TALL, _FOOT = 200, 110, 18
_NEEDED = ("truth", "known", "scores", "labels")


def models_of(result: Result) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Arrays of each model, under its name; of one, under none. Nothing where arrays are not those of clips."""
    for key in result.arrays:
        model, slash, name = key.rpartition("/")
        held = {part: result.arrays.get(f"{model}{slash}{part}") for part in _NEEDED}
        arrays = {part: np.asarray(array) for part, array in held.items() if array is not None}
        if name == "scores" and len(arrays) == len(_NEEDED) and arrays["truth"].ndim == 2:
            yield model, arrays


def scores(result: Result) -> str:
    """A histogram for each label and model: clips in which it sounds above clips in which it does not."""
    parts: list[str] = []
    for model, arrays in models_of(result):
        names = [str(label) for label in arrays["labels"]]
        values = arrays["scores"]
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 1.0)
        edges = np.linspace(low, high, BARS + 1)
        pictures = [_histogram(arrays, k, name, edges) for k, name in enumerate(names)]
        many = f'<div class="many scores">{"".join(pictures[:SHOWN])}</div>'
        if pictures[SHOWN:]:
            rest = f'<div class="many scores">{"".join(pictures[SHOWN:])}</div>'
            many += f"<details><summary>{len(pictures) - SHOWN:,} more labels</summary>{rest}</details>"
        if model:
            seen = "" if parts else " open"
            many = f"<details{seen}><summary>{escape(model)}</summary>{many}</details>"
        parts.append(many)
    if not parts:
        return ""
    key = charts.keys((("c1", "sounds"), ("c0", "does not sound")))
    return f"<p>Each side is a share of its own clips, so rare labels can be seen.</p>{key}{''.join(parts)}"


def _histogram(arrays: dict[str, np.ndarray], k: int, name: str, edges: np.ndarray) -> str:
    known = arrays["known"][:, k].astype(bool)
    sounds = arrays["truth"][known, k] > 0
    values = arrays["scores"][known, k]
    middle = (_TALL - _FOOT) / 2
    step = (_WIDE - 12) / BARS
    found = {"c1": values[sounds], "c0": values[~sounds]}
    parts = []
    for look, mine in found.items():
        count = np.histogram(mine, edges)[0]
        for bar in np.flatnonzero(count):
            tall = (middle - 3) * count[bar] / count.max()
            y = middle - tall if look == "c1" else middle
            tip = f"{edges[bar]:.2f} to {edges[bar + 1]:.2f}: {count[bar]:,}"
            parts.append(
                f'<rect class="{look}" x="{6 + bar * step + 0.4:.1f}" y="{y:.1f}" width="{step - 0.8:.1f}" '
                f'height="{tall:.1f}"><title>{escape(tip)}</title></rect>'
            )
    parts.append(f'<line class="whisker" x1="6" x2="{_WIDE - 6}" y1="{middle}" y2="{middle}"/>')
    for value, place, anchor in ((edges[0], 6, "start"), (edges[-1], _WIDE - 6, "end")):
        text = charts.number(float(value))
        parts.append(f'<text class="small" x="{place}" y="{_TALL - 5}" text-anchor="{anchor}">{text}</text>')
    told = ", ".join(
        f"{len(mine):,} {what}" + (f" with median {np.median(mine):.2f}" if len(mine) else "")
        for mine, what in zip(found.values(), ("sound", "do not"), strict=True)
    )
    drawn = charts.svg(_WIDE, _TALL, f"Scores of {name}", told, "".join(parts))
    return f"<figure>{drawn}<figcaption>{escape(name)} <small>{int(sounds.sum()):,}</small></figcaption></figure>"


def labels(result: Result) -> str:
    """In how many clips each label sounds, and how many labels clips have; models share their clips."""
    for _, arrays in models_of(result):
        known = arrays["known"].astype(bool)
        there = (arrays["truth"] > 0) & known
        sounds, judged = there.sum(axis=0), known.sum(axis=0)
        order = np.argsort(-sounds, kind="stable")
        most = max(int(sounds.max(initial=0)), 1)
        rows = [
            (
                escape(str(arrays["labels"][k])),
                f"{sounds[k]:,}",
                f"{sounds[k] / max(judged[k], 1):.1%}",
                f"{len(known) - judged[k]:,}",
                charts.bar([(float(sounds[k]), "bar", f"{sounds[k]:,} clips")], most),
            )
            for k in order
        ]
        head = ("label", "clips", "share", "not judged", "")
        listed = charts.table(head, rows, caption=f"{len(known):,} clips", left=(0, 4))
        size, count = np.unique(there.sum(axis=1), return_counts=True)
        pillars = charts.pillars(
            {str(s): [int(c)] for s, c in zip(size.tolist(), count.tolist(), strict=True)},
            "Number of labels in a clip",
            unit="labels that sound",
        )
        counted = f"<figure><h3>How many labels clips have</h3>{pillars}</figure>"
        return f"{listed}{counted}"
    return ""
