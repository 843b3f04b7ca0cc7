"""Predictions of a model bundle: it hears the clips, in the arithmetic of ``analyze`` but for rounding.

``analyze`` rounds logits to 1e-3 and probabilities to 1e-4, which makes ties at the ends of the scale; here nothing is
rounded, since LRAP takes ties for the worst rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.data import clips
from sonoscope.data.rows import Manifest
from sonoscope.data.survey import Problem
from sonoscope.errors import NoNumbers, UsageError
from sonoscope.evaluation.clipfigures import ClipOptions
from sonoscope.evaluation.pooling import Windows
from sonoscope.evaluation.predictions.windows import Asked
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.values import Label
from sonoscope.windows import Grid, in_samples

#: Samples that a model is given at a time.
BLOCK = 1 << 18
#: Shares calls out to other machines while a bundle hears (``runs.dasked.shared``); None: this process does.
Share = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
SHARE: ContextVar[Share | None] = ContextVar("share", default=None)


@dataclass(eq=False)
class BundleSource:
    """A bundle, or a training's, whose folder ``run`` then is."""

    bundle: Bundle
    name: str
    run: Path | None = None
    partial: bool = False
    _said: list[str] = field(default_factory=list)

    @property
    def labels(self) -> tuple[Label, ...]:
        return self.bundle.labels

    @property
    def own(self) -> Mapping[str, float]:
        return self.bundle.thresholds

    @property
    def about(self) -> Mapping[str, Any]:
        """What it is."""
        bundle = self.bundle
        return {
            "model": bundle.name,
            "version": bundle.version,
            "sha256": bundle.sha256[:16],
            "folder": str(bundle.path),
            "onnxruntime": version("onnxruntime"),
        }

    @property
    def embeds(self) -> bool:
        """Whether the model gives embeddings besides scores."""
        return "embedding" in self.bundle.spec["outputs"]

    def remarks(self) -> list[str]:
        """What was done with windows that the model could not be given."""
        return self._said

    def windows(self, manifest: Manifest, asked: Asked) -> Iterator[tuple[int, Windows]]:
        """Hear every clip; see :class:`~sonoscope.evaluation.predictions.windows.Source`."""
        bundle = self._windowed(asked.options)
        hop = self._hop(bundle, asked.options)
        keep = asked.embedding if self.embeds else None
        share = SHARE.get()
        if share is None:
            found = _heard(Runtime(bundle), hop, keep is not None, manifest)
        else:
            lists = clips.by_files(manifest.rows)
            parts = ((replace(manifest, rows=tuple(manifest.rows[k] for k in some)), some) for some in lists)
            answers = share(partial(_heard_there, bundle, hop, keep is not None), parts)
            found = (each for some in answers for each in some)
        for each in found:
            if isinstance(each, Problem):
                asked.report(each)
                continue
            index, windows, vector = each
            if keep is not None and vector is not None:
                keep(index, vector)
            yield index, windows

    def _windowed(self, options: ClipOptions) -> Bundle:
        """The bundle with the window that is asked for, where its network takes windows of any length."""
        bundle, wish = self.bundle, options.window_s
        own = bundle.window_samples / bundle.sample_rate
        wanted = options.preferred_window_s if wish is None else wish
        if wanted is None or abs(wanted - own) * bundle.sample_rate < 0.5:
            return bundle
        feature = bundle.feature
        step = feature.hop_samples if feature is not None else 1
        window = round(wanted * bundle.sample_rate / step) * step
        least = bundle.receptive_field * step
        if bundle.poolable and "clip" not in bundle.spec["outputs"] and window >= least:
            if window != round(wanted * bundle.sample_rate):
                self._say(
                    f"{self.name}: windows of {window / bundle.sample_rate:.4f} s, the nearest to {wanted:g} s"
                )
            return replace(
                bundle, spec={**bundle.spec, "window": window, "hop": min(bundle.hop_samples, window)}
            )
        if wish is None:
            self._say(f"{self.name}: its own windows of {own:g} s, since it cannot be given others")
            return bundle
        reason = (
            f"it needs at least {least / bundle.sample_rate:.3f} s"
            if bundle.poolable
            else "it takes no windows of other lengths"
        )
        raise UsageError(f"window={wanted:g} s: {self.name} has windows of {own:g} s and {reason}")

    def _hop(self, bundle: Bundle, options: ClipOptions) -> int:
        if options.hop_s is not None:
            return in_samples(options.hop_s, bundle.sample_rate, bundle.window_samples)
        if options.hop_share is not None:
            return max(round(options.hop_share * bundle.window_samples), 1)
        return bundle.hop_samples

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.append(text)


#: A clip's place, its windows, and their mean embedding if it was asked for; or why it cannot be heard.
Found = tuple[int, Windows, np.ndarray | None] | Problem


def _heard(runtime: Runtime, hop: int, embeddings: bool, manifest: Manifest) -> Iterator[Found]:
    bundle = runtime.bundle
    grid = Grid(bundle.window_samples, hop)
    problems: list[Problem] = []
    for clip in clips.each(manifest, bundle.sample_rate, report=problems.append):
        yield from problems
        problems.clear()
        n = clip.samples.size
        if not n:
            continue
        scorer = runtime.scorer(hop, embeddings=embeddings)
        try:
            parts = [scorer.push(clip.samples[first : first + BLOCK]) for first in range(0, n, BLOCK)]
            logits, vectors = (np.concatenate(part) for part in zip(*parts, scorer.close(), strict=True))
        except NoNumbers as error:
            row = clip.row
            yield Problem(row.path, row.start_s, row.duration_s, error.reason, error.remedy)
            continue
        weights = (grid.ends(n) - grid.starts(n)) / grid.window
        vector = np.average(vectors, axis=0, weights=weights) if embeddings else None
        yield clip.index, Windows(probabilities(logits, bundle.calibration), weights), vector
    yield from problems


_runtimes: dict[str, Runtime] = {}


def _heard_there(bundle: Bundle, hop: int, embeddings: bool, item: tuple[Manifest, list[int]]) -> list[Found]:
    """What another process does with some of the rows, whose places are given."""
    part, places = item
    # Windows of other lengths are the same graph.
    if bundle.sha256 not in _runtimes or _runtimes[bundle.sha256].bundle.spec != bundle.spec:
        _runtimes.clear()
        _runtimes[bundle.sha256] = Runtime(bundle)
    found = _heard(_runtimes[bundle.sha256], hop, embeddings, part)
    return [each if isinstance(each, Problem) else (places[each[0]], *each[1:]) for each in found]


def probabilities(logits: np.ndarray, calibration: np.ndarray | None) -> np.ndarray:
    """Calibrated, float64, not rounded; ``calibration`` (c, 2) holds slope and offset, None: a plain sigmoid."""
    x = np.asarray(logits, dtype=np.float64)
    if calibration is not None:
        x = calibration[:, 0] * x + calibration[:, 1]
    return 1.0 / (1.0 + np.exp(-np.clip(x, -700, 700)))
