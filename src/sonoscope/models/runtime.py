"""Running a bundle's graph in ONNX Runtime, and turning features into window logits.

One thread per session and two shapes of graph inputs, long runs and, for what is left in the end, short ones
that are padded: a recording gives the same bytes wherever and however it is run. Three ways (``scorers.py``)
lead from the recording to the logits of its windows where the graph gives frames, equal to 1e-5; the cheapest that
is exact is taken (docs/architecture.md, "The data path"):

- ``SharedTrunk``: windows start on the trunk's stride; the trunk runs once over the recording.
- ``SharedFeatures``: windows start on the features' hop; features are shared, the trunk runs per window. With
  little overlap this is cheaper than a trunk whose frames mostly lie between the windows.
- ``OwnFeatures``: windows start anywhere; features are computed on each window's own grid.

A graph that answers once for a window (``clip``) takes the second way or the third, or, if it takes samples or a
feature that sees all of a signal at once, ``WholeWindows``. One that says notes is fed by ``notes.py``. On a GPU
``blocks.py`` lets the features be computed there too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.errors import BadBundle
from sonoscope.models import devices
from sonoscope.models.answers import Numbers
from sonoscope.models.blocks import Blocks, fused_file
from sonoscope.models.bundle import NOTES, Bundle, sha256_of
from sonoscope.models.layouts import Layout
from sonoscope.models.scorers import (
    OwnFeatures,
    SharedFeatures,
    SharedTrunk,
    WholeWindows,
    frames_of_output,
    pool,
)
from sonoscope.models.short import Repeating, Scorer


class Runtime:
    """A bundle's graph, loaded.

    Parameters
    ----------
    bundle : Bundle
    on : str
        ``cpu``, or ``cuda``: a GPU that agrees with the CPU.
    opener : devices.Opener, optional
        What opens graphs on a GPU that has proved itself already.

    Attributes
    ----------
    session : devices.Session
        What runs the graph; whoever measures puts something between.

    Raises
    ------
    UsageError
        If there is no such GPU (``devices.py``).
    BadBundle
        If the graph is not the one that ``bundle.json`` describes, ONNX Runtime cannot load it, or it is of a
        kind that this version cannot run.
    """

    def __init__(self, bundle: Bundle, on: str = "cpu", *, opener: devices.Opener | None = None) -> None:
        # Weights with a flipped bit load without a word; hashing takes milliseconds.
        if sha256_of(bundle.graph) != bundle.sha256:
            raise BadBundle(
                f"{bundle.graph} is not the file that bundle.json describes: fetch or export it again"
            )
        if devices.checked(on) == devices.CUDA and opener is None:
            opener = devices.gpu(bundle)
        self._gpu = opener
        self._fused: dict[Path, devices.Session] = {}
        open_graph = devices.cpu_session if self._gpu is None else self._gpu.open
        self.session: Any = open_graph(bundle.graph)
        self.bundle = bundle
        self._input = bundle.spec["input"]["name"]
        declared = {kind: entry["name"] for kind, entry in bundle.spec["outputs"].items()}
        missing = set(declared.values()) - {output.name for output in self.session.get_outputs()}
        if missing or self._input not in {entry.name for entry in self.session.get_inputs()}:
            raise BadBundle(
                f"{bundle.graph} lacks {sorted(missing) or self._input!r} that bundle.json declares"
            )
        if bundle.task != NOTES:
            _check_kind(bundle)
        self._outputs = declared
        self._layout = Layout(bundle)

    def scorer(self, hop_samples: int, *, embeddings: bool = False) -> Scorer:
        """What scores one recording with windows ``hop_samples`` apart."""
        scorer = self.way(hop_samples, embeddings=embeddings)
        return Numbers(Repeating(scorer, self.bundle) if self.bundle.repeats_short else scorer, self.bundle)

    def way(self, hop_samples: int, *, embeddings: bool = False) -> Scorer:
        """The way in which the graph is fed; what is shorter than a window has silence after it."""
        if self._gpu is not None and (file := fused_file(self.bundle, hop_samples)).is_file():
            if file not in self._fused:
                self._fused[file] = self._gpu.open(file)
            return Blocks(self.bundle, self._fused[file], file, hop_samples, embeddings)
        feature = self.bundle.feature
        if feature is None or not feature.streamable:
            return WholeWindows(self, hop_samples, embeddings)
        if hop_samples % feature.hop_samples:
            return OwnFeatures(self, hop_samples, embeddings)
        stride = feature.hop_samples * self.bundle.trunk_stride if self.bundle.poolable else 0
        if stride and hop_samples % stride == 0 and hop_samples <= self._sharing_pays():
            return SharedTrunk(self, hop_samples, embeddings)
        return SharedFeatures(self, hop_samples, embeddings)

    def _sharing_pays(self) -> float:
        """The hop in samples up to which one run over the recording is cheaper than one for each window.

        For a window alone the first layer computes all its frames and the last layer only those that whole
        receptive fields lie in; on average over the layers it is about half of both together. For a shared
        trunk every layer computes a hop.
        """
        feature, stride = self.bundle.feature, self.bundle.trunk_stride
        assert feature is not None
        frames = self.bundle.window_samples // feature.hop_samples
        last = frames_of_output(self.bundle, frames) * stride
        return feature.hop_samples * (frames + last) / 2

    def frames(self, rows: np.ndarray, *, embeddings: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run the graph on (batch, t, n_bins) features.

        Gives frame logits and attention (batch, t', c) and embeddings (batch, t', d); without ``embeddings``
        these have no columns and are not computed.
        """
        kinds = ["frame", "attention"] + (["embedding"] if embeddings else [])
        names = [self._outputs[kind] for kind in kinds]
        outputs = self.session.run(names, {self._input: np.ascontiguousarray(rows, dtype=np.float32)})
        if not embeddings:
            outputs.append(np.empty((*outputs[0].shape[:2], 0), dtype=np.float32))
        return tuple(outputs)

    def notes(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run the graph of a bundle of notes on (batch, t, n_bins) features.

        Gives the probabilities of onset, sustain and velocity, (batch, t - receptive_field + 1, pitches) each.
        """
        names = [self._outputs[kind] for kind in ("onset", "sustain", "velocity")]
        return tuple(self.session.run(names, {self._input: np.ascontiguousarray(rows, dtype=np.float32)}))

    def windows(self, inputs: np.ndarray, *, embeddings: bool) -> tuple[np.ndarray, np.ndarray]:
        """Run the graph on whole windows: (batch, t, n_bins) features, or (batch, n) samples.

        Gives logits (batch, c) and embeddings (batch, d), which without ``embeddings`` have no columns.
        """
        if "clip" not in self._outputs:
            framewise, attention, vectors = self.frames(inputs, embeddings=embeddings)
            return pool(framewise, attention), vectors.mean(axis=1)
        kinds = ["clip"] + (["embedding"] if embeddings else [])
        names = [self._outputs[kind] for kind in kinds]
        answers = [self.session.run(names, {self._input: feed}) for feed in self._layout.feeds(inputs)]
        tables = [
            self._layout.answers(kind, [answer[k] for answer in answers], len(inputs))
            for k, kind in enumerate(kinds)
        ]
        return tables[0], tables[1] if embeddings else np.empty((len(inputs), 0), dtype=np.float32)


def _check_kind(bundle: Bundle) -> None:
    """Raise ``BadBundle`` for a graph that no way can run: a clip's logits out, or features in, frames out."""
    kinds = set(bundle.spec["outputs"])
    if "clip" in kinds and not bundle.spec.get("states"):
        return
    if bundle.feature is None:
        problem = "its graph takes samples"
    elif not kinds >= {"frame", "attention"} or bundle.spec.get("pool") != "attention":
        problem = f"its windows are not pooled by attention (outputs {', '.join(sorted(kinds))})"
    elif bundle.spec.get("states"):
        problem = "its graph carries states"
    elif not 1 <= bundle.receptive_field <= bundle.window_samples // bundle.feature.hop_samples:
        problem = f"its receptive_field={bundle.receptive_field} frames does not fit into a window"
    elif not bundle.feature.streamable:
        problem = f"its feature {bundle.feature.name!r} is not streamable, and its graph gives frames"
    elif bundle.trunk_stride < 1:
        problem = f"its stride={bundle.trunk_stride} is no number of frames"
    else:
        return
    raise BadBundle(f"{bundle.name}: {problem}, which this version of sonoscope cannot run: update it")
