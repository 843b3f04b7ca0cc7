"""Network to bundle: the one bridge from torch to what runs without it.

The graph has a dynamic batch and time axis and three outputs per frame: logits, attention scores, embeddings.
After export the graph is run in ONNX Runtime and compared with torch at several shapes; a difference above
``TOLERANCE`` refuses the bundle.
"""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save_file

from sonoscope import features
from sonoscope.errors import BadBundle
from sonoscope.models.bundle import SCHEMA, open_bundle, sha256_of
from sonoscope.networks.build import Network

TOLERANCE = 1e-4
OPSET = 18
OUTPUTS = ("frame_logits", "frame_attention", "frame_embedding")
#: Characters of a line of ``bundle.json`` that holds more than numbers.
JSON_LINE = 200


def write_graph(network: Network, path: Path) -> float:
    """Write the ONNX file and return the largest absolute difference to torch over several shapes.

    The network is left on the CPU, in evaluation mode.

    Raises
    ------
    BadBundle
        If that difference exceeds ``TOLERANCE``.
    """
    cast(Any, network.eval()).to("cpu", memory_format=torch.contiguous_format)
    field = network.backbone.receptive_field
    example = torch.zeros(2, field + 40, network.config["n_bins"])
    dynamic = {
        0: torch.export.Dim("batch", min=1, max=4096),
        1: torch.export.Dim("time", min=field, max=1 << 20),
    }
    with _quietly(), torch.no_grad():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            dynamic_shapes=(dynamic,),
            input_names=["frames"],
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
        assert program is not None  # with dynamo=True
        program.save(str(path), external_data=False)
    worst = largest_difference(network, path)
    if not worst <= TOLERANCE:
        raise BadBundle(
            f"{path}: the exported graph differs from torch by {worst:.2e} (limit {TOLERANCE:.0e})"
        )
    return worst


@contextmanager
def _quietly() -> Iterator[None]:
    """Without torch's remarks on operators that no network here has (torchvision's)."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def largest_difference(network: Network, path: Path) -> float:
    """Largest |ONNX Runtime - torch| over frame logits, attention and embeddings at five shapes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    mean, std = network.mean.numpy(), network.std.numpy()
    field, worst = network.backbone.receptive_field, 0.0
    for batch, time in ((1, field), (1, field + 252), (3, field + 7), (8, 80), (2, 2 * field)):
        noise = rng.standard_normal((batch, max(time, field), mean.size)).astype(np.float32) * 2.0
        frames = (noise * std + mean).astype(np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(frames))
        got = session.run(list(OUTPUTS), {"frames": frames})
        worst = max(worst, *(float(np.abs(g - e.numpy()).max()) for g, e in zip(got, expected, strict=True)))
    return worst


def write_bundle(
    folder: str | Path,
    network: Network,
    description: Mapping[str, Any],
    *,
    feature: features.LogMel,
    card: str,
) -> Path:
    """Write a whole bundle beside ``folder`` and move it into place, replacing an older one.

    Parameters
    ----------
    folder : path
    network : Network
    description : mapping
        The keys of ``bundle.json`` that only the caller knows: name, version, task, labels, window, hop,
        calibration, decision, licence, and what else belongs in (metrics, training data, provenance).
    feature : LogMel
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
        difference = write_graph(network, made / "model.onnx")
        half = {
            k: v.half().contiguous() if v.is_floating_point() else v for k, v in network.state_dict().items()
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


def _interface(network: Network, feature: features.LogMel) -> dict[str, Any]:
    """The part of ``bundle.json`` that follows from the network and its feature."""
    backbone = network.backbone
    frame = {
        "stride": backbone.stride,
        "receptive_field": backbone.receptive_field,
        "hop": backbone.stride * feature.hop_samples,
        "first_centre": (backbone.receptive_field - 1) * feature.hop_samples // 2,
    }
    name_frame, name_attention, name_embedding = OUTPUTS
    return {
        "sample_rate": feature.sample_rate,
        "input": {
            "name": "frames",
            "kind": "feature",
            "axes": ["batch", "time", "bin"],
            "feature": features.to_dict(feature),
        },
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
        "states": [],
        "normalisation": {
            "in_graph": True,
            "mean": [round(float(v), 4) for v in network.mean],
            "std": [round(float(v), 4) for v in network.std],
        },
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
