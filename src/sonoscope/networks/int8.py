"""A bundle whose graph computes in 8 bits, behind a gate: it is kept only if it still says what it said.

Static quantisation by ONNX Runtime: weights in 8 bits per channel, activations in 8 bits over the ranges that sound
goes through, measured on what the graph is really fed. The first layer, which sees decibels, and the last ones, whose
answers are the scores, stay in floating point: on the model `instruments` that costs no time (1.5 times less CPU with
it, 1.2 without) and leaves a quarter of the error. The gate hears clips that the ranges were not measured on. Where
they have labels of the model's, the figure is mAP; else it is agreement, the share of decisions (score at or above the
threshold) that are the same, for notes the F1 of the keys' onsets and frames against those of the original. A loss
above the limit refuses the bundle, with the figures.

The result is a bundle like any other, without the weights for training, which are another model's now.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.data import clips as clip_sounds
from sonoscope.data.rows import Manifest
from sonoscope.errors import BadBundle, UsageError
from sonoscope.evaluation.metrics import average_precision
from sonoscope.models.bundle import NOTES, Bundle, open_bundle, sha256_of
from sonoscope.models.devices import Session
from sonoscope.models.notes import NoteScorer
from sonoscope.models.runtime import Runtime
from sonoscope.networks.export import readable_json
from sonoscope.networks.fused import expected_scores, sounding
from sonoscope.writing import place_beside

#: Clips that are listened to at most, for the ranges and for the gate, and seconds of each.
RANGED, JUDGED, LONGEST_S = 32, 400, 10.0
#: Clips of generated sound, where no data are given.
GENERATED = 24
#: Feeds that the ranges are measured on, and how often the speed is.
FEEDS, TIMED = 48, 5
#: What is worth it; the rest stays in floating point.
OPERATORS = ("Conv", "MatMul", "Gemm")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sound:
    """What a model in 8 bits is made and judged on.

    Attributes
    ----------
    clips : tuple of np.ndarray
        Samples at the model's rate.
    truth, known : np.ndarray, shape (clips, labels), optional
        What sounds in each, and what was judged; None: nobody knows.
    """

    clips: tuple[np.ndarray, ...]
    truth: np.ndarray | None = None
    known: np.ndarray | None = None

    def part(self, chosen: Sequence[int]) -> Sound:
        """Some of the clips."""
        rows = list(chosen)
        truth, known = (None if t is None else t[rows] for t in (self.truth, self.known))
        return Sound(tuple(self.clips[i] for i in rows), truth, known)


@dataclass(frozen=True)
class Verdict:
    """What the gate found.

    Attributes
    ----------
    figure : str
        ``mAP`` or ``agreement``.
    before, after, loss : float
        Agreement before is 1.
    clips, labels : int
        Heard, and with something to find.
    difference : float
        Mean absolute difference of a score.
    speed : float
        CPU of the graph before / after.
    """

    figure: str
    before: float
    after: float
    loss: float
    clips: int
    labels: int
    difference: float
    speed: float

    def text(self) -> str:
        """The figures in a line."""
        return (
            f"{self.figure} {self.before:.4f} -> {self.after:.4f} (loss {self.loss:+.4f}) on {self.clips} clips, "
            f"{self.labels} labels; scores move by {self.difference:.4f} on average; the graph takes "
            f"{self.speed:.2f} times less CPU"
        )


def sound_of(manifest: Manifest, bundle: Bundle, *, seed: int = 0) -> Sound:
    """Clips of labelled recordings, drawn where there are many.

    Raises
    ------
    UsageError
        If there are fewer than two that can be read.
    """
    rng = np.random.default_rng(seed)
    rows = [manifest.rows[i] for i in sorted(rng.permutation(len(manifest.rows))[: RANGED + JUDGED])]
    chosen = Manifest(tuple(rows), manifest.root, manifest.label_map)
    longest, held = round(LONGEST_S * bundle.sample_rate), {}
    for clip in clip_sounds.each(chosen, bundle.sample_rate, report=lambda problem: None):
        if clip.samples.size:
            held[clip.index] = clip.samples[:longest]
    if len(held) < 2:
        raise UsageError(f"{len(held)} of the data's {len(rows)} clips can be read; two are needed at least")
    order = sorted(held)
    if bundle.task == NOTES:
        return Sound(tuple(held[i] for i in order))
    samples = tuple(held[i] for i in order)
    truth, known = (table[order] for table in chosen.targets(bundle.label_ids))
    return Sound(samples, truth, known) if (truth * known).any() else Sound(samples)


def generated(bundle: Bundle, *, seed: int = 0) -> Sound:
    """Notes over noise, at several levels: sound enough for the ranges, no test of what a model is for."""
    rng = np.random.default_rng(seed)
    n = round(5 * bundle.sample_rate)
    levels = 10.0 ** rng.uniform(-1.5, 0.5, GENERATED)
    return Sound(tuple((g * sounding(rng, n, bundle.sample_rate)).astype(np.float32) for g in levels))


def quantise(
    bundle: Bundle, folder: str | Path, sound: Sound, *, max_loss: float = 0.01, say: Say = lambda text: None
) -> tuple[Bundle, Verdict]:
    """Write the bundle in 8 bits, if it passes the gate.

    Parameters
    ----------
    bundle : Bundle
    folder : path
        Of the new bundle; it must not exist.
    sound : Sound
    max_loss : float
        Largest loss of the gate's figure.
    say : function
        Told the figures.

    Raises
    ------
    UsageError
        If the folder exists, or the loss is too large; with the figures.
    BadBundle
        If ONNX Runtime cannot quantise the graph.
    """
    folder = Path(folder)
    if folder.exists():
        raise UsageError(f"{folder} is there already: remove it, or name another place (-o)")
    ranged = list(range(len(sound.clips)))[:: max(-(-len(sound.clips) // RANGED), 2)]
    judged = sound.part(sorted({*range(len(sound.clips))} - {*ranged})[:JUDGED])
    with place_beside(folder) as made:
        made.mkdir()
        feeds = fed(bundle, sound.part(ranged).clips)
        _write_graph(bundle.graph, made / "model.onnx", feeds)
        spec = _described(bundle, made)
        verdict = judge(bundle, Bundle(made, spec), judged, feeds)
        if not verdict.loss <= max_loss:
            raise UsageError(
                f"{bundle.name} in 8 bits loses too much: {verdict.text()}. The limit is {max_loss:g} (--max-loss); "
                "nothing was written"
            )
        say(verdict.text())
        spec["quantised"]["gate"] = {
            k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(verdict).items()
        }
        (made / "bundle.json").write_text(readable_json(spec) + "\n", encoding="utf-8")
        card = bundle.card.read_text(encoding="utf-8") if bundle.card.is_file() else f"# {bundle.name}\n"
        note = f"> In 8 bits, made from version {bundle.version}. Against it: {verdict.text()}.\n\n"
        (made / "README.md").write_text(note + card, encoding="utf-8")
        open_bundle(made)
    return open_bundle(folder), verdict


def _described(bundle: Bundle, made: Path) -> dict[str, Any]:
    """``bundle.json`` of the graph in ``made``: the bundle's, without its network and weights."""
    dropped = ("network", "export_difference", "checksums")
    spec = {key: value for key, value in bundle.spec.items() if key not in dropped}
    return spec | {
        "version": f"{bundle.version}-int8",
        "quantised": {
            "from": bundle.sha256,
            "kind": "static, 8 bits, per channel",
            "operators": list(OPERATORS),
        },
        "checksums": {"model.onnx": sha256_of(made / "model.onnx")},
    }


class Recorder:
    """A session that keeps what it is fed."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.feeds: list[dict[str, np.ndarray]] = []

    def run(self, names: Sequence[str] | None, feeds: Any) -> list[np.ndarray]:
        """Run, and keep."""
        self.feeds.append({name: array.copy() for name, array in feeds.items()})
        return self.session.run(names, feeds)


def fed(bundle: Bundle, clips: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
    """What the graph is fed with while clips are scored, spread over them."""
    runtime = Runtime(bundle)
    recorder = Recorder(runtime.session)
    runtime.session = recorder
    for samples in clips:
        probabilities(runtime, samples)
    return recorder.feeds[:: max(len(recorder.feeds) // FEEDS, 1)][:FEEDS]


def _write_graph(graph: Path, path: Path, feeds: Sequence[dict[str, np.ndarray]]) -> None:
    """Quantise a graph. Raises ``BadBundle`` if that fails."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(feeds)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.left, None)

    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)  # the quantiser advises on the root logger
    try:
        with tempfile.TemporaryDirectory() as scratch:
            prepared = Path(scratch) / "prepared.onnx"
            quant_pre_process(str(graph), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared), str(path), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                op_types_to_quantize=list(OPERATORS), nodes_to_exclude=ends(prepared),
            )  # fmt: skip
    except OSError:  # of the disk, not of the graph
        raise
    except Exception as problem:  # the quantiser raises what its steps raise
        reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        raise BadBundle(f"{graph} cannot be quantised ({reason})") from problem
    finally:
        log.setLevel(level)


def ends(graph: Path) -> list[str]:
    """Names of the first and the last of a graph's :data:`OPERATORS`: none of them comes before, or after."""
    import onnx

    nodes = list(onnx.load(str(graph)).graph.node)

    def lonely(ordered: list[Any], takes: str, gives: str) -> set[str]:
        """Those that no other one leads to, going through the nodes in this order."""
        reached: set[str] = set()
        found = set()
        for node in ordered:
            after = bool(reached & {*getattr(node, takes)})
            if node.op_type in OPERATORS and not after:
                found.add(node.name)
            if after or node.op_type in OPERATORS:
                reached.update(getattr(node, gives))
        return found

    first = lonely(nodes, "input", "output")
    last = lonely(nodes[::-1], "output", "input")
    chosen = {node.name for node in nodes if node.op_type in OPERATORS}
    return sorted(first | last) if chosen - first - last else []


def probabilities(runtime: Runtime, samples: np.ndarray) -> np.ndarray:
    """Scores of a clip: (windows, labels), or (frames, 2 pitches), onset and sustain."""
    bundle = runtime.bundle
    if bundle.task == NOTES:
        scorer = NoteScorer(runtime)
        blocks = [*scorer.push(samples), *scorer.close()]
        return np.concatenate([np.concatenate([b.onset, b.sustain], axis=1) for b in blocks])
    return expected_scores(runtime, samples, bundle.hop_samples)


def judge(before: Bundle, after: Bundle, sound: Sound, feeds: Sequence[dict[str, np.ndarray]]) -> Verdict:
    """Compare two bundles on clips."""
    runtimes = [Runtime(bundle) for bundle in (before, after)]
    tables = [[probabilities(runtime, samples) for samples in sound.clips] for runtime in runtimes]
    difference = float(np.mean([np.abs(a - b).mean() for a, b in zip(*tables, strict=True)]))
    speed = _speed(runtimes, feeds)
    if sound.truth is not None and sound.known is not None:
        means = [np.stack([table.mean(axis=0) for table in each]) for each in tables]
        found = [[_precision(sound, mean, k) for k in range(mean.shape[1])] for mean in means]
        heard = np.isfinite(found[0])
        if heard.any():
            first, second = (float(np.mean(np.array(each)[heard])) for each in found)
            return Verdict(
                "mAP", first, second, first - second, len(sound.clips), int(heard.sum()), difference, speed
            )
    limits = _thresholds(before)
    said = [[table >= limits for table in each] for each in tables]
    if before.task == NOTES:
        # Nearly all keys are silent nearly always, and agree: what counts is what one or the other accepts.
        both = sum(int((a & b).sum()) for a, b in zip(*said, strict=True))
        each = sum(int(a.sum() + b.sum()) for a, b in zip(*said, strict=True))
        agreement = 2 * both / each if each else 1.0
    else:
        agreement = float(np.mean([(a == b).mean() for a, b in zip(*said, strict=True)]))
    return Verdict(
        "agreement", 1.0, agreement, 1.0 - agreement, len(sound.clips), limits.size, difference, speed
    )


def _precision(sound: Sound, means: np.ndarray, label: int) -> float:
    assert sound.truth is not None and sound.known is not None
    known = sound.known[:, label]
    return average_precision(sound.truth[known, label], means[known, label])


def _thresholds(bundle: Bundle) -> np.ndarray:
    """Where scores become decisions."""
    if bundle.task == NOTES:
        count = len(bundle.labels)
        return np.repeat([bundle.rules.onset, bundle.rules.sustain], count)
    return np.array([bundle.thresholds[label] for label in bundle.label_ids])


def _speed(runtimes: Sequence[Runtime], feeds: Sequence[dict[str, np.ndarray]]) -> float:
    """CPU of the first graph over that of the second, taking turns; the median."""
    ratios = []
    for _ in range(TIMED):
        seconds = []
        for runtime in runtimes:
            began = time.process_time()
            for feed in feeds:
                runtime.session.run(None, feed)
            seconds.append(time.process_time() - began)
        ratios.append(seconds[0] / max(seconds[1], 1e-9))
    return statistics.median(ratios)
