"""A note network as a bundle: its graph, its weights, and what a run has to know of both.

The description of the format is in docs/models.md ("A bundle of notes"); ``models.bundle`` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sonoscope import features
from sonoscope.labels import PITCHES
from sonoscope.networks.export import put_together
from sonoscope.networks.framenotes import Heard
from sonoscope.networks.notegraph import INPUT, write_note_graph
from sonoscope.networks.notes import KEYS, OUTPUTS


def write_note_bundle(
    network: Heard,
    folder: str | Path,
    description: Mapping[str, Any],
    *,
    feature: features.Feature,
    card: str,
) -> Path:
    """Write a whole bundle of the task ``notes`` beside ``folder`` and move it into place, replacing an older one.

    Parameters
    ----------
    network : Heard
    folder : path
    description : mapping
        What only the caller knows: ``name``, ``version``, ``decision`` (``rules``, the fields of ``NoteRules``, and
        ``origin``, where they come from, in words), ``licence``, and what else belongs in (metrics, training data,
        provenance).
    feature : Feature
        What the rows are computed by.
    card : str
        Markdown for ``README.md``.

    Raises
    ------
    BadBundle
        If the graph differs from the network, or the description contradicts itself; an older bundle stays.
    """
    return put_together(
        folder,
        network,
        {**description, **_interface(network, feature)},
        card,
        partial(write_note_graph, network),
    )


def _interface(network: Heard, feature: features.Feature) -> dict[str, Any]:
    """The part of ``bundle.json`` that follows from the network and its feature."""
    frame = {
        "stride": 1,
        "hop": feature.hop_samples,
        "receptive_field": network.receptive_field,
        "look_ahead": network.look_ahead,
    }
    mean, std = ([round(float(v), 4) for v in values] for values in (network.mean, network.std))
    return {
        "task": "notes",
        "labels": [
            {"id": label.id, "name": label.name, "group": label.group, "kind": label.kind, "midi": midi,
             "low_hz": label.low_hz, "high_hz": label.high_hz}
            for midi, label in list(PITCHES.items())[:KEYS]
        ],
        "sample_rate": feature.sample_rate,
        "input": {
            "name": INPUT,
            "kind": "feature",
            "axes": ["batch", "time", "bin"],
            "feature": features.to_dict(feature),
        },
        "outputs": {name: {"name": name, "axes": ["batch", "time", "label"], **frame} for name in OUTPUTS},
        "states": [],
        "look_ahead": network.look_ahead * feature.hop_samples + feature.right_context,
        "normalisation": {"in_graph": True, "mean": mean, "std": std},
    }  # fmt: skip
