"""The embedding of a finished model as a frozen backbone: a bundle, or any ONNX graph.

``bundle:instruments`` takes the frames that the bundle's feature gives and answers with its embeddings; the graph
holds its own normalisation, so the feature must come as it is. ``onnx`` takes a graph of anybody's: samples
(batch, n) or frames (batch, frames, bins) in, embeddings (batch, dim) or (batch, frames', dim) out.

The graph runs in ONNX Runtime on the CPU, one thread. There is no gradient through it and nothing to learn in it: what
is trained is the head. In the bundle of that training the graph stands before the head's (``networks/joined.py``), so
nothing else is needed where it is used.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from sonoscope.errors import BadBundle
from sonoscope.models.bundle import sha256_of
from sonoscope.models.layouts import Layout
from sonoscope.networks.backbones.field import Field, Step, measured
from sonoscope.networks.backbones.masking import by_length
from sonoscope.networks.backbones.protocol import Backbone, Wants
from sonoscope.networks.writer import Writer

#: The bundle where none is named.
DEFAULT = "instruments"
#: Input steps that a foreign graph's stride is measured on, unless it says how many it takes: samples, frames.
PROBE = {2: 32000, 3: 256}


class Graph(Backbone):
    """What every frozen graph shares: the session, made when first needed, and rows of one length at a time."""

    as_it_comes = True

    def __init__(self, path: Path, *, input_name: str, output_name: str) -> None:
        super().__init__()
        self.path, self.input_name, self.output_name = path, input_name, output_name
        #: Rows that the graph takes at a time; None: any number.
        self.batch: int | None = None
        self._session: Any = None

    @property
    def session(self) -> Any:
        """The graph in ONNX Runtime."""
        if self._session is None:
            self._session = open_session(self.path)
        return self._session

    def __getstate__(self) -> dict[str, Any]:
        """Without the session, which cannot be copied; the copy opens its own."""
        return {**self.__dict__, "_session": None}

    def run(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows of one length to embeddings (batch, frames', dim), on their device."""
        frames = torch.from_numpy(self.asked(rows)).to(rows.device)
        return frames[:, None] if frames.ndim == 2 else frames

    def asked(self, rows: torch.Tensor) -> np.ndarray:
        """What the graph answers to rows of one length, float32."""
        given = np.ascontiguousarray(rows.detach().cpu().numpy(), dtype=np.float32)
        pieces = [given] if self.batch is None else [given[k : k + 1] for k in range(len(given))]
        tables = [self.session.run([self.output_name], {self.input_name: piece})[0] for piece in pieces]
        return np.concatenate(tables).astype(np.float32, copy=False)

    @abstractmethod
    def write(self, graph: Writer, rows: str) -> str:
        """Nodes that do as :meth:`run`: (batch, n) or (batch, frames, bins) to (batch, frames', dim).

        Raises
        ------
        UsageError
            If the graph's operators cannot be brought to those of ``graph``.
        """

    def origin(self) -> dict[str, Any]:
        """What a bundle says of the graph that is in it."""
        return {"graph": self.path.name, "sha256": sha256_of(self.path)}

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Maps (batch, 1, time, bins) or samples (batch, n) to (batch, frames', dim), without gradient."""
        axis = 1 if x.ndim == 2 else 2
        self.check_lengths(x.shape[axis], lengths)
        return by_length(lambda rows: self.run(rows if rows.ndim == 2 else rows[:, 0]), x, lengths, axis=axis)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return {}


class FrozenBundle(Graph):
    """A bundle's embeddings.

    Parameters
    ----------
    n_bins, channels : int
        Those of the bundle's feature; one map.
    model : str or path
        A bundle's name or folder.

    Raises
    ------
    BadBundle
        If the bundle gives no embeddings.
    ValueError
        If ``n_bins`` or ``channels`` are not the bundle's.
    """

    variant: ClassVar[str] = "model"

    def __init__(self, n_bins: int, *, channels: int = 1, model: str | Path = DEFAULT) -> None:
        from sonoscope import models

        bundle = models.load(str(model), labels=False)
        outputs, feature = bundle.spec["outputs"], bundle.feature
        if "embedding" not in outputs:
            raise BadBundle(f"{bundle.path}: gives no embeddings; export it again, or use another model")
        if feature is not None and (n_bins, channels) != (feature.n_bins, 1):
            raise ValueError(
                f"n_bins={n_bins}, channels={channels}: the bundle {bundle.name!r} takes one map of "
                f"{feature.n_bins} bins, its own feature's"
            )
        super().__init__(
            bundle.graph, input_name=bundle.spec["input"]["name"], output_name=outputs["embedding"]["name"]
        )
        self.bundle = bundle
        self.dim = int(outputs["embedding"]["size"])
        self.clip, self._layout = "clip" in outputs, Layout(bundle)
        if self.clip:
            self.fixed = bundle.window_samples if feature is None else bundle.window_frames
        step = Step(self.fixed, 1) if self.fixed else Step(bundle.receptive_field, bundle.trunk_stride)
        self.field = Field.of([step])
        self.local = bool(bundle.spec["poolable"])
        self.wants = Wants(
            kind="samples" if feature is None else "features",
            sample_rate=bundle.sample_rate,
            channels=1,
            bins=None if feature is None else n_bins,
            longest=self.fixed,
            feature={} if feature is None else dict(bundle.spec["input"]["feature"]),
        )

    @property
    def shortest(self) -> int:
        """All of a window where the graph answers once for one."""
        return self.fixed or self.field.shortest

    def run(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows of one length to embeddings (batch, frames', dim), on their device."""
        if not self.clip:
            return super().run(rows)
        given = np.ascontiguousarray(rows.detach().cpu().numpy(), dtype=np.float32)
        feeds = self._layout.feeds(given)
        tables = [self.session.run([self.output_name], {self.input_name: feed})[0] for feed in feeds]
        found = self._layout.answers("embedding", tables, len(given))
        return torch.from_numpy(found).to(rows.device)[:, None]

    def write(self, graph: Writer, rows: str) -> str:
        from sonoscope.networks.asking import asked

        if self.clip:
            found = asked(graph, self.bundle, rows, ["embedding"])[0]
            return graph.node("Unsqueeze", found, graph.numbers(1))
        return graph.include(self.path, {self.input_name: rows}, self.output_name)

    def origin(self) -> dict[str, Any]:
        bundle = self.bundle
        return {
            "name": bundle.name, "version": bundle.version, "licence": bundle.licence, "sha256": bundle.sha256,
        }  # fmt: skip


class FrozenGraph(Graph):
    """Embeddings of an ONNX graph.

    Parameters
    ----------
    n_bins, channels : int
        Bins of a frame, for graphs that take frames; one map.
    path : path
        The ``.onnx`` file.
    input_name, output_name : str
        Empty: the graph's first.
    sample_rate : int or None
        Hz of the samples it takes, where it takes samples.

    Raises
    ------
    BadBundle
        If the graph's input or output has another number of axes, it takes several rows at a time, or the file is no
        graph.
    ValueError
        If ``channels`` is not 1.
    """

    variant: ClassVar[str] = "path"
    local = False

    def __init__(
        self,
        n_bins: int = 1,
        *,
        channels: int = 1,
        path: str | Path,
        input_name: str = "",
        output_name: str = "",
        sample_rate: int | None = None,
    ) -> None:
        if channels != 1:
            raise ValueError(f"channels={channels}: the graph {path} takes one map (network.normalise=none)")
        session = open_session(Path(path))
        takes, gives = session.get_inputs(), session.get_outputs()
        given = next((one for one in takes if one.name == input_name), takes[0])
        super().__init__(
            Path(path), input_name=input_name or given.name, output_name=output_name or gives[0].name
        )
        axes = len(given.shape)
        if axes not in PROBE:
            raise BadBundle(
                f"{path}: its input {given.name!r} has shape {given.shape}; samples (batch, n) or frames "
                "(batch, frames, bins) are needed"
            )
        self.batch = given.shape[0] if isinstance(given.shape[0], int) else None
        if self.batch not in (None, 1):
            raise BadBundle(
                f"{path}: takes {self.batch} rows at a time; export it for one, or for any number"
            )
        n = given.shape[1] if isinstance(given.shape[1], int) else PROBE[axes]
        out = self._tried((1, n) if axes == 2 else (1, n, n_bins))
        if out.ndim not in (2, 3):
            raise BadBundle(
                f"{path}: its output {self.output_name!r} has {out.ndim} axes; (batch, dim) or (batch, frames, "
                "dim) are needed"
            )
        fixed = n if isinstance(given.shape[1], int) else None
        self.fixed = fixed
        self._flat = out.ndim == 2
        self.clip = self._flat or out.shape[1] == 1
        self.dim = out.shape[-1]
        self.field = Field.of([self._step(n, n_bins, axes, fixed, 1 if self._flat else out.shape[1])])
        self.wants = Wants(
            kind="samples" if axes == 2 else "features",
            sample_rate=sample_rate,
            bins=n_bins if axes == 3 else None,
            longest=fixed,
        )

    @property
    def shortest(self) -> int:
        """All of its length where the graph has one length only."""
        return self.fixed or self.field.shortest

    def _tried(self, shape: tuple[int, ...]) -> np.ndarray:
        """What it makes of zeros. Raises ``BadBundle`` if it does not take that shape."""
        try:
            return self.asked(torch.zeros(shape))
        except Exception as problem:  # ONNX Runtime raises its own, undocumented kinds
            reason = str(problem).strip().splitlines()[0]
            raise BadBundle(f"{self.path}: fails on an input of shape {shape} ({reason})") from None

    def write(self, graph: Writer, rows: str) -> str:
        if self.batch is None:
            found = graph.include(self.path, {self.input_name: rows}, self.output_name)
        else:
            body = Writer(graph.opset, prefix=f"{graph.name('each')}/")
            row = body.name("row")
            given = body.node("Unsqueeze", row, body.numbers(0))
            answer = body.include(self.path, {self.input_name: given}, self.output_name)
            found = graph.scan(body, row, rows, [body.node("Squeeze", answer, body.numbers(0))])[0]
        return graph.node("Unsqueeze", found, graph.numbers(1)) if self._flat else found

    def _step(self, n: int, n_bins: int, axes: int, fixed: int | None, frames: int) -> Step:
        """How frames follow from input steps: told by the shape where that is fixed, else measured."""
        if self.clip:
            return Step(fixed or 1, 1)
        if fixed:
            stride = max(1, fixed // frames)
            return Step(fixed - (frames - 1) * stride, stride)

        def count(steps: int) -> int:
            return int(self.run(torch.zeros((1, steps) if axes == 2 else (1, steps, n_bins))).shape[1])

        step = measured(count, n)
        if step is None:
            raise BadBundle(
                f"{self.path}: its frames do not follow at regular steps; export one of fixed length"
            )
        return step


def open_session(path: Path) -> Any:
    """The graph in ONNX Runtime, one thread.

    Raises
    ------
    BadBundle
        If the file is missing or no graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # ONNX Runtime has a class of its own for each kind of failure
        reason = str(problem).strip().splitlines()[0]
        raise BadBundle(f"{path}: cannot be run by ONNX Runtime ({reason})") from None
