"""sonoscope's side: a bundle by name or folder, or a folder that training left, and what it hears in files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sonoscope import features
from sonoscope.audio import decode
from sonoscope.evaluation.notes import Notes, notes_of
from sonoscope.notes.decode import Decoder
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.scores import NoteScores, concatenate
from sonoscope.values import Event

if TYPE_CHECKING:
    from sonoscope.networks.notes import NoteNetwork

#: What networks see that are no bundle yet.
FEATURE = features.from_dict({"name": "notefreq", "sample_rate": 24_000})


@dataclass(frozen=True)
class Model:
    """How a file becomes scores, block by block, and the rules that make notes of them.

    ``infer`` takes samples at ``sample_rate``: what a prediction costs besides decoding and notes.
    """

    name: str
    rules: NoteRules
    sample_rate: int
    blocks: Callable[[Path, Callable[[NoteScores], None]], None]
    infer: Callable[[np.ndarray], NoteScores]

    def scores(self, path: Path) -> NoteScores:
        """All scores of a file."""
        found: list[NoteScores] = []
        self.blocks(path, found.append)
        return concatenate(found)

    def events(self, path: Path) -> list[Event]:
        """The notes of a file; its scores are forgotten as they come."""
        decoders: list[Decoder] = []
        found: list[Event] = []

        def take(block: NoteScores) -> None:
            if not decoders:
                decoders.append(Decoder(block, self.rules))
            found.extend(decoders[0].push(block))

        self.blocks(path, take)
        return sorted([*found, *(decoders[0].close() if decoders else ())])

    def notes(self, path: Path) -> Notes:
        """The same as arrays."""
        return notes_of(self.events(path))


def load(name: str, rules: Path | None = None) -> Model:
    """A bundle, or a training folder with ``averaged.pt``; ``rules`` (JSON) instead of the model's own."""
    folder = Path(name)
    if (folder / "averaged.pt").is_file():
        return _trained(folder, rules)
    from sonoscope import models, transcription
    from sonoscope.models.runtime import Runtime
    from sonoscope.values import Recording

    bundle = models.load(name)
    runtime = Runtime(bundle)

    def blocks(path: Path, keep: Callable[[NoteScores], None]) -> None:
        transcription.note_recording(Recording(str(path), path.name), bundle, runtime, keep)

    def infer(samples: np.ndarray) -> NoteScores:
        from sonoscope.models.notes import NoteScorer

        scorer = NoteScorer(runtime)
        return concatenate([*scorer.push(samples), *scorer.close()])

    return Model(bundle.name, _rules(rules) or bundle.rules, bundle.sample_rate, blocks, infer)


def _rules(file: Path | None) -> NoteRules | None:
    return NoteRules.of(json.loads(file.read_text())["rules"]) if file is not None else None


def untrained(size: str, graph: Path) -> tuple[str, Callable[[np.ndarray], NoteScores]]:
    """A network of this size with its first weights, and how it infers: what it costs does not depend on them."""
    import torch

    from sonoscope.networks import notes as networks

    torch.manual_seed(0)
    network = networks.build(size)
    weights = sum(parameter.numel() for parameter in network.parameters())
    return f"{size}, {weights:,} weights", _inference(network, graph)


def _trained(folder: Path, rules: Path | None) -> Model:
    """The averaged network of a training folder, with ``rules.json`` where thresholds were fitted."""
    import torch

    from sonoscope.networks import notes as networks

    network = networks.build(json.loads((folder / "network.json").read_text()))
    network.load_state_dict(torch.load(folder / "averaged.pt", weights_only=True))
    infer = _inference(network, folder / "model.onnx", (folder / "averaged.pt").stat().st_mtime)

    def blocks(path: Path, keep: Callable[[NoteScores], None]) -> None:
        keep(infer(decode.read(path, sample_rate=FEATURE.sample_rate)[0]))

    own = folder / "rules.json"
    fitted = _rules(rules or (own if own.is_file() else None))
    default = NoteRules(onset=0.45, onset_low=0.225, sustain=0.6, sustain_low=0.6, soft_length_s=None)
    return Model(folder.name, fitted or default, FEATURE.sample_rate, blocks, infer)


def _inference(
    network: NoteNetwork, graph: Path, newer_than: float = 0.0
) -> Callable[[np.ndarray], NoteScores]:
    """Samples to scores, with one thread; the graph is written unless there is one that is newer."""
    import onnxruntime

    from sonoscope.networks.notegraph import write_note_graph

    if not graph.is_file() or graph.stat().st_mtime < newer_than:
        write_note_graph(network.eval(), graph)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    before, after = network.receptive_field - 1 - network.look_ahead, network.look_ahead
    frame_s = FEATURE.hop_samples / FEATURE.sample_rate

    def infer(samples: np.ndarray) -> NoteScores:
        rows = np.pad(FEATURE(samples), ((before, after), (0, 0)), constant_values=FEATURE.silence)
        parts = [
            session.run(None, {"frames": rows[None, k : k + 256 + before + after]})
            for k in range(0, len(rows) - before - after, 256)
        ]
        onset, sustain, velocity = (np.concatenate([part[i][0] for part in parts]) for i in range(3))
        return NoteScores(onset, sustain, frame_s, 0.0, velocity)

    return infer
