"""Network to bundle: the one bridge from torch to what runs without it.

The graph has a dynamic batch and time axis and three outputs per frame: logits, attention scores, embeddings. After
export the graph is run in ONNX Runtime and compared with torch at several shapes; a difference above ``TOLERANCE``
refuses the bundle.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def write_graph(network: Network, path: Path) -> float:
    """Write the ONNX file and return the largest absolute difference to torch over several shapes.

    Raises
    ------
    BadBundle
        If that difference exceeds ``TOLERANCE``.
    """
    network = network.eval().to("cpu", memory_format=torch.contiguous_format)
    field = network.backbone.receptive_field
    example = torch.zeros(2, field + 40, network.config["n_bins"])
    dynamic = {
        0: torch.export.Dim("batch", min=1, max=4096),
        1: torch.export.Dim("time", min=field, max=1 << 20),
    }
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
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
        program.save(str(path), external_data=False)
    worst = largest_difference(network, path)
    if not worst <= TOLERANCE:
        raise BadBundle(
            f"{path}: the exported graph differs from torch by {worst:.2e} (limit {TOLERANCE:.0e})"
        )
    return worst


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
        The keys of ``bundle.json`` that only the caller knows: name, version, task, labels, window, hop, calibration,
        decision, licence, and what else belongs in (metrics, training data, provenance).
    feature : LogMel
    card : str
        Markdown for ``README.md``.
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
        backbone = network.backbone
        stride_samples = backbone.stride * feature.hop_samples
        spec = {
            "schema": SCHEMA,
            **description,
            "sample_rate": feature.sample_rate,
            "input": {
                "name": "frames",
                "kind": "feature",
                "axes": ["batch", "time", "bin"],
                "feature": features.to_dict(feature),
            },
            "outputs": {
                kind: {"name": name, "axes": ["batch", "time", axis]}
                for kind, name, axis in zip(
                    ("frame", "attention", "embedding"), OUTPUTS, ("label", "label", "dimension"), strict=True
                )
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
            "network": network.config,
            "opset": OPSET,
            "export_difference": difference,
            "checksums": {name: sha256_of(made / name) for name in ("model.onnx", "model.safetensors")},
        }
        spec["outputs"]["frame"].update(
            {
                "stride": backbone.stride,
                "receptive_field": backbone.receptive_field,
                "hop": stride_samples,
                "first_centre": (backbone.receptive_field - 1) * feature.hop_samples // 2,
            }
        )
        spec["outputs"]["embedding"]["size"] = backbone.dim
        (made / "bundle.json").write_text(_compact_json(spec), encoding="utf-8")
        open_bundle(made)
        if folder.exists():
            shutil.rmtree(folder)
        made.replace(folder)
    return folder


def _compact_json(spec: Mapping[str, Any]) -> str:
    """Indented JSON with what fits on a line on one line, for people who read bundles."""
    inner = r"\[[^\[\]{}]*\]"
    text = json.dumps(spec, indent=1, ensure_ascii=False)
    return re.sub(rf"[\[{{](?:[^\[\]{{}}]|{inner})*[\]}}]", _on_one_line, text) + "\n"


def _on_one_line(match: re.Match[str]) -> str:
    line = re.sub(r"(?<=[\[{]) | (?=[\]}])", "", " ".join(match.group().split()))
    return line if len(line) <= 400 else match.group()
