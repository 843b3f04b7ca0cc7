"""A model bundle: a folder with ``model.onnx``, ``bundle.json``, ``README.md``, its card.

``bundle.json`` holds everything that a run needs to know, so that nothing about a model lives in code. Its
schema is versioned ``major.minor``; an unknown major version is refused, unknown keys of a known one are kept
in ``spec``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope import features
from sonoscope.errors import BadBundle, SonoscopeError, UnknownName
from sonoscope.notes.rules import NoteRules
from sonoscope.values import Label

SCHEMA_MAJOR = 1
SCHEMA = "1.0"

#: What there is a way to run, besides ``tagging``: notes, and what names nothing but gives embeddings (its graph's
#: logits are of no label).
NOTES, EMBEDDING = "notes", "embedding"
#: What fills a window that is longer than the recording.
SILENCE, REPEAT = "silence", "repeat"

#: Keys without which a bundle cannot be run, and what they must be.
_REQUIRED = {
    "schema": str, "name": str, "version": str, "task": str, "labels": list, "sample_rate": int,
    "input": dict, "outputs": dict, "decision": dict, "licence": str, "checksums": dict,
}  # fmt: skip
#: The same for all tasks but ``notes``.
_OF_WINDOWS = {"window": int, "hop": int, "calibration": dict}


@dataclass(frozen=True, eq=False, repr=False)
class Bundle:
    """An opened bundle; see ``open_bundle``. Lengths are samples at ``sample_rate``."""

    path: Path
    spec: dict[str, Any]

    def __repr__(self) -> str:
        return f"Bundle({self.name!r}, version {self.version}, {str(self.path)!r})"

    @property
    def name(self) -> str:
        """Name in tables and messages."""
        return self.spec["name"]

    @property
    def version(self) -> str:
        """Version of the model, not of the software."""
        return self.spec["version"]

    @property
    def task(self) -> str:
        """``tagging`` (labels over time), ``notes``, or ``embedding`` (no labels)."""
        return self.spec["task"]

    @property
    def taught(self) -> bool:
        """Whether it is a detector taught on another model's embedding: what it listens for may be rare."""
        return "head" in self.spec.get("provenance", {})

    @property
    def licence(self) -> str:
        """SPDX expression."""
        return self.spec["licence"]

    @property
    def metrics(self) -> dict[str, Any]:
        """What was measured, with sets and intervals."""
        return self.spec.get("metrics", {})

    @property
    def card(self) -> Path:
        """The model card."""
        return self.path / "README.md"

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.path / "model.onnx"

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """Labels in the order of the scores."""
        found = []
        for entry in self.spec["labels"]:
            known: dict[str, Any] = {k: v for k, v in entry.items() if k in Label.__dataclass_fields__}
            found.append(Label(**known | {"synonyms": tuple(known.get("synonyms", ()))}))
        return tuple(found)

    @property
    def label_ids(self) -> tuple[str, ...]:
        """Ids of ``labels``."""
        return tuple(label.id for label in self.labels)

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.spec["sample_rate"]

    @property
    def window_samples(self) -> int:
        """Window length."""
        return self.spec["window"]

    @property
    def hop_samples(self) -> int:
        """Default distance between window starts."""
        return self.spec["hop"]

    @cached_property
    def feature(self) -> features.Feature | None:
        """What turns samples into the graph's input; None for a graph that takes samples."""
        entry = self.spec["input"]
        return features.from_dict(entry["feature"]) if entry["kind"] == "feature" else None

    @property
    def window_frames(self) -> int:
        """Feature frames of a window: those centred in it, and for some graphs the one centred on its end."""
        feature = self.feature
        inside = 0 if feature is None else self.window_samples // feature.hop_samples
        return int(self.spec["input"].get("frames", inside))

    @property
    def trunk_stride(self) -> int:
        """Feature frames between frames of output; 0 if the graph gives no frames."""
        return int(self.spec["outputs"].get("frame", {}).get("stride", 0))

    @property
    def receptive_field(self) -> int:
        """Feature frames that a frame of output sees."""
        outputs = self.spec["outputs"]
        return int(outputs.get("frame", outputs.get("onset", {})).get("receptive_field", 0))

    @property
    def look_ahead_frames(self) -> int:
        """Of ``notes``: how many of the frames that an answer sees come after its own."""
        return int(self.spec["outputs"]["onset"]["look_ahead"])

    @property
    def note_hop_s(self) -> float:
        """Of ``notes``: seconds between frames of answers."""
        return int(self.spec["outputs"]["onset"]["hop"]) / self.sample_rate

    @property
    def lowest(self) -> int:
        """Of ``notes``: MIDI number of the first label; the others follow in semitones."""
        return int(self.spec["labels"][0]["midi"])

    @cached_property
    def rules(self) -> NoteRules:
        """Of ``notes``: how scores become notes."""
        return NoteRules.of(self.spec["decision"]["rules"])

    @property
    def poolable(self) -> bool:
        """Whether frames of output depend on their receptive field only: then windows share the trunk."""
        return bool(self.spec.get("poolable", False))

    @property
    def repeats_short(self) -> bool:
        """Whether a recording shorter than a window is heard again and again until it fills one; else silence does."""
        return self.spec.get("short", SILENCE) == REPEAT

    @property
    def embedding_size(self) -> int:
        """Length of an embedding, 0 if the graph gives none."""
        return int(self.spec["outputs"].get("embedding", {}).get("size", 0))

    @cached_property
    def calibration(self) -> np.ndarray:
        """Slope and offset of the logits per label, shape (c, 2), float64."""
        entries = self.spec["calibration"]
        return np.array(
            [[entries[i]["slope"], entries[i]["offset"]] for i in self.label_ids], dtype=np.float64
        ).reshape(-1, 2)

    @property
    def thresholds(self) -> dict[str, float]:
        """Probability at which an event begins, per label."""
        return {i: float(entry["threshold"]) for i, entry in self.spec["decision"]["labels"].items()}

    @property
    def low_thresholds(self) -> dict[str, float]:
        """Probability down to which an event goes on, per label."""
        return {i: float(entry["low_threshold"]) for i, entry in self.spec["decision"]["labels"].items()}

    @property
    def operating_points(self) -> dict[str, list[dict[str, float]]]:
        """Per label: threshold, precision, recall, fpr on recordings left out of training."""
        return {i: entry.get("operating_points", []) for i, entry in self.spec["decision"]["labels"].items()}

    @property
    def min_duration_s(self) -> float:
        """Shorter events are dropped."""
        return float(self.spec["decision"].get("min_duration_s", 0.0))

    @property
    def max_gap_s(self) -> float:
        """Events of one label at most this far apart are joined."""
        return float(self.spec["decision"].get("max_gap_s", 0.0))

    @property
    def sha256(self) -> str:
        """Of ``model.onnx``, as stated by the bundle."""
        return self.spec["checksums"]["model.onnx"]


def open_bundle(folder: str | Path) -> Bundle:
    """Read a bundle's description; the graph itself is opened by the runtime.

    Raises
    ------
    BadBundle
        If the folder is no bundle, the schema is not known, a required key is missing or of the wrong type,
        or the description contradicts itself.
    """
    folder = Path(folder)
    description = folder / "bundle.json"
    if not description.is_file():
        raise BadBundle(f"{folder} is not a model bundle: it holds no bundle.json")
    try:
        spec = json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadBundle(f"{description} cannot be read ({error}): fetch or export the bundle again") from None
    if not isinstance(spec, dict):
        raise BadBundle(f"{description} must hold a JSON object: fetch or export the bundle again")
    # First of all: a bundle of another major version may lack any of the other keys.
    schema = spec.get("schema")
    if isinstance(schema, str) and schema.split(".")[0] != str(SCHEMA_MAJOR):
        raise BadBundle(
            f"{description} has schema {schema}, this version of sonoscope knows {SCHEMA_MAJOR}.x: "
            "update sonoscope, or export the model again"
        )
    required = _REQUIRED if spec.get("task") == NOTES else _REQUIRED | _OF_WINDOWS
    for key, kind in required.items():
        if not isinstance(spec.get(key), kind):
            raise BadBundle(
                f"{description}: {key!r} must be a {kind.__name__}, got {spec.get(key)!r}: "
                "export the bundle again"
            )
    if not (folder / "model.onnx").is_file():
        raise BadBundle(f"{folder} holds no model.onnx: fetch or export the bundle again")
    bundle = Bundle(folder, spec)
    try:
        problem = _note_inconsistency(bundle) if bundle.task == NOTES else _inconsistency(bundle)
    except UnknownName as error:
        raise BadBundle(
            f"{description}: {str(error).partition(' Known: ')[0]} A feature of your own must be an entry point "
            "'sonoscope.features' of an installed package wherever the bundle is used"
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError, SonoscopeError) as error:
        problem = f"a part of it is missing or of the wrong kind ({type(error).__name__}: {error})"
    if problem:
        raise BadBundle(f"{description}: {problem}: export the bundle again")
    return bundle


def _inconsistency(bundle: Bundle) -> str:
    """What contradicts itself in a description that has every required key, or an empty string."""
    ids, window, feature = bundle.label_ids, bundle.window_samples, bundle.feature
    if bundle.task == EMBEDDING:
        if ids or not bundle.embedding_size:
            return "a bundle of the task embedding has an output 'embedding' and no labels"
    elif not ids or len(set(ids)) != len(ids):
        return f"labels must be one or more different ids, got {', '.join(ids) or 'none'}"
    if set(bundle.spec["calibration"]) != set(ids) or set(bundle.thresholds) != set(ids):
        return "calibration and thresholds must name exactly the labels"
    if not np.isfinite(bundle.calibration).all():
        return "a slope or offset of the calibration is not finite"
    low = bundle.low_thresholds
    for label, threshold in bundle.thresholds.items():
        if not 0.0 <= low[label] <= threshold <= 1.0:
            return (
                f"label {label}: low_threshold={low[label]} and threshold={threshold} must satisfy "
                "0 <= low_threshold <= threshold <= 1"
            )
    if not 0 < bundle.hop_samples <= window:
        return f"hop={bundle.hop_samples} must lie in 1..window={window} samples"
    if feature is not None and "clip" not in bundle.spec["outputs"] and window % feature.hop_samples:
        return f"window={window} must be a multiple of the feature's hop_samples={feature.hop_samples}"
    if feature is not None and feature.sample_rate != bundle.sample_rate:
        return f"sample_rate={bundle.sample_rate} differs from the feature's, {feature.sample_rate}"
    if (short := bundle.spec.get("short", SILENCE)) not in (SILENCE, REPEAT):
        return f"short={short!r} must be {SILENCE!r} or {REPEAT!r}"
    if min(bundle.min_duration_s, bundle.max_gap_s) < 0:
        return f"min_duration_s={bundle.min_duration_s} and max_gap_s={bundle.max_gap_s} must not be negative"
    # Read for their errors: what is declared must have the right kinds.
    _ = (
        bundle.sha256.lower(), bundle.operating_points, bundle.trunk_stride, bundle.receptive_field,
        bundle.embedding_size, bundle.window_frames, {entry["name"] for entry in bundle.spec["outputs"].values()},
        bundle.spec["input"]["name"],
    )  # fmt: skip
    return ""


def _note_inconsistency(bundle: Bundle) -> str:
    """The same for a bundle of notes."""
    feature, outputs = bundle.feature, bundle.spec["outputs"]
    pitches = [entry["midi"] for entry in bundle.spec["labels"]]
    if not pitches or pitches != list(range(bundle.lowest, bundle.lowest + len(pitches))):
        return "labels must be one or more pitches in semitones"
    if not 0 <= bundle.lowest <= 128 - len(pitches):
        return f"its {len(pitches)} pitches from {bundle.lowest} on are no MIDI numbers, 0..127"
    if feature is None or not feature.streamable:
        return "notes need a feature that can be streamed as input"
    if feature.sample_rate != bundle.sample_rate:
        return f"sample_rate={bundle.sample_rate} differs from the feature's, {feature.sample_rate}"
    if missing := {"onset", "sustain", "velocity"} - set(outputs):
        return f"outputs lack {', '.join(sorted(missing))}"
    frames = [(entry["hop"], entry["receptive_field"], entry["look_ahead"]) for entry in outputs.values()]
    if len(set(frames)) > 1 or frames[0][0] != feature.hop_samples:
        return f"hop, receptive_field and look_ahead must be the same for all outputs, and hop={feature.hop_samples}"
    if not 0 <= bundle.look_ahead_frames < bundle.receptive_field:
        return f"look_ahead={bundle.look_ahead_frames} must lie in 0..{bundle.receptive_field - 1}, below the field"
    if bundle.spec.get("states"):
        return "its graph carries states, which this version of sonoscope does not know"
    # Read for their errors.
    _ = bundle.rules, bundle.sha256.lower(), bundle.labels, bundle.spec["input"]["name"]
    _ = {entry["name"] for entry in outputs.values()}
    return ""


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
