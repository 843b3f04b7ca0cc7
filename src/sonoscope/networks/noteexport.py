"""A note network as a bundle: its graph, its weights, and what a run has to know of both.

The description of the format is in docs/models.md ("A bundle of notes"); ``models.bundle`` reads it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from sonoscope import features
from sonoscope.labels import PITCHES
from sonoscope.models.bundle import SCHEMA, open_bundle, sha256_of
from sonoscope.networks.export import OPSET, readable_json
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
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / folder.name
        made.mkdir()
        difference = write_note_graph(network, made / "model.onnx")
        half = {
            k: v.half().contiguous() if v.is_floating_point() else v.clone()
            for k, v in network.state_dict().items()
        }
        save_file(half, made / "model.safetensors")
        (made / "model.safetensors").chmod(0o644)
        (made / "README.md").write_text(card, encoding="utf-8")
        spec = {
            "schema": SCHEMA,
            **description,
            **_interface(network, feature),
            "network": network.config,
            "opset": OPSET,
            "export_difference": difference,
            "checksums": {name: sha256_of(made / name) for name in ("model.onnx", "model.safetensors")},
        }
        (made / "bundle.json").write_text(readable_json(spec) + "\n", encoding="utf-8")
        open_bundle(made)
        if folder.exists():
            folder.replace(Path(scratch) / "replaced")
        made.replace(folder)
    return folder


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
