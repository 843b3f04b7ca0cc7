"""Explanations on demand: what spoke for a label, as a picture on the axes of a spectrogram."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.explain import Explainer, Explanation, Sounding, made
from sonoscope.service.tasks.inputs import recordings
from sonoscope.service.tiles import View, png
from sonoscope.service.worker import Tools
from sonoscope.values import Recording

#: Occlusion asks the graph only, so it needs nothing that a service may lack.
METHOD = "occlusion"
#: The quantile of the map's positive values that is shown as the most.
FULL = 0.995


def explain(request: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """The task ``explain``.

    ``request``: the recording, ``model``, ``label`` (or None), ``start`` and ``end`` (or None), ``width``, ``height``,
    ``low``, ``high``, ``scale``; ``target``, where the picture goes.
    """
    recording = recordings(request)[0]
    assert isinstance(recording, Recording)
    explainer = Explainer(
        tools.models.get(request["model"]).bundle, made(tools.models.get(request["model"]).bundle, METHOD)
    )
    start, end = request["start"], request["end"]
    time = None if start is None else start if end is None else (start, end)
    sounding = Sounding(recording.name, recording=recording)
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
        "start": round(found.start, 6), "end": round(found.end, 6), "label": found.label,
        "score": round(found.score, 4),        "low": view.low, "high": view.high,
    }  # fmt: skip
    return {"media_type": "image/png", "name": "explanation.png", "facts": facts}


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
