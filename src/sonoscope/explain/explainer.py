"""From a recording, a label and a time to an explanation.

A stretch of sound is one window of the model or several, as far apart as the model's own; what is explained is the mean
of their logits, so a cell's part is the mean over the windows of its parts in them, and what windows share adds up.
Without a time it is the surroundings of the window in which the label scores highest; without a label the one that
scores highest. Nothing here holds a whole recording: it is decoded once for the scores and once for the stretch.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from sonoscope import pipeline
from sonoscope import scores as score_tables
from sonoscope.audio.decode import Decoder
from sonoscope.audio.rates import at_rate
from sonoscope.errors import UsageError, one_of, optional
from sonoscope.explain import views
from sonoscope.explain.protocol import Case, Found, Method
from sonoscope.explain.result import Explanation
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.values import Recording, Scores

if TYPE_CHECKING:
    from sonoscope.explain.network import Net

#: A stretch that nobody chose lasts at most so long, if a window does not last longer.
STRETCH_S = 3.0
#: A stretch has at most so many windows.
MOST_WINDOWS = 120
#: How much is taken away to see whether the map is right, and how often at random.
REMOVED, DRAWS = 0.1, 4

#: A moment, or from when to when, in seconds.
Time = float | tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Sounding:
    """Something to explain: a recording, of which one ``channel`` may be chosen, or mono samples at ``sample_rate``."""

    name: str
    recording: Recording | None = None
    samples: np.ndarray | None = None
    sample_rate: int | None = None
    channel: int | None = None


class Explainer:
    """A model and a method, ready for recordings.

    Parameters
    ----------
    bundle : Bundle
        A model of windows; one of notes has a :class:`~sonoscope.explain.notes.NoteExplainer`.
    method : Method
    baseline : str
        What is put in the place of what is taken away: one of ``views.BASELINES``.
    runtime : Runtime, optional
        The bundle's graph, if it is loaded already.

    Raises
    ------
    UsageError
        If the method needs the network and torch or the weights beside the graph are missing.
    BadBundle
        If the weights are not those of the network that ``bundle.json`` describes.
    """

    def __init__(
        self,
        bundle: Bundle,
        method: Method,
        *,
        baseline: str = views.BASELINES[0],
        runtime: Runtime | None = None,
    ) -> None:
        self.bundle, self.method = bundle, method
        self._view = views.view_of(bundle, baseline)
        self._net = _network(bundle, self._view.steps, method.name) if method.network else None
        self._given = runtime

    @cached_property
    def _runtime(self) -> Runtime:
        return self._given or Runtime(self.bundle)

    def explain(self, sounding: Sounding, *, label: str | None = None, time: Time = None) -> Explanation:
        """Which part of a recording's sound spoke for a label.

        Parameters
        ----------
        sounding : Sounding
        label : str, optional
            Default: the one that scores highest.
        time : float or (float, float), optional
            A moment, for the window around it; or a stretch, for all windows in it. Default: where the label scores
            highest.

        Raises
        ------
        UnknownName
            If the model has no such label; names the nearest.
        UsageError
            If the time is not in the recording.
        UnreadableAudio
            If it cannot be decoded.
        """
        if label is not None:
            one_of(self.bundle.label_ids, label, "label")
        # Scores say how long the recording is too.
        scores = self._scores(sounding)
        chosen = self._label(scores, label, time)
        starts = self._starts(scores, chosen, time)
        piece, first = self._sound(sounding, starts)
        found, cases = [], []
        for start in starts:
            begin = start - first
            window = self._view.window(piece[begin : begin + self._view.before + self._view.length])
            cases.append(Case(window, chosen, self._graph, self._net))
            found.append(self.method(cases[-1]))
        return self._joined(sounding, scores, chosen, starts, piece[self._view.before :], cases, found)

    def _graph(self, inputs: np.ndarray) -> np.ndarray:
        return self._runtime.windows(inputs, embeddings=False)[0]

    def _scores(self, sounding: Sounding) -> Scores:
        if sounding.recording is not None:
            return pipeline.score_recording(
                sounding.recording, self.bundle, self._runtime, channel=sounding.channel
            ).scores
        assert sounding.samples is not None and sounding.sample_rate is not None
        return pipeline.score_samples(
            sounding.samples, sounding.sample_rate, self.bundle, self._runtime
        ).scores

    def _label(self, scores: Scores, label: str | None, time: Time) -> int:
        if label is not None:
            return self.bundle.label_ids.index(label)
        near = slice(None)
        if time is not None:
            begin, end = time if isinstance(time, tuple) else (time, time)
            rows = np.flatnonzero((scores.end_s >= begin) & (scores.start_s <= end))
            near = slice(rows[0], rows[-1] + 1) if rows.size else near
        return int(scores.probabilities[near].max(axis=0).argmax())

    def _starts(self, scores: Scores, label: int, time: Time) -> list[int]:
        """First samples of the windows to explain, ascending."""
        bundle, unit, rate = self.bundle, self._view.unit, self.bundle.sample_rate
        window, hop, n = bundle.window_samples, bundle.hop_samples, scores.n_samples
        hop = max(hop // unit * unit, unit)
        last = max(n - window, 0)
        if time is None:
            best = int(scores.logits[:, label].argmax())
            middle = best * bundle.hop_samples
            around = max(int((STRETCH_S * rate - window) / 2) // hop, 0)
            starts = [middle + k * hop for k in range(-around, around + 1)]
            return [s for s in starts if 0 <= s <= last] or [max(min(middle, last // unit * unit), 0)]
        begin, end = time if isinstance(time, tuple) else (time, time)
        checked(begin, end, n / rate)
        if (end - begin) * rate <= window:
            wished = ((begin + end) * rate - window) / 2
            return [int(np.clip(round(wished / unit), 0, last // unit)) * unit]
        starts = list(range(round(begin * rate / unit) * unit, min(round(end * rate), n) - window + 1, hop))
        if len(starts) > MOST_WINDOWS:
            raise UsageError(
                f"time={begin:g}-{end:g} has {len(starts)} windows of the model; at most {MOST_WINDOWS} are "
                "explained at once: choose a shorter stretch"
            )
        return starts or [last // unit * unit]

    def _sound(self, sounding: Sounding, starts: list[int]) -> tuple[np.ndarray, int]:
        """The sound that the windows need, zeros outside the recording, and the place of its first sample, less what
        a window needs ahead."""
        begin, end = starts[0] - self._view.before, starts[-1] + self._view.length
        return piece_of(sounding, self.bundle.sample_rate, begin, end), starts[0]

    def _joined(
        self,
        sounding: Sounding,
        scores: Scores,
        label: int,
        starts: list[int],
        samples: np.ndarray,
        cases: list[Case],
        found: list[Found],
    ) -> Explanation:
        """The windows' maps as one, each by its share of their mean."""
        bundle, view, rate = self.bundle, self._view, self.bundle.sample_rate
        offsets = [(start - starts[0]) // view.unit for start in starts]
        shape = (offsets[-1] + len(cases[-1].window.cells), len(view.frequencies))
        total, picture, count = np.zeros(shape), np.zeros(shape), np.zeros((shape[0], 1))
        for offset, case, one in zip(offsets, cases, found, strict=True):
            place = slice(offset, offset + len(one.values))
            total[place] += one.values / len(found)
            picture[place] += case.window.picture
            count[place] += 1
        picture = np.where(count > 0, picture / np.maximum(count, 1), picture[count[:, 0] > 0].min())
        logits = np.array([case.ask(case.window.cells[None])[0] for case in cases])
        chances = score_tables.calibrate(
            np.repeat(logits[:, None], len(bundle.labels), axis=1).astype(np.float32), bundle.calibration
        )[:, label]
        end = min(starts[-1] + bundle.window_samples, scores.n_samples)
        return Explanation(
            sounding.name, bundle.name, bundle.label_ids[label], self.method.name, starts[0] / rate, end / rate,
            total.astype(np.float32), (starts[0] + np.arange(shape[0]) * view.unit) / rate, view.frequencies,
            picture.astype(np.float32), float(chances.mean()), float(logits.mean()), removed(cases, found),
            self.method.signed, found[0].time_only, _gathered(found), samples[: end - starts[0]], rate,
        )  # fmt: skip


def piece_of(sounding: Sounding, sample_rate: int, begin: int, end: int) -> np.ndarray:
    """Samples ``begin`` to ``end`` at a model's rate, float32, zeros where there is no recording."""
    piece = np.zeros(end - begin, dtype=np.float32)
    at = 0
    with closing(_blocks(sounding, sample_rate)) as blocks:
        for block in blocks:
            low, high = max(at, begin), min(at + len(block), end)
            if low < high:
                piece[low - begin : high - begin] = block[low - at : high - at]
            at += len(block)
            if at >= end:
                break
    return piece


def _blocks(sounding: Sounding, sample_rate: int) -> Generator[np.ndarray, None, None]:
    """All of its sound, from its first sample on."""
    if sounding.samples is not None:
        assert sounding.sample_rate is not None
        yield from at_rate([sounding.samples], sounding.sample_rate, sample_rate)
        return
    assert sounding.recording is not None
    with Decoder(sounding.recording, sample_rate=sample_rate, channel=sounding.channel) as decoder:
        yield from decoder.blocks()


def checked(begin: float, end: float, duration_s: float) -> None:
    """Raise ``UsageError`` for a time that is not in the recording."""
    if not 0 <= begin <= end or begin >= duration_s:
        shown = f"{begin:g}" if begin == end else f"{begin:g}-{end:g}"
        raise UsageError(
            f"time={shown} must lie in the recording, 0 to {duration_s:.2f} s, the earlier moment first"
        )


def removed(cases: list[Case], found: list[Found]) -> dict[str, float]:
    """Mean logits without the most important tenth of the cells, and without as many drawn at random."""
    rng = np.random.default_rng(0)
    sums = {"important": 0.0, "random": 0.0}
    for case, one in zip(cases, found, strict=True):
        cells, quiet = case.window.cells.ravel(), case.window.baseline.ravel()
        count = max(round(REMOVED * cells.size), 1)
        picks = [np.argsort(-one.values.ravel(), kind="stable")[:count]]
        picks += [rng.permutation(cells.size)[:count] for _ in range(DRAWS)]
        changed = np.repeat(cells[None], len(picks), axis=0)
        for row, pick in zip(changed, picks, strict=True):
            row[pick] = quiet[pick]
        logits = case.ask(changed.reshape(len(picks), *case.window.cells.shape))
        sums["important"] += float(logits[0]) / len(cases)
        sums["random"] += float(logits[1:].mean()) / len(cases)
    return sums


def _gathered(found: list[Found]) -> dict[str, np.ndarray]:
    """Details of all windows, the first axis counting them."""
    return {key: np.stack([one.details[key] for one in found]) for key in found[0].details}


def has_network(bundle: Bundle) -> bool:
    """Whether methods that need the network can be used: torch is installed, and weights lie beside the graph."""
    there = bundle.spec.get("network") is not None and (bundle.path / "model.safetensors").is_file()
    return there and find_spec("torch") is not None and find_spec("safetensors") is not None


def network_of(bundle: Bundle, method: str) -> Any:
    """The module in torch whose weights lie beside a graph.

    Raises
    ------
    UsageError
        If torch or the weights are missing.
    """
    optional("torch", "train", f"the method {method!r}")
    optional("safetensors", "train", f"the method {method!r}")
    if bundle.spec.get("network") is None or not (bundle.path / "model.safetensors").is_file():
        raise UsageError(
            f"the method {method!r} needs the network, and {bundle.name} has no weights beside its graph: take the "
            "method occlusion, which asks the graph alone"
        )
    from sonoscope.networks.beside import load_beside

    return load_beside(bundle)


def _network(bundle: Bundle, steps: float, method: str) -> Net:
    module = network_of(bundle, method)
    from sonoscope.explain.network import Net

    return Net(module, steps)
