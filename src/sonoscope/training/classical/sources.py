"""What a classical model is shown of a window: the classical vector, any feature, what another model makes of it.

A source turns samples into columns in two steps, as bundles do: a feature of ``sonoscope.features`` gives rows, and
nodes of a graph make one vector of them. So what a model is fitted to is what the finished bundle computes, by the
same code. In a configuration (``features``):

=============================================  =============================================================
``{name: statistics}``                         the classical vector of the window (the default)
``{name: embedding, model: instruments}``      the mean embedding of a bundle
``{…, pool: max}``                             its maxima over the window instead, as a vector of length 1
``{name: scores, model: runs/a/bundle}``       its calibrated logits, a column for each of its labels
``{name: mfcc}``, any other feature            mean and standard deviation of each bin over the window
=============================================  =============================================================

Several make one vector, side by side. All have one sample rate: that of the bundles, if there are any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from sonoscope import features, models
from sonoscope.errors import UsageError
from sonoscope.features import Feature
from sonoscope.features.joined import Joined
from sonoscope.features.waveform import Waveform
from sonoscope.features.window_statistics import Statistics
from sonoscope.models.bundle import Bundle
from sonoscope.networks.asking import asked
from sonoscope.networks.writer import OPSET, Writer, opset_in
from sonoscope.training.config import Config

#: Names of parts that stand for another model.
EMBEDDING, SCORES = "embedding", "scores"
#: How frames of an embedding become one vector.
MEAN, MAX = "mean", "max"
#: Nothing shorter is made longer: the embedding of nothing.
LEAST_LENGTH = np.array([1e-6], dtype=np.float32)
#: Variances are cut here, so that their root is what it should be.
LEAST_VARIANCE = 0.0


class Source(Protocol):
    """One thing that is looked at.

    Attributes
    ----------
    feature : Feature or None
        None: samples go in.
    rows : int
        Rows of the feature that a window has.
    columns : tuple of str
    """

    @property
    def feature(self) -> Feature | None: ...
    @property
    def rows(self) -> int: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    def write(self, graph: Writer, rows: str) -> str:
        """Nodes from (batch, rows, bins), or (batch, samples), to (batch, columns), float32."""


@dataclass(frozen=True)
class Pooled:
    """Mean and standard deviation over the rows of a feature; ``statistics`` has one row, which is taken as it is."""

    feature: Feature
    window: int
    prefix: str = ""

    @property
    def rows(self) -> int:
        return self.window // self.feature.hop_samples

    @property
    def columns(self) -> tuple[str, ...]:
        if isinstance(self.feature, Statistics):
            return tuple(self.prefix + name for name in self.feature.columns())
        numbers = range(self.feature.n_bins)
        return tuple(f"{self.prefix}{self.feature.name}_{k}{end}" for end in ("", "_std") for k in numbers)

    def write(self, graph: Writer, rows: str) -> str:
        wide = graph.cast(rows, np.float64)
        mean = graph.node("ReduceMean", wide, graph.numbers(1), keepdims=0)
        if isinstance(self.feature, Statistics):
            return graph.cast(mean, np.float32)
        centre = graph.node("ReduceMean", wide, graph.numbers(1), keepdims=1)
        away = graph.node("Sub", wide, centre)
        variance = graph.node("ReduceMean", graph.node("Mul", away, away), graph.numbers(1), keepdims=0)
        std = graph.node("Sqrt", graph.node("Max", variance, graph.double(np.array([LEAST_VARIANCE]))))
        return graph.cast(graph.node("Concat", mean, std, axis=1), np.float32)


@dataclass(frozen=True, eq=False)
class OfBundle:
    """The embedding or the calibrated logits that another bundle gives of the window."""

    bundle: Bundle
    window: int
    what: str
    prefix: str = ""
    pool: str = MEAN

    def __post_init__(self) -> None:
        bundle = self.bundle
        if self.pool not in (MEAN, MAX):
            raise UsageError(f"features: pool={self.pool} is unknown: {MEAN} or {MAX}")
        if self.pool == MAX and (self.what == SCORES or "clip" in bundle.spec["outputs"]):
            raise UsageError(
                f"features: pool={MAX} is for embeddings that change within a window; the {self.what} of "
                f"{bundle.name!r} are one vector"
            )
        if self.what == EMBEDDING and not bundle.embedding_size:
            raise UsageError(
                f"the model {bundle.name!r} gives no embeddings: choose one whose bundle.json has an output "
                "'embedding'"
            )
        if bundle.spec.get("states"):
            raise UsageError(f"the model {bundle.name!r} carries states: it cannot be asked of windows alone")
        if "clip" in bundle.spec["outputs"] and self.window != bundle.window_samples:
            raise UsageError(
                f"the model {bundle.name!r} sees windows of one length: set data.window_s="
                f"{bundle.window_samples / bundle.sample_rate:g}"
            )
        least = bundle.receptive_field
        if self.rows < least:
            assert bundle.feature is not None
            seconds = least * bundle.feature.hop_samples / bundle.sample_rate
            raise UsageError(
                f"data.window_s={self.window / bundle.sample_rate:g} is too short for the model {bundle.name!r}: "
                f"it needs {seconds:g} s"
            )

    @property
    def feature(self) -> Feature | None:
        return self.bundle.feature

    @property
    def rows(self) -> int:
        feature = self.bundle.feature
        if feature is None:
            return 1
        if "clip" in self.bundle.spec["outputs"]:
            return self.bundle.window_frames
        return self.window // feature.hop_samples

    @property
    def columns(self) -> tuple[str, ...]:
        if self.what == SCORES:
            return tuple(f"{self.prefix}{self.bundle.name}/{label}" for label in self.bundle.label_ids)
        return tuple(f"{self.prefix}{self.bundle.name}_{k}" for k in range(self.bundle.embedding_size))

    def write(self, graph: Writer, rows: str) -> str:
        outputs = {kind: entry["name"] for kind, entry in self.bundle.spec["outputs"].items()}
        given = {self.bundle.spec["input"]["name"]: rows}
        whole = "clip" in outputs
        if whole and self.what == EMBEDDING:
            return asked(graph, self.bundle, rows, ["embedding"])[0]
        if self.what == EMBEDDING:
            found = graph.include(self.bundle.graph, given, outputs["embedding"])
            if self.pool == MEAN:
                return graph.node("ReduceMean", found, graph.numbers(1), keepdims=0)
            highest = graph.node("ReduceMax", found, graph.numbers(1), keepdims=0)
            length = graph.node("ReduceL2", highest, graph.numbers(1), keepdims=1)
            return graph.node("Div", highest, graph.node("Max", length, graph.constant(LEAST_LENGTH)))
        if whole:
            logits = asked(graph, self.bundle, rows, ["clip"])[0]
        else:
            frames = graph.include(self.bundle.graph, given, outputs["frame"])
            attention = graph.include(self.bundle.graph, given, outputs["attention"])
            weighed = graph.node("Mul", frames, graph.node("Softmax", attention, axis=1))
            logits = graph.node("ReduceSum", weighed, graph.numbers(1), keepdims=0)
        slope, offset = (graph.constant(column.astype(np.float32)) for column in self.bundle.calibration.T)
        return graph.node("Add", graph.node("Mul", logits, slope), offset)


@dataclass(frozen=True)
class Level:
    """The mean magnitude of the samples: all that a dummy is told."""

    feature: None = None
    rows: int = 1
    columns: tuple[str, ...] = ("level",)

    def write(self, graph: Writer, rows: str) -> str:
        return graph.node("ReduceMean", graph.node("Abs", rows), graph.numbers(1), keepdims=1)


@dataclass(frozen=True, eq=False)
class Listening:
    """All that a model is shown, and how.

    Attributes
    ----------
    sources : tuple of Source
    sample_rate : int
        Hz.
    window : int
        Samples.
    """

    sources: tuple[Source, ...]
    sample_rate: int
    window: int
    about: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the vector's values."""
        return tuple(column for source in self.sources for column in source.columns)

    @property
    def feature(self) -> Feature | None:
        """What the bundle computes of samples; None: they go in themselves."""
        if len(self.sources) == 1:
            return self.sources[0].feature
        parts = tuple(source.feature or Waveform(self.sample_rate, self.window) for source in self.sources)
        return Joined(parts, self.window, tuple(source.rows for source in self.sources))

    def shape(self) -> list[int | str]:
        """Shape of the graph's input."""
        feature = self.feature
        if feature is None:
            return ["batch", self.window]
        rows = self.sources[0].rows if len(self.sources) == 1 else 1
        return ["batch", rows, feature.n_bins]

    def interface(self) -> dict[str, Any]:
        """What ``bundle.json`` says of the input."""
        feature = self.feature
        if feature is None:
            return {"name": "samples", "kind": "samples", "axes": ["batch", "sample"]}
        entry: dict[str, Any] = {
            "name": "rows",
            "kind": "feature",
            "axes": ["batch", "time", "bin"],
            "feature": features.to_dict(feature),
        }
        if len(self.sources) == 1 and feature.streamable:
            entry["frames"] = self.sources[0].rows
        return entry

    def writer(self) -> Writer:
        """A graph to begin with, of the version of operators that the bundles in it have."""
        bundles = [source.bundle for source in self.sources if isinstance(source, OfBundle)]
        return Writer(max([OPSET, *(opset_in(bundle.graph) for bundle in bundles)]))

    def write(self, graph: Writer) -> str:
        """Nodes from the graph's input to vectors, (batch, columns), float32."""
        name = self.interface()["name"]
        if len(self.sources) == 1:
            return self.sources[0].write(graph, name)
        joined = self.feature
        assert isinstance(joined, Joined)
        found, first = [], 0
        for source, width in zip(self.sources, joined.parts, strict=True):
            part = graph.columns(name, first, first + width)
            shape = (-1, self.window) if source.feature is None else (-1, source.rows, source.feature.n_bins)
            found.append(source.write(graph, graph.node("Reshape", part, graph.numbers(*shape))))
            first += width
        return graph.node("Concat", *found, axis=1)


def of(config: Config, *, listens: bool = True) -> Listening:
    """What a configuration's model is shown.

    Raises
    ------
    UsageError
        If there is no window, the parts do not go together, or a model cannot be asked.
    """
    seconds = config.data.window_s
    if seconds is None:
        raise UsageError("classical models see windows: set data.window_s, such as data.window_s=3")
    parts = stated(config)
    bundles = {k: bundle_of(part) for k, part in enumerate(parts) if part["name"] in (EMBEDDING, SCORES)}
    rates = sorted({bundle.sample_rate for bundle in bundles.values()})
    if len(rates) > 1:
        raise UsageError(
            f"the models of one vector must have one sample rate, got {rates}. Average the answers of such runs: "
            "sonoscope.training.classical.ensemble.of_runs"
        )
    if not listens:
        rate = rates[0] if rates else built(parts[0], None, seconds).sample_rate
        return Listening((Level(),), rate, round(seconds * rate))
    plain = {
        k: built(part, rates[0] if rates else None, seconds)
        for k, part in enumerate(parts)
        if k not in bundles
    }
    rate = rates[0] if rates else next(iter(plain.values())).sample_rate
    window = round(seconds * rate)
    found: list[Source] = []
    for k, part in enumerate(parts):
        prefix = f"{k}:" if len(parts) > 1 or part["name"] == SCORES else ""
        source: Source
        if k in bundles:
            source = OfBundle(bundles[k], window, part["name"], prefix, str(part.get("pool", MEAN)))
        else:
            source = Pooled(plain[k], window, prefix)
        found.append(source)
    try:
        listening = Listening(tuple(found), rate, window, tuple(parts))
        feature = listening.feature
    except ValueError as error:
        raise UsageError(f"features: {error}") from None
    if feature is not None and window % feature.hop_samples:
        raise UsageError(
            f"data.window_s={seconds:g} must be a multiple of the hop of {feature.name!r}, "
            f"{feature.hop_samples / rate:g} s"
        )
    return listening


def stated(config: Config) -> list[dict[str, Any]]:
    """The parts of a configuration; the classical vector where it says nothing of its own."""
    if config.features == Config().features:
        return [{"name": Statistics.name}]
    return [dict(part) for part in config.features]


def bundle_of(part: Mapping[str, Any]) -> Bundle:
    """The model that a part asks."""
    if set(part) - {"pool"} != {"name", "model"}:
        raise UsageError(
            f"features: {dict(part)} must have a name and a model, such as model=instruments, and may have a pool"
        )
    return models.load(str(part["model"]), labels=part["name"] == SCORES)


def built(part: Mapping[str, Any], rate: int | None, seconds: float) -> Feature:
    """A feature, at the rate of the models beside it, or its own; ``statistics`` has the window of the training.

    Raises
    ------
    UsageError
        If a parameter is out of range.
    """
    spec = dict(part)
    kind = features.FEATURES.get(str(spec["name"]))
    if rate is not None and kind is not None and "sample_rate" in kind.__dataclass_fields__:
        spec.setdefault("sample_rate", rate)
    try:
        if kind is Statistics:
            own = int(spec.get("sample_rate", Statistics().sample_rate))
            spec = {**spec, "window_samples": round(seconds * own)}
        feature = features.from_dict(spec, files=True)
    except (ValueError, TypeError) as error:
        raise UsageError(f"features: {error}") from None
    if not (feature.streamable or isinstance(feature, Joined)):
        raise UsageError(
            f"features: {feature.name!r} cannot be cut into windows: choose one that is streamable"
        )
    return feature


def described(listening: Listening) -> Sequence[dict[str, Any]]:
    """What a bundle says of where its vectors are from."""
    return [
        {"model": source.bundle.name, "version": source.bundle.version, "sha256": source.bundle.sha256,
         "licence": source.bundle.licence, "what": source.what}
        for source in listening.sources
        if isinstance(source, OfBundle)
    ]  # fmt: skip
