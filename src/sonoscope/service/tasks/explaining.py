"""Explanations on demand: what spoke for a label, as a picture on the axes of a spectrogram."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.explain import Explanation, Sounding, explainer_of, made
from sonoscope.explain.explainer import checked
from sonoscope.models.bundle import NOTES
from sonoscope.service.tasks.inputs import only
from sonoscope.service.tiles import View, png, samples_of
from sonoscope.service.worker import Tools

#: Occlusion asks the graph only, so it needs nothing that a service may lack.
METHOD = "occlusion"
#: How finely, of notes: somebody waits for the picture, and the command makes finer ones.
OF_NOTES = {"along_time": 8, "along_frequency": 24}
#: The quantile of the map's positive values that is shown as the most.
FULL = 0.995
#: Of a longer recording only so much before and after the time in question is heard.
AROUND_S = 15.0


def explain(request: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """The task ``explain``.

    ``request``: the recording, ``audio`` (its prepared samples: path, number, rate), ``model``, ``label`` (or None; of
    notes a pitch), ``start`` and ``end`` (or None), ``width``, ``height``, ``low``, ``high``, ``scale``; ``target``,
    where the picture goes.
    """
    bundle = tools.models.get(request["model"]).bundle
    explainer = explainer_of(bundle, made(bundle, METHOD, OF_NOTES if bundle.task == NOTES else {}))
    start = request["start"]
    end = start if request["end"] is None else request["end"]
    sounding, begins = _around(request, start, end)
    time = None if start is None else (start - begins, end - begins)
    found = explainer.explain(sounding, label=request["label"], time=time)
    high = request["high"] or float(found.frequencies[-1])
    view = View(
        found.start, found.end, request["width"], request["height"], request["low"], high, -100.0, 0.0,
        request["scale"], "grey",
    ).checked()  # fmt: skip
    target = Path(request["target"])
    target.parent.mkdir(exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}")
    part.write_bytes(png(drawn(found, view)))
    part.replace(target)
    facts = {
        "start": round(begins + found.start, 6), "end": round(begins + found.end, 6), "label": found.label,
        "score": round(found.score, 4), "low": view.low, "high": view.high,
    }  # fmt: skip
    return {"media_type": "image/png", "name": "explanation.png", "facts": facts}


def _around(request: dict[str, Any], start: float | None, end: float | None) -> tuple[Sounding, float]:
    """What is heard, and when that begins: the recording, or what is around the time in a long one.

    Raises
    ------
    UsageError
        If the time is not in the recording.
    """
    recording, about = only(request), request["audio"]
    n, rate = about["samples"], about["sample_rate"]
    if start is None or end is None or n <= 2 * AROUND_S * rate:
        return Sounding(recording.name, recording=recording), 0.0
    checked(start, end, n / rate)
    first, last = max(round((start - AROUND_S) * rate), 0), min(round((end + AROUND_S) * rate), n)
    samples = samples_of(Path(about["path"]), n)[first:last].astype(np.float32) / 32768
    return Sounding(recording.name, samples=samples, sample_rate=rate), first / rate


def drawn(found: Explanation, view: View) -> np.ndarray:
    """Grey values, uint8, shape (height, width), highest frequency first: 255 where it spoke most for the label."""
    positive = np.maximum(found.map, 0.0)
    full = max(float(np.quantile(positive, FULL)), 1e-12)
    edges = view.edges_hz()
    rows = _nearest(found.frequencies, (edges[:-1] + edges[1:]) / 2)
    step = (view.end - view.start) / view.width
    columns = _nearest(found.times, view.start + step * (np.arange(view.width) + 0.5))
    grey = np.rint(np.clip(positive[columns][:, rows] / full, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(grey.T[::-1])


def _nearest(centres: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which of the centres, which ascend, each wanted value is nearest to."""
    borders = (centres[:-1] + centres[1:]) / 2
    return np.searchsorted(borders, wanted)
