"""A whole model as one graph: samples in, scores out.

In front of the bundle's own graph stand framing, spectrum and what else its feature computes, written from the
feature's torch form (``plain.py``); behind it pooling over windows and the calibration. The graph in the middle stays
as it is, so its weights are those that the pipeline runs.

Input is ``samples`` (n,), mono at the bundle's rate, of any length above 0. Outputs of a tagging model are ``scores``
and ``logits`` (windows, labels) and, if it has them, ``embedding`` (windows, dimension), for windows at the bundle's
hop that cover everything, zeros after the end; of a notes model ``onset``, ``sustain`` and ``velocity`` (frames,
pitches). They are the pipeline's numbers before these are rounded. Everything about the labels is in the
file's metadata under ``sonoscope``, as JSON.

All of a recording is in memory at once: some 15 bytes a sample and frame that overlaps it. Long ones go through in
pieces.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sonoscope.errors import BadBundle, UsageError
from sonoscope.features.protocol import samples_of
from sonoscope.models.apart import apart
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.models.notes import NoteScorer
from sonoscope.models.runtime import Runtime
from sonoscope.models.scorers import frames_of_output
from sonoscope.models.short import least_period
from sonoscope.networks.asking import asked
from sonoscope.networks.graphs import TOLERANCE
from sonoscope.networks.plain import Plain, framed
from sonoscope.networks.torchexport import quietly, reason_of, save
from sonoscope.networks.writer import OPSET, Writer, opset_in
from sonoscope.writing import place_beside

INPUT = "samples"
SCORES, LOGITS, EMBEDDING = "scores", "logits", "embedding"
NOTE_OUTPUTS = ("onset", "sustain", "velocity")
#: Features that torch's exporter does not come to an end with, or not with any length, and why.
UNWRITABLE = {
    "cqt": "every octave halves a length that is not known yet",
    "hcqt": "every octave halves a length that is not known yet",
    "morlet": "its transforms are as long as the sound",
}
#: Where a file's metadata says what it is.
METADATA = "sonoscope"
#: The same for graphs in 8 bits, where a difference in the last bit of a feature can become a step.
TOLERANCE_8_BITS = 2e-2
#: Lengths at which a fused graph is compared with the pipeline, in windows; for notes a window counts as a second.
COMPARED = (0.001, 0.4, 1.0, 3.3, 20.0)


def write_fused(
    bundle: Bundle, path: str | Path, *, hop_samples: int | None = None, padded: bool = True
) -> float:
    """Write a bundle as one graph, and compare it with the pipeline.

    Parameters
    ----------
    bundle : Bundle
    path : path
        The ``.onnx`` file, replaced if it is there.
    hop_samples : int, optional
        Distance between windows; default: the bundle's.
    padded : bool
        Whether zeros are laid around the samples in the graph. Without it the samples bring what the first window
        sees before its start, and only windows that they fill are answered: for blocks of a recording.

    Returns
    -------
    float
        The largest difference of a score.

    Raises
    ------
    UsageError
        If the feature, or the way in which the bundle's graph is fed, cannot be part of a graph.
    BadBundle
        If the fused graph differs from the pipeline by more than ``TOLERANCE``.
    """
    path = Path(path)
    hop = bundle.hop_samples if hop_samples is None and bundle.task != NOTES else hop_samples
    plan = Plan(bundle, hop)
    with place_beside(path) as made:
        model = _joined(plan, made.parent, padded=padded)
        made.write_bytes(model.SerializeToString(deterministic=True))
        worst = largest_difference(bundle, made, hop_samples=hop) if padded else 0.0
        limit = TOLERANCE_8_BITS if "quantised" in bundle.spec else TOLERANCE
        if not worst <= limit:
            raise BadBundle(
                f"{path}: the fused graph differs from the pipeline by {worst:.2e} (limit {limit:.0e})"
            )
    return worst


class Plan:
    """How samples reach a bundle's graph: lengths in samples, feature frames and frames of output.

    Attributes
    ----------
    shared : bool
        Whether features and trunk run over all samples once; else windows are cut from the samples first.
    left, reach : int
        Samples before a window's start that it sees, and all that it sees.

    Raises
    ------
    UsageError
        If the bundle cannot be one graph; says why.
    """

    def __init__(self, bundle: Bundle, hop: int | None) -> None:
        self.bundle, self.feature = bundle, bundle.feature
        feature = bundle.feature
        if feature is not None and feature.numpy_only:
            raise UsageError(
                f"{bundle.name}: its feature {feature.name!r} computes on NumPy arrays only, so it cannot be part of "
                "a graph"
            )
        for part in (feature, *getattr(feature, "features", ())):
            if part is not None and part.name in UNWRITABLE:
                raise UsageError(
                    f"{bundle.name}: its feature {part.name!r} cannot be part of a graph: {UNWRITABLE[part.name]}"
                )
        self.notes = bundle.task == NOTES
        self.hop = 0 if hop is None else hop
        self.left = feature.left_context if feature is not None and feature.streamable else 0
        if self.notes:
            self.shared = True
            return
        if not 0 < self.hop <= bundle.window_samples:
            raise UsageError(f"hop_samples={hop} must lie in 1..{bundle.window_samples}, the window")
        self.window, self.frames = bundle.window_samples, bundle.window_frames
        stride = 0 if feature is None else feature.hop_samples * bundle.trunk_stride
        self.shared = bundle.poolable and stride > 0 and self.hop % stride == 0
        self.reach = self.window
        if feature is not None and feature.streamable:
            self.reach = samples_of(feature, self.frames)

    @property
    def shortest(self) -> int:
        """Samples without which there is nothing to compute."""
        if self.notes:
            assert self.feature is not None
            return self.feature.left_context + self.feature.right_context
        return self.reach


class Front(nn.Module):
    """Samples (n,) to what a bundle's graph takes: rows of its feature, or windows of samples."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """(n,) to (1, frames, bins) where the trunk is shared, else (windows, frames, bins) or (windows, n)."""
        plan, feature = self.plan, self.plan.feature
        with Plain():
            if plan.shared:
                assert feature is not None
                return feature.valid(samples[None])
            windows = framed(samples, plan.reach, plan.hop)
            if feature is None:
                return windows
            return feature.valid(windows) if feature.streamable else feature(windows)


def write_front(plan: Plan, path: Path, opset: int) -> None:
    """Write samples to rows as a graph of its own, ``samples`` to ``rows``.

    Raises
    ------
    UsageError
        If the feature has no form that can be written.
    """
    feature = plan.feature
    example = torch.zeros(plan.shortest + 7 * (plan.hop or feature.hop_samples if feature else plan.hop))
    length = torch.export.Dim("sample", min=plan.shortest, max=1 << 30)
    with quietly(), torch.no_grad():
        try:
            program = torch.onnx.export(
                Front(plan).eval(), (example,), dynamo=True, dynamic_shapes=({0: length},), input_names=[INPUT],
                output_names=["rows"], opset_version=opset, external_data=False, verbose=False,
            )  # fmt: skip
        except Exception as error:  # torch raises many kinds, with pages of advice
            name = "samples" if feature is None else feature.name
            raise UsageError(
                f"the feature {name!r} cannot be written as a graph ({reason_of(error)})"
            ) from error
        assert program is not None  # with dynamo=True
        save(program, path)


def _joined(plan: Plan, scratch: Path, *, padded: bool) -> Any:
    """Padding, front, the bundle's graph, pooling and calibration as one ONNX model."""
    from onnx import helper

    bundle = plan.bundle
    opset = max(opset_in(bundle.graph), OPSET)
    write_front(plan, scratch / "front.onnx", opset)
    writer = Writer(opset)
    samples = INPUT
    if padded:
        samples = _padded(writer, plan, _repeated(writer, plan) if plan.bundle.repeats_short else INPUT)
    rows = writer.include(scratch / "front.onnx", {INPUT: samples}, "rows")
    gives = _of_notes(writer, plan, rows) if plan.notes else _of_windows(writer, plan, rows)
    model = writer.model({INPUT: ["n"]}, gives)
    helper.set_model_props(model, {METADATA: json.dumps(described(plan, padded=padded), ensure_ascii=False)})
    return model


def _repeated(writer: Writer, plan: Plan) -> str:
    """Samples (n,) until they fill a window, as ``models/short.py`` does it: (max(n, window),)."""
    n, least = writer.node("Shape", INPUT), least_period(plan.bundle)
    lacking = writer.node("Max", writer.node("Sub", writer.numbers(least), n), writer.numbers(0))
    piece = writer.node("Pad", INPUT, writer.node("Concat", writer.numbers(0), lacking, axis=0))
    count = writer.node("Div", writer.numbers(plan.window), writer.node("Shape", piece))
    again = writer.node("Tile", piece, writer.node("Add", count, writer.numbers(1)))
    length = writer.node("Max", n, writer.numbers(plan.window))
    return writer.node("Slice", again, writer.numbers(0), length)


def _padded(writer: Writer, plan: Plan, samples: str) -> str:
    """Zeros before and after the samples, so that windows cover all of them: (n,) to (left + …,)."""
    n = writer.node("Shape", samples)
    if plan.notes:
        feature = plan.feature
        assert feature is not None
        # A frame for every hop that begins in the sound, and the rows that the last one looks ahead to.
        frames = _ceil_divided(writer, n, feature.hop_samples)
        last = writer.node("Add", frames, writer.numbers(plan.bundle.look_ahead_frames - 1))
        end = writer.node("Mul", last, writer.numbers(feature.hop_samples))
        reach = feature.left_context + feature.right_context
    else:
        beyond = writer.node("Max", writer.node("Sub", n, writer.numbers(plan.window)), writer.numbers(0))
        end = writer.node("Mul", _ceil_divided(writer, beyond, plan.hop), writer.numbers(plan.hop))
        reach = plan.reach
    # What lies after the last window's reach is cut off by a negative padding.
    after = writer.node("Sub", writer.node("Add", end, writer.numbers(reach - plan.left)), n)
    pads = writer.node("Concat", writer.numbers(plan.left), after, axis=0)
    return writer.node("Pad", samples, pads)


def _ceil_divided(writer: Writer, number: str, divisor: int) -> str:
    """A whole number >= 0 divided and rounded up."""
    return writer.node(
        "Div", writer.node("Add", number, writer.numbers(divisor - 1)), writer.numbers(divisor)
    )


def _of_windows(writer: Writer, plan: Plan, rows: str) -> dict[str, tuple[str, list[int | str]]]:
    """The bundle's graph on the rows, pooled and calibrated."""
    bundle = plan.bundle
    named = {kind: entry["name"] for kind, entry in bundle.spec["outputs"].items()}
    embeds, count = "embedding" in named, len(bundle.labels)
    if "clip" in named:
        outputs = asked(writer, bundle, rows, ["clip"] + ["embedding"] * embeds)
        logits, vectors = outputs[0], outputs[-1]
    else:
        kinds = ["frame", "attention"] + ["embedding"] * embeds
        outputs = writer.included(
            bundle.graph, {bundle.spec["input"]["name"]: rows}, [named[k] for k in kinds]
        )
        if plan.shared:
            pieces = _pieces(writer, plan, outputs[0])
            flat = [writer.node("Squeeze", output, writer.numbers(0)) for output in outputs]
            outputs = [writer.node("Gather", output, pieces, axis=0) for output in flat]
        weights = writer.node("Softmax", outputs[1], axis=1)
        weighted = writer.node("Mul", weights, outputs[0])
        logits = writer.node("ReduceSum", weighted, writer.numbers(1), keepdims=0)
        vectors = writer.node("ReduceMean", outputs[2], writer.numbers(1), keepdims=0) if embeds else ""
    slope, offset = (column.astype(np.float32) for column in bundle.calibration.T)
    scaled = writer.node("Add", writer.node("Mul", logits, writer.constant(slope)), writer.constant(offset))
    gives: dict[str, tuple[str, list[int | str]]] = {
        SCORES: (writer.node("Sigmoid", scaled), ["window", count]),
        LOGITS: (logits, ["window", count]),
    }
    if embeds:
        gives[EMBEDDING] = (vectors, ["window", bundle.embedding_size])
    return gives


def _pieces(writer: Writer, plan: Plan, framewise: str) -> str:
    """Which frames of output each window pools: (windows, frames in a window), from frames (1, t, labels)."""
    assert plan.feature is not None
    step = plan.hop // (plan.feature.hop_samples * plan.bundle.trunk_stride)
    per_window = frames_of_output(plan.bundle, plan.frames)
    total = writer.node("Gather", writer.node("Shape", framewise), writer.constant(np.array(1)), axis=0)
    end = writer.node("Sub", total, writer.constant(np.array(per_window - 1)))
    starts = writer.node("Range", writer.constant(np.array(0)), end, writer.constant(np.array(step)))
    column = writer.node("Unsqueeze", starts, writer.numbers(1))
    return writer.node("Add", column, writer.constant(np.arange(per_window)))


def _of_notes(writer: Writer, plan: Plan, rows: str) -> dict[str, tuple[str, list[int | str]]]:
    """The bundle's graph on the rows, digital silence before them."""
    bundle, feature = plan.bundle, plan.feature
    assert feature is not None
    before = bundle.receptive_field - 1 - bundle.look_ahead_frames
    silence = np.broadcast_to(np.asarray(feature.silence, np.float32), (1, before, feature.n_bins))
    all_rows = writer.node("Concat", writer.constant(silence), rows, axis=1)
    named = [bundle.spec["outputs"][kind]["name"] for kind in NOTE_OUTPUTS]
    tables = writer.included(bundle.graph, {bundle.spec["input"]["name"]: all_rows}, named)
    count = len(bundle.labels)
    return {
        kind: (writer.node("Squeeze", table, writer.numbers(0)), ["frame", count])
        for kind, table in zip(NOTE_OUTPUTS, tables, strict=True)
    }


def described(plan: Plan, *, padded: bool) -> dict[str, Any]:
    """What whoever runs the file without this package has to know."""
    bundle = plan.bundle
    about: dict[str, Any] = {
        "name": bundle.name, "version": bundle.version, "task": bundle.task, "licence": bundle.licence,
        "sha256": bundle.sha256, "sample_rate": bundle.sample_rate, "labels": bundle.spec["labels"],
        "decision": bundle.spec["decision"], "padded": padded,
    }  # fmt: skip
    if plan.notes:
        assert plan.feature is not None
        return about | {"hop": plan.feature.hop_samples}
    return about | {"window": plan.window, "hop": plan.hop, "left": plan.left, "reach": plan.reach}


def largest_difference(bundle: Bundle, path: Path, *, hop_samples: int | None = None) -> float:
    """Largest |fused - pipeline| of a score at several lengths."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    runtime, worst = Runtime(bundle), 0.0
    rng = np.random.default_rng(0)
    for windows in COMPARED:
        unit = bundle.sample_rate if bundle.task == NOTES else bundle.window_samples
        samples = sounding(rng, max(round(windows * unit), 1), bundle.sample_rate)
        if bundle.task == NOTES:
            got = dict(zip(NOTE_OUTPUTS, session.run(list(NOTE_OUTPUTS), {INPUT: samples}), strict=True))
            pairs = list(_note_pairs(got, runtime, samples))
        else:
            hop = bundle.hop_samples if hop_samples is None else hop_samples
            pairs = [(session.run([SCORES], {INPUT: samples})[0], expected_scores(runtime, samples, hop))]
        for got_table, expected in pairs:
            if got_table.shape != expected.shape:
                raise BadBundle(
                    f"{path}: gives {got_table.shape} for {samples.size} samples, not {expected.shape}"
                )
            worst = max(worst, apart(got_table, expected))
    return worst


def expected_scores(runtime: Runtime, samples: np.ndarray, hop: int) -> np.ndarray:
    """The pipeline's scores of samples at the model's rate, not rounded: (windows, labels)."""
    scorer = runtime.scorer(hop)
    logits = np.concatenate([scorer.push(samples)[0], scorer.close()[0]]).astype(np.float64)
    slope, offset = runtime.bundle.calibration.T
    return 1.0 / (1.0 + np.exp(-(logits * slope + offset)))


def _note_pairs(got: dict[str, np.ndarray], runtime: Runtime, samples: np.ndarray) -> Sequence[Any]:
    """Tables of both sides; what the pipeline sets to zero, since it counts for nothing, is left out."""
    scorer = NoteScorer(runtime)
    found = [*scorer.push(samples), *scorer.close()]
    pairs = []
    for kind in NOTE_OUTPUTS:
        expected = np.concatenate([getattr(block, kind) for block in found])
        kept = expected > 0.0
        pairs.append((got[kind][kept] if got[kind].shape == expected.shape else got[kind], expected[kept]))
    return pairs


def sounding(rng: np.random.Generator, n: int, sample_rate: int) -> np.ndarray:
    """Notes with harmonics over a floor of noise, (n,) float32: sound with something in every band."""
    seconds = np.arange(n) / sample_rate
    samples = 0.01 * rng.standard_normal(n)
    for start in np.arange(0.0, n / sample_rate, 0.3):
        pitch_hz = 55.0 * 2.0 ** rng.uniform(0.0, 4.0)
        since = np.maximum(seconds - start, 0.0)
        note = sum(
            np.sin(2 * np.pi * k * pitch_hz * since) / k
            for k in range(1, 9)
            if k * pitch_hz < sample_rate / 2
        )
        samples += 0.1 * np.exp(-4.0 * since) * note * (seconds >= start)
    return samples.astype(np.float32)
