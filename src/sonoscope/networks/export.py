"""Network to bundle: the one bridge from torch to what runs without it.

A poolable network becomes a graph of frames, with a dynamic batch and time axis and three outputs per frame; any other
a graph of windows (``graphs.py``). A graph that differs from torch by more than ``TOLERANCE`` refuses the bundle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from sonoscope import features
from sonoscope.models.bundle import EMBEDDING, SCHEMA, open_bundle, sha256_of
from sonoscope.networks.backbones.frozen import Graph
from sonoscope.networks.build import Network
from sonoscope.networks.graphs import (
    CLIP_OUTPUTS,
    FRAME_OUTPUTS,
    TOLERANCE,
    largest_difference,
    takes_one,
    write_graph,
)
from sonoscope.networks.writer import opset_in
from sonoscope.writing import place_beside

__all__ = [
    "TOLERANCE",
    "largest_difference",
    "put_together",
    "readable_json",
    "write_bundle",
    "write_graph",
]

GRAPH, WEIGHTS = "model.onnx", "model.safetensors"

#: Characters of a line of ``bundle.json`` that holds more than numbers.
JSON_LINE = 200


def write_bundle(
    folder: str | Path,
    network: Network,
    description: Mapping[str, Any],
    *,
    feature: features.Feature | None,
    card: str,
) -> Path:
    """Write a whole bundle beside ``folder`` and move it into place, replacing an older one.

    Parameters
    ----------
    folder : path
    network : Network
    description : mapping
        The keys of ``bundle.json`` that only the caller knows: name, version, task, labels, window, hop,
        calibration, decision, licence, and what else belongs in (metrics, training data, provenance). In the task
        ``embedding``, which has no labels, the head has no part.
    feature : Feature, optional
        What the rows are computed by; None for a network that takes samples.
    card : str
        Markdown for ``README.md``.

    Raises
    ------
    BadBundle
        If the graph differs from the network, or the description contradicts itself; an older bundle stays.
    """
    labels = description.get("task") != EMBEDDING
    steps = _steps(network, description, feature)
    spec = {**description, **_interface(network, feature, description, clips=steps is not None)}
    if isinstance(network.backbone, Graph):
        spec["provenance"] = {**spec.get("provenance", {}), "backbone": network.backbone.origin()}
    # What is frozen in a graph has no weights that torch could give to the head again.
    return put_together(
        folder, network, spec, card, partial(write_graph, network, steps=steps, labels=labels),
        weights=not isinstance(network.backbone, Graph),
    )  # fmt: skip


def put_together(
    folder: str | Path,
    network: nn.Module,
    spec: Mapping[str, Any],
    card: str,
    write: Callable[[Path], float],
    *,
    weights: bool = True,
) -> Path:
    """Write a bundle of any task beside ``folder``, open it once, and move it into place.

    ``write`` writes the graph into a file and returns by how much it differs from ``network``, which has a ``config``;
    ``weights`` puts those of the network beside it.
    """
    folder = Path(folder)
    with place_beside(folder) as made:
        made.mkdir()
        difference = write(made / GRAPH)
        if weights:
            half = {
                k: v.half().contiguous() if v.is_floating_point() else v.clone()
                for k, v in network.state_dict().items()
            }
            save_file(half, made / WEIGHTS)
            (made / WEIGHTS).chmod(0o644)
        (made / "README.md").write_text(card, encoding="utf-8")
        whole = {
            "schema": SCHEMA,
            **spec,
            "network": network.config,
            "opset": opset_in(made / GRAPH),
            "export_difference": difference,
            "checksums": {name: sha256_of(made / name) for name in (GRAPH, WEIGHTS)[: 1 + weights]},
        }
        (made / "bundle.json").write_text(readable_json(whole) + "\n", encoding="utf-8")
        open_bundle(made)
    return folder


def _steps(network: Network, description: Mapping[str, Any], feature: features.Feature | None) -> int | None:
    """Input steps of a window, for a network that is shown whole windows; None for one that gives frames."""
    if feature is None:
        return int(description["window"])
    whole = int(description.get("window", 0)) % feature.hop_samples == 0
    if network.poolable and feature.streamable and whole:
        return None
    return network.backbone.fixed or feature.shape(int(description["window"]))[0]


def _interface(
    network: Network, feature: features.Feature | None, description: Mapping[str, Any], *, clips: bool
) -> dict[str, Any]:
    """The part of ``bundle.json`` that follows from the network and its feature."""
    entry: dict[str, Any] = {"name": "samples", "kind": "samples", "axes": ["batch", "sample"]}
    if feature is not None:
        entry = {
            "name": "frames",
            "kind": "feature",
            "axes": ["batch", "time", "bin"],
            "feature": features.to_dict(feature),
        }
        if clips:
            entry["frames"] = _steps(network, description, feature)
    if clips and takes_one(network):
        entry["batch"] = 1
    rate = description["sample_rate"] if feature is None else feature.sample_rate
    found: dict[str, Any] = {"sample_rate": rate, "input": entry, "states": []}
    if clips or feature is None:
        logits, embedding = CLIP_OUTPUTS
        found["outputs"] = {
            "clip": {"name": logits, "axes": ["batch", "label"]},
            "embedding": {"name": embedding, "axes": ["batch", "dimension"], "size": network.backbone.dim},
        }
        found |= {"poolable": False, "look_ahead": int(description["window"])}
    else:
        found |= _frames(network, feature)
    mean, std = ([round(float(v), 4) for v in values] for values in (network.mean, network.std))
    return {**found, "normalisation": {"in_graph": True, "mean": mean, "std": std}}


def _frames(network: Network, feature: features.Feature) -> dict[str, Any]:
    """What there is to say of a graph that gives frames."""
    backbone = network.backbone
    frame = {
        "stride": backbone.stride,
        "receptive_field": backbone.receptive_field,
        "hop": backbone.stride * feature.hop_samples,
        "first_centre": (backbone.receptive_field - 1) * feature.hop_samples // 2,
    }
    name_frame, name_attention, name_embedding = FRAME_OUTPUTS
    return {
        "outputs": {
            "frame": {"name": name_frame, "axes": ["batch", "time", "label"], **frame},
            "attention": {"name": name_attention, "axes": ["batch", "time", "label"]},
            "embedding": {
                "name": name_embedding,
                "axes": ["batch", "time", "dimension"],
                "size": backbone.dim,
            },
        },
        "poolable": True,
        "pool": "attention",
        "look_ahead": (backbone.receptive_field // 2) * feature.hop_samples + feature.right_context,
    }


def readable_json(value: Any, depth: int = 0) -> str:
    """JSON for people who read bundles: numbers side by side, and what fits on a line on one line."""
    line = json.dumps(value, ensure_ascii=False)
    nested = isinstance(value, dict | list | tuple)
    numbers = nested and not isinstance(value, dict) and all(isinstance(v, int | float) for v in value)
    if not nested or numbers or len(line) + depth <= JSON_LINE:
        return line
    if isinstance(value, dict):
        inner = [
            f"{json.dumps(str(k), ensure_ascii=False)}: {readable_json(v, depth + 1)}"
            for k, v in value.items()
        ]
    else:
        inner = [readable_json(v, depth + 1) for v in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    rows = (",\n" + " " * (depth + 1)).join(inner)
    return f"{first}\n{' ' * (depth + 1)}{rows}\n{' ' * depth}{last}"
