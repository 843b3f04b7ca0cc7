"""Graphs that others made, as bundles: looked at, tried out, and described.

Taken are ONNX graphs with one float32 input, a waveform or rows of one of our features, whatever the order of their
axes (``layouts.py``), and an output that holds a score for each label: for a window, or frame by frame. BirdNET, Perch
and YAMNet, converted to ONNX, are such. What the graph's shapes do not say, runs on noise and silence do; what neither
says, the caller must. The graph itself is copied as it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope import features
from sonoscope.errors import BadBundle, UsageError, nearest, one_of
from sonoscope.models.bundle import SCHEMA, Bundle, open_bundle, sha256_of
from sonoscope.models.devices import Session, cpu_session
from sonoscope.models.layouts import CHANNEL, LOGIT, PROBABILITY, SCALES, Layout
from sonoscope.values import Label
from sonoscope.writing import place_beside

#: Probability at which an event begins, and down to which it goes on, until somebody measures better ones.
THRESHOLD, LOW_THRESHOLD = 0.5, 0.35
#: Windows of sound that a graph is tried out on.
TRIED = 3


@dataclass(frozen=True)
class Wish:
    """What the caller knows of a graph.

    Attributes
    ----------
    labels : tuple of Label
        In the order of the scores.
    sample_rate : int
        Hz.
    window_s, hop_s : float, float or None
        Seconds; the hop's default is the window.
    scores, embedding : str
        Names of outputs; empty: the output as wide as there are labels, and none.
    feature : Feature, optional
        What the graph's rows are; None: it takes samples.
    scale : str
        ``logit``, ``probability``, or empty: told by the values.
    name, licence : str
    """

    labels: tuple[Label, ...]
    sample_rate: int
    window_s: float
    hop_s: float | None = None
    scores: str = ""
    embedding: str = ""
    feature: features.Feature | None = None
    scale: str = ""
    name: str = ""
    licence: str = ""

    def lengths(self) -> tuple[int, int]:
        """Window and hop in samples. Raises ``UsageError`` if one is out of range."""
        window = round(self.window_s * self.sample_rate)
        hop = window if self.hop_s is None else round(self.hop_s * self.sample_rate)
        if self.sample_rate < 1 or window < 1:
            raise UsageError(
                f"--sample-rate {self.sample_rate} and --window {self.window_s:g} s must be above 0"
            )
        if not 0 < hop <= window:
            raise UsageError(
                f"--hop {self.hop_s} s must be above 0 and at most the window, {self.window_s:g} s"
            )
        if self.feature is not None and self.feature.sample_rate != self.sample_rate:
            raise UsageError(
                f"--sample-rate {self.sample_rate} differs from the feature's sample_rate={self.feature.sample_rate}"
            )
        return window, hop


def import_graph(graph: str | Path, folder: str | Path, wish: Wish) -> tuple[Bundle, tuple[str, ...]]:
    """Write a bundle around a graph, and say what was found out about it.

    Parameters
    ----------
    graph : path
        The ONNX file, weights included.
    folder : path
        The bundle; it must not exist.
    wish : Wish

    Returns
    -------
    Bundle, tuple of str
        The bundle, and a line for each thing that was concluded.

    Raises
    ------
    UsageError
        If the folder exists, or what is wished for is not what the graph has; says what it has.
    BadBundle
        If the graph cannot be run.
    """
    graph, folder = Path(graph), Path(folder)
    if folder.exists():
        raise UsageError(f"{folder} is there already: remove it, or name another place (-o)")
    if not graph.is_file():
        raise UsageError(f"{graph}: there is no such file")
    with place_beside(folder) as made:
        made.mkdir()
        shutil.copyfile(graph, made / "model.onnx")
        spec, told = _described(made, wish, graph)
        (made / "bundle.json").write_text(
            json.dumps(spec, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        (made / "README.md").write_text(_card(spec, graph, told), encoding="utf-8")
        open_bundle(made)
    return open_bundle(folder), tuple(told)


def _described(made: Path, wish: Wish, graph: Path) -> tuple[dict[str, Any], list[str]]:
    """``bundle.json`` of the graph in ``made``, and what was concluded on the way."""
    window, hop = wish.lengths()
    try:
        session = cpu_session(made / "model.onnx")
    except BadBundle as problem:
        raise BadBundle(
            f"{graph} cannot be run ({problem.args[0].partition('(')[2].rpartition(')')[0]}). If its weights are in a "
            "file of their own, save them in one: onnx.save_model(onnx.load(FILE), NEW, save_as_external_data=False)"
        ) from None
    entry, told = _input(session, wish, window)
    name = wish.name or graph.stem
    spec: dict[str, Any] = {
        "schema": SCHEMA, "name": name, "version": "imported", "task": "tagging",
        "labels": [asdict(label) for label in wish.labels],
        "sample_rate": wish.sample_rate, "window": window, "hop": hop, "input": entry,
        "outputs": {}, "states": [], "poolable": False,
        "calibration": {label.id: {"slope": 1.0, "offset": 0.0} for label in wish.labels},
        "decision": {
            "labels": {
                label.id: {"threshold": THRESHOLD, "low_threshold": LOW_THRESHOLD, "origin": "not measured"}
                for label in wish.labels
            }
        },
        "licence": wish.licence or "see its publisher",
        "provenance": {"imported": graph.name},
        "checksums": {"model.onnx": sha256_of(made / "model.onnx")},
    }  # fmt: skip
    bundle = Bundle(made, spec)
    tables = _tried(session, bundle)
    spec["outputs"], more = _outputs(session, wish, bundle, tables)
    return spec, [*told, *more, *_checked(session, bundle, tables)]


def _input(session: Session, wish: Wish, window: int) -> tuple[dict[str, Any], list[str]]:
    """The entry of the graph's input: its axes, and how many windows it takes at a time."""
    takes = session.get_inputs()
    if len(takes) != 1:
        raise UsageError(
            f"the graph takes {_told(takes)}; one input is needed: fix the others before exporting it"
        )
    (given,) = takes
    if given.type != "tensor(float)":
        raise UsageError(
            f"the graph's input {given.name!r} is {given.type}; tensor(float), 32 bits, is needed"
        )
    shape = list(given.shape)
    axes = _axes(given, wish)
    sizes = dict(zip(axes, shape, strict=True))
    feature = wish.feature
    entry: dict[str, Any] = {
        "name": given.name,
        "kind": "samples" if feature is None else "feature",
        "axes": axes,
    }
    if isinstance(sizes.get("batch"), int):
        entry["batch"] = sizes["batch"]
    if feature is None:
        if isinstance(sizes["sample"], int) and sizes["sample"] != window:
            fitting = sizes["sample"] / wish.sample_rate
            raise UsageError(
                f"the graph takes {sizes['sample']} samples, and --window {wish.window_s:g} s at {wish.sample_rate} Hz "
                f"are {window}: --window {fitting:g}, or another --sample-rate"
            )
    else:
        inside = 1 + window // feature.hop_samples
        frames = sizes["time"] if isinstance(sizes["time"], int) else inside
        if frames not in (inside, inside - 1):
            raise UsageError(
                f"the graph takes {frames} rows, and --window {wish.window_s:g} s has {inside} of {feature.name}: "
                f"--window {frames * feature.hop_samples / wish.sample_rate:g}, or another hop_samples"
            )
        entry |= {"feature": features.to_dict(feature), "frames": frames}
    what = "samples" if feature is None else f"rows of {feature.name}"
    return entry, [f"takes {what} as {given.name} {_shape(shape)}: {', '.join(axes)}"]


def _axes(given: Any, wish: Wish) -> list[str]:
    """What the axes of the input are."""
    shape, feature = list(given.shape), wish.feature
    if feature is None:
        fixed = [size for size in shape if isinstance(size, int)]
        if len(shape) == 1:
            return ["sample"]
        if len(shape) == 2:
            return ["batch", "sample"]
        if len(shape) == 3 and shape[1] == 1:
            return ["batch", CHANNEL, "sample"]
        if len(shape) == 3 and shape[2] == 1 and fixed:
            return ["batch", "sample", CHANNEL]
        bins = fixed[-1] if fixed else 64
        raise UsageError(
            f"the graph's input {given.name!r} has shape {_shape(shape)}; samples come as (n), (batch, n) or "
            f"(batch, 1, n). If it takes rows of a feature, name it: --feature logmel --set n_mels={bins}"
        )
    rows = shape
    before, after = ["batch"], list[str]()
    if len(shape) == 4 and shape[1] == 1:
        before, rows = ["batch", CHANNEL], [shape[0], *shape[2:]]
    elif len(shape) == 4 and shape[3] == 1:
        after, rows = [CHANNEL], shape[:3]
    if len(rows) == 3:
        n_bins = feature.n_bins
        if rows[2] == n_bins or (not isinstance(rows[2], int) and rows[1] != n_bins):
            return [*before, "time", "bin", *after]
        if rows[1] == n_bins:
            return [*before, "bin", "time", *after]
    raise UsageError(
        f"the graph's input {given.name!r} has shape {_shape(shape)}; rows of {feature.name} come as (batch, time, "
        f"{feature.n_bins}), the last two exchanged, or with a channel axis of 1"
    )


def _tried(session: Session, bundle: Bundle) -> dict[str, list[np.ndarray]]:
    """Every output for windows of noise, loud and soft, and silence, as one feed or as many as it takes."""
    feeds = list(Layout(_bare(bundle)).feeds(_windows(bundle)))
    names = [given.name for given in session.get_outputs()]
    try:
        answers = [session.run(names, {bundle.spec["input"]["name"]: feed}) for feed in feeds]
    except Exception as problem:  # ONNX Runtime raises its own, undocumented kinds
        reason = str(problem).strip().splitlines()[0]
        raise UsageError(
            f"the graph fails on windows of {bundle.window_samples} samples ({reason}): is --window right?"
        ) from None
    return {name: [np.asarray(answer[k]) for answer in answers] for k, name in enumerate(names)}


def _bare(bundle: Bundle) -> Bundle:
    """The bundle before its outputs are known."""
    return Bundle(bundle.path, {**bundle.spec, "outputs": {}})


def _windows(bundle: Bundle) -> np.ndarray:
    """What the graph is tried out on, in this package's own order of axes."""
    noise = np.random.default_rng(0).standard_normal((TRIED, bundle.window_samples)).astype(np.float32)
    noise *= np.array([0.3, 0.01, 0.0], dtype=np.float32)[:, None]
    feature = bundle.feature
    return noise if feature is None else np.asarray(feature(noise))[:, : bundle.window_frames]


def _outputs(
    session: Session, wish: Wish, bundle: Bundle, tables: dict[str, list[np.ndarray]]
) -> tuple[dict[str, Any], list[str]]:
    """The entries of the outputs that are used."""
    count, told = len(wish.labels), []
    if wish.scores:
        name = _named(wish.scores, tables, "--scores")
    else:
        fitting = [n for n, found in tables.items() if found[0].ndim and found[0].shape[-1] == count]
        if len(fitting) != 1:
            kind = "no output is" if not fitting else f"{' and '.join(fitting)} are"
            raise UsageError(
                f"{kind} as wide as there are labels, {count}; the outputs are {_shapes(tables)}: "
                "name one with --scores, or give other --labels"
            )
        name = fitting[0]
    if tables[name][0].ndim == 0 or tables[name][0].shape[-1] != count:
        raise UsageError(
            f"the output {name!r} has shape {_shape(tables[name][0].shape)} and there are {count} labels: give as many "
            "--labels as scores, in their order"
        )
    entry = {"name": name, "axes": _answer_axes(bundle, name, tables[name], "label")}
    scale = one_of(SCALES, wish.scale, "scale") if wish.scale else ""
    if not scale:
        values = np.concatenate([table.ravel() for table in tables[name]])
        scale = PROBABILITY if values.min() >= 0.0 and values.max() <= 1.0 else LOGIT
        told.append(f"scores are {name} {_shape(tables[name][0].shape)}, {_why(scale, values)}")
    found: dict[str, Any] = {"clip": entry | {"scale": scale}}
    if wish.embedding:
        name = _named(wish.embedding, tables, "--embedding")
        axes = _answer_axes(bundle, name, tables[name], "dimension")
        size = int(tables[name][0].shape[-1])
        found["embedding"] = {"name": name, "axes": axes, "size": size}
        told.append(f"embeddings are {name} {_shape(tables[name][0].shape)}: {size} values a window")
    elif others := {n: t for n, t in tables.items() if n != name}:
        told.append(f"not used: {_shapes(others)} (--embedding NAME makes one the embedding)")
    return found, told


def _why(scale: str, values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    told = f"between {low:.3g} and {high:.3g} on noise and silence"
    other = LOGIT if scale == PROBABILITY else PROBABILITY
    return f"{told}: taken as {scale} (--scale {other} if that is wrong)"


def _named(name: str, tables: dict[str, list[np.ndarray]], option: str) -> str:
    if name in tables:
        return name
    raise UsageError(f"{option} {name!r}: the outputs are {_shapes(tables)}.{nearest(name, tables)}")


def _answer_axes(bundle: Bundle, name: str, found: list[np.ndarray], last: str) -> list[str]:
    """What the axes of an output are: the last is known, the first is the batch if the input has one."""
    table, batch = found[0], Layout(_bare(bundle)).batch
    fed = batch or TRIED
    whole = "batch" in bundle.spec["input"]["axes"]
    if table.ndim == 1:
        return [last]
    if table.ndim == 2 and whole and table.shape[0] == fed:
        return ["batch", last]
    if table.ndim == 2 and fed == 1:
        return ["time", last]
    if table.ndim == 3 and table.shape[0] == fed:
        return ["batch", "time", last]
    raise UsageError(
        f"the output {name!r} has shape {_shape(table.shape)} for {fed} windows; one row for each window, or frames of "
        "each, are needed"
    )


def _checked(session: Session, bundle: Bundle, tables: dict[str, list[np.ndarray]]) -> list[str]:
    """Finite, and the same for a window alone and among others; otherwise windows are run one by one."""
    layout, spec = Layout(bundle), bundle.spec
    for kind, entry in spec["outputs"].items():
        if not all(np.isfinite(table).all() for table in tables[entry["name"]]):
            raise UsageError(
                f"{kind} ({entry['name']}) of noise and silence are not finite: is the graph whole?"
            )
    if layout.batch is not None:
        return [f"windows are run {layout.batch} at a time"]
    windows = _windows(bundle)
    together = layout.answers("clip", tables[spec["outputs"]["clip"]["name"]], TRIED)
    alone = [
        session.run([spec["outputs"]["clip"]["name"]], {spec["input"]["name"]: feed})[0]
        for window in windows
        for feed in layout.feeds(window[None])
    ]
    apart = np.concatenate([layout.answers("clip", [table], 1) for table in alone])
    difference = float(np.abs(apart - together).max())
    if difference <= 1e-3 * max(1.0, float(np.abs(together).max())):
        return []
    spec["input"]["batch"] = 1
    return [
        f"windows in one batch change each other's scores (by up to {difference:.2g}): they are run one by one"
    ]


def _told(ends: Sequence[Any]) -> str:
    return ", ".join(f"{end.name} {_shape(end.shape)}" for end in ends)


def _shapes(tables: dict[str, list[np.ndarray]]) -> str:
    return ", ".join(f"{name} {_shape(found[0].shape)}" for name, found in tables.items())


def _shape(sizes: Sequence[Any]) -> str:
    return f"({', '.join(str(size) if size is not None else '?' for size in sizes)})"


def _card(spec: dict[str, Any], graph: Path, told: Sequence[str]) -> str:
    """The card of an imported model."""
    lines = "\n".join(f"- {line}" for line in told)
    seconds = spec["window"] / spec["sample_rate"]
    return (
        f"# {spec['name']}\n\nImported from `{graph.name}`: {len(spec['labels'])} labels, windows of {seconds:g} s at "
        f"{spec['sample_rate']} Hz.\n\n{lines}\n\nIts scores were not calibrated here and its thresholds are "
        f"{THRESHOLD}, whatever the label: measure them on labelled recordings before relying on them "
        "(`sonoscope thresholds fit`). Licence: " + spec["licence"] + "\n"
    )
