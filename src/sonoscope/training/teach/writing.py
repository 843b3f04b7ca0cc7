"""What a teaching leaves: a bundle (base and head in one graph), its card, and the table of what was left out.

A base that gives frames gives frames here too: the head is linear, and a window's embedding is the mean of its
frames', so the mean of the frames' logits is the logit of the window; overlapping windows go on sharing the trunk. Any
other base is asked of whole windows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope import __version__
from sonoscope.data.table import csv_text, put
from sonoscope.errors import BadBundle
from sonoscope.models.bundle import SCHEMA, Bundle, open_bundle, sha256_of
from sonoscope.models.runtime import Runtime
from sonoscope.networks.writer import OPSET, Writer, opset_in
from sonoscope.training.classical import bundling
from sonoscope.training.classical.linear import Linear
from sonoscope.training.classical.sources import EMBEDDING, Listening, OfBundle
from sonoscope.training.describe import LOW_RATIO, described
from sonoscope.training.teach.examples import Examples
from sonoscope.training.teach.folds import Folds
from sonoscope.training.teach.judging import Class, Hits, probability
from sonoscope.training.teach.wish import Wish
from sonoscope.writing import place_beside

#: What was left out, beside the bundle: a row for each sound.
TABLE, FIGURES = "sounds.csv", "teaching.json"
#: Largest |graph - NumPy| of a logit.
TOLERANCE = 1e-3
FRAME, ATTENTION, VECTOR = "frame_logits", "frame_attention", "frame_embedding"


def description(
    name: str, base: Bundle, classes: Sequence[Class], examples: Examples, folds: Folds, wish: Wish,
    hits: Mapping[str, Hits], settings: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """The keys of ``bundle.json`` that a teaching knows; ``settings`` are those of the head."""
    taught = examples.taught
    return {
        "name": name, "version": "1.0.0", "task": "tagging",
        "labels": [asdict(label) for label in described(examples.labels)],
        "sample_rate": base.sample_rate, "window": base.window_samples, "hop": base.hop_samples,
        "calibration": {each.label: {"slope": each.slope, "offset": each.offset} for each in classes},
        "decision": {
            "min_duration_s": 0.0, "max_gap_s": 0.0,
            "labels": {
                each.label: {
                    "threshold": each.threshold, "low_threshold": round(each.threshold * LOW_RATIO, 4),
                    "origin": each.origin, **each.entry,
                }
                for each in classes
            },
        },
        "metrics": figures(classes, hits),
        "training_data": {
            "sounds": {label: int(examples.positives(label).sum()) for label in examples.labels},
            "against": {role: int((examples.roles == role).sum()) for role in sorted(set(examples.roles))},
            "sites": sorted(set(examples.groups[taught])), "left_out": f"{folds.count} folds",
            "seconds": round(sum(examples.lasts_s), 1),
        },
        "licence": f"as the taught sounds allow; its base {base.name}: {base.licence}",
        "provenance": {
            "command": "sonoscope train", "sonoscope": __version__,
            "base": {"model": base.name, "version": base.version, "sha256": base.sha256},
            "head": {**settings, "copies": wish.copies, "seed": wish.seed},
        },
        "built_on": [
            {"model": base.name, "version": base.version, "sha256": base.sha256, "licence": base.licence,
             "what": EMBEDDING}
        ],
    }  # fmt: skip


def figures(classes: Sequence[Class], hits: Mapping[str, Hits]) -> dict[str, Any]:
    """What was measured, in plain values."""
    return {
        "left_out": {
            each.label: {
                "by": "file" if each.by_file else "site",
                "found": each.found.hits, "of": each.found.of,
                "interval_95": [round(end, 4) for end in each.found.interval],
                "average_precision": each.average_precision,
                "sites": {site: [share.hits, share.of] for site, share in each.sites.items()},
                "reported_in_others": {role: [share.hits, share.of] for role, share in each.alarms.items()},
                "taken_for_it": dict(each.mistaken),
            }
            for each in classes
        },
        "unlabelled": {
            label: {"events": found.events, "hours": round(found.hours, 4), "per_hour": round(found.rate.per_hour, 3),
                    "interval_95": [round(found.rate.low, 3), round(found.rate.high, 3)], "judged": False}
            for label, found in hits.items()
        },
    }  # fmt: skip


def write(
    folder: Path, base: Bundle, head: Linear, spec: Mapping[str, Any], card: str, shown: np.ndarray
) -> None:
    """Write the bundle beside ``folder`` and move it into place.

    Raises
    ------
    BadBundle
        If the graph differs from the head; nothing is left then.
    """
    if "frame" not in base.spec["outputs"]:
        listening = Listening(
            (OfBundle(base, base.window_samples, EMBEDDING),), base.sample_rate, base.window_samples
        )
        bundling.write_bundle(folder, listening, head, spec, shown=shown, card=card)
        return
    graph = Writer(max(OPSET, opset_in(base.graph)))
    names = {kind: entry["name"] for kind, entry in base.spec["outputs"].items()}
    entry = dict(base.spec["input"])
    (vectors,) = graph.included(base.graph, {entry["name"]: entry["name"]}, [names["embedding"]])
    logits = graph.cast(head.write(graph, graph.cast(vectors, np.float64)), np.float32)
    # Equal attention: the pool of the frames is their mean.
    even = graph.node("Mul", logits, graph.constant(np.zeros(1, dtype=np.float32)))
    count, feature = head.weights.shape[1], base.feature
    assert feature is not None
    model = graph.model(
        {entry["name"]: ["batch", "time", feature.n_bins]},
        {FRAME: (logits, ["batch", "frames", count]), ATTENTION: (even, ["batch", "frames", count]),
         VECTOR: (vectors, ["batch", "frames", base.embedding_size])},
    )  # fmt: skip
    outputs: dict[str, dict[str, Any]] = {
        kind: {**base.spec["outputs"][kind], "name": name}
        for kind, name in (("frame", FRAME), ("attention", ATTENTION), ("embedding", VECTOR))
    }
    kept: dict[str, Any] = {
        key: base.spec[key] for key in ("poolable", "pool", "look_ahead", "normalisation") if key in base.spec
    }
    with place_beside(folder) as made:
        made.mkdir()
        (made / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        (made / "README.md").write_text(card, encoding="utf-8")
        whole: dict[str, Any] = {
            "schema": SCHEMA, **spec, "input": entry, "outputs": outputs, "states": [], **kept,
            "opset": graph.opset, "checksums": {"model.onnx": sha256_of(made / "model.onnx")},
        }  # fmt: skip
        (made / "bundle.json").write_text(
            json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        difference = _difference(open_bundle(made), head)
        if not difference <= TOLERANCE:
            raise BadBundle(
                f"{folder}: the graph differs from the head by {difference:.2e} (limit {TOLERANCE:.0e})"
            )


def _difference(bundle: Bundle, head: Linear) -> float:
    """Largest difference of a window's logit and what the head makes of its embedding, on noise."""
    noise = np.random.default_rng(0).standard_normal((3, bundle.window_samples)).astype(np.float32) * 0.05
    feature = bundle.feature
    assert feature is not None
    rows = np.asarray(feature(noise))[:, : bundle.window_frames]
    logits, vectors = Runtime(bundle).windows(rows, embeddings=True)
    return float(np.abs(logits - head.logits(vectors)).max())


def table(examples: Examples, folds: Folds, logits: np.ndarray, classes: Sequence[Class]) -> str:
    """A row for each taught sound: what it is, where from, its fold, and how it scored when it was left out."""
    best = examples.best(logits)
    scores = np.stack([probability(best[:, k], c.slope, c.offset) for k, c in enumerate(classes)], axis=1)
    header = [
        "file",
        "start",
        "end",
        "labels",
        "site",
        "kind",
        "fold",
        *(f"score_{c.label}" for c in classes),
    ]
    lines = [tuple(header)]
    for i in np.flatnonzero(examples.taught):
        labels = ";".join(
            label for label, there in zip(examples.labels, examples.truth[i], strict=True) if there
        )
        end = examples.starts_s[i] + examples.lasts_s[i]
        lines.append(
            (examples.names[i], f"{examples.starts_s[i]:.3f}", f"{end:.3f}", labels, str(examples.groups[i]),
             str(examples.roles[i]), str(int(folds.of[i])),
             *("" if np.isnan(score) else f"{score:.4f}" for score in scores[i]))
        )  # fmt: skip
    return csv_text(lines)


def put_beside(folder: Path, sounds: str, found: Mapping[str, Any]) -> None:
    """The table and the figures, into the bundle's folder."""
    put(folder / TABLE, sounds.encode())
    put(folder / FIGURES, (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode())
