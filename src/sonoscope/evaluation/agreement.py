"""Do mixtures of waveforms and mixtures of mel powers agree?

The frames of a sum of sounds are, in expectation over their phases, the sum of the powers of their frames: for
``|A + B|^2 = |A|^2 + |B|^2 + 2 Re(A B*)`` the last term changes its sign with the polarity of a sound. So the mean over
all polarities of the waveforms *is* the sum of the powers, and one mixture differs from it by the interference inside
each mel band, which is greatest where two sounds are equally loud. :func:`measure` says by how much, on real sounds, in
the cells of the spectrogram and in what a model makes of it; and, to compare, how much two mixtures of the same
waveforms differ that have other polarities.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonoscope import scores
from sonoscope.data import clips
from sonoscope.data.mix import combine
from sonoscope.data.mix.mixing import Mixed, Recipe, mix, placed
from sonoscope.data.mix.pool import Pool
from sonoscope.features import LogMel
from sonoscope.models.runtime import Runtime
from sonoscope.models.scorers import pool

#: What is promised, and tested. ``expected_db``: the mean over polarities, at most this far from the sum of powers.
#: The others hold for single mixtures: the mean of the differences lies within ± ``mean``, 95 % of them within
#: ``low`` to ``high``. Differences are those of the waveform's cells (dB) or probabilities from the powers'.
TOLERANCE = {
    "expected_db": 0.01,
    "cells_db": {"mean": 0.3, "low": -3.5, "high": 2.0},
    "contested_db": {"mean": 0.6, "low": -6.0, "high": 3.0},
    "probabilities": {"mean": 0.005, "low": -0.05, "high": 0.05},
}
#: Cells further below the loudest of their mixture than this are not heard, and often below the feature's floor.
HEARD_DB = 60.0
#: A cell is contested where the two loudest sounds are this close.
CLOSE_DB = 6.0


@dataclass(frozen=True)
class Spread:
    """Differences: how many, their mean, the bounds that hold 95 % of them, and the mean of their sizes."""

    count: int
    mean: float
    low: float
    high: float
    size: float

    @classmethod
    def of(cls, values: np.ndarray) -> Spread:
        """Of finite values, at least one."""
        low, high = np.percentile(values, (2.5, 97.5))
        figures = (float(np.mean(values)), float(low), float(high), float(np.mean(np.abs(values))))
        return cls(values.size, *(round(value, 4) for value in figures))

    def within(self, tolerance: dict[str, float]) -> bool:
        """Whether it is what :data:`TOLERANCE` promises."""
        mean, low, high = (tolerance[key] for key in ("mean", "low", "high"))
        return abs(self.mean) <= mean and low <= self.low and self.high <= high


@dataclass(frozen=True)
class Agreement:
    """What :func:`measure` found, waveforms against powers.

    Attributes
    ----------
    mixtures : int
    expected_db : float
        Greatest difference of any heard cell between the mean power over all polarities and the sum of powers.
    cells_db, contested_db : Spread
        Of heard cells, and of those among them where two sounds are about equally loud.
    logits, probabilities : Spread
        Of a model's windows and labels.
    other_polarity : Spread
        Of probabilities between two mixtures of waveforms that differ in polarities: what chance does anyway.
    same_decisions : float
        Share of windows and labels that are on the same side of the label's threshold.
    """

    mixtures: int
    expected_db: float
    cells_db: Spread
    contested_db: Spread
    logits: Spread
    probabilities: Spread
    other_polarity: Spread
    same_decisions: float

    def holds(self) -> bool:
        """Whether all of :data:`TOLERANCE` is kept."""
        tolerance: Any = TOLERANCE
        singles = ("cells_db", "contested_db", "probabilities")
        return self.expected_db <= tolerance["expected_db"] and all(
            getattr(self, name).within(tolerance[name]) for name in singles
        )


@dataclass(frozen=True)
class _Frames:
    """One mixture in both domains: frames in dB, (t, m) each but for ``parts`` (k, t, m)."""

    waveform: np.ndarray
    other: np.ndarray
    mean: np.ndarray
    powers: np.ndarray
    parts: np.ndarray

    def heard(self) -> np.ndarray:
        """Which cells count, bool of shape (t, m)."""
        return self.powers > self.powers.max() - HEARD_DB

    def contested(self) -> np.ndarray:
        """In which of those the two loudest sounds are close."""
        if len(self.parts) < 2:
            return np.zeros(self.powers.shape, dtype=bool)
        second, first = np.sort(self.parts, axis=0)[-2:]
        return self.heard() & (first - second < CLOSE_DB)


def measure(sounds: Pool, runtime: Runtime, *, count: int, seed: int = 0) -> Agreement:
    """Mix ``count`` windows of 2 to 4 sounds in both ways and compare.

    Parameters
    ----------
    sounds : Pool
        At the model's rate.
    runtime : Runtime
        Of a model with a mel feature.
    count : int
        At least 1.
    seed : int
    """
    bundle = runtime.bundle
    assert isinstance(bundle.feature, LogMel)
    recipe = Recipe(
        files=(0, 1 / 3, 1 / 3, 1 / 3), duration_s=bundle.window_samples / bundle.sample_rate, exact=True
    )
    found = []
    for number in range(count):
        mixed = mix(recipe, np.random.default_rng([seed, number]), sounds)
        found.append(_both(bundle.feature, mixed, sounds))
    heard = [each.heard() for each in found]
    differences = [each.waveform - each.powers for each in found]
    frames = bundle.window_samples // bundle.feature.hop_samples
    logits = {
        name: _scored(runtime, np.stack([getattr(each, name)[:frames] for each in found]))
        for name in ("waveform", "other", "powers")
    }
    chances = {name: scores.calibrate(each, bundle.calibration) for name, each in logits.items()}
    limits = np.array([bundle.thresholds[label] for label in bundle.label_ids])
    return Agreement(
        mixtures=count,
        expected_db=round(
            max(float(np.abs(f.mean - f.powers)[h].max()) for f, h in zip(found, heard, strict=True)), 4
        ),
        cells_db=Spread.of(np.concatenate([d[h] for d, h in zip(differences, heard, strict=True)])),
        contested_db=Spread.of(
            np.concatenate([d[f.contested()] for d, f in zip(differences, found, strict=True)])
        ),
        logits=Spread.of(logits["waveform"] - logits["powers"]),
        probabilities=Spread.of(chances["waveform"] - chances["powers"]),
        other_polarity=Spread.of(chances["waveform"] - chances["other"]),
        same_decisions=round(
            float(np.mean((chances["waveform"] >= limits) == (chances["powers"] >= limits))), 4
        ),
    )


def _both(feature: LogMel, mixed: Mixed, sounds: Pool) -> _Frames:
    """The frames of a mixture, from its parts: each alone, and all polarities of their sum."""
    rate = sounds.sample_rate
    cuts = [
        clips.read(sounds.manifest, part.row, rate)[part.start : part.start + part.n]
        for part in mixed.sources
    ]
    alone = placed(mixed.sources, cuts, rate, length=mixed.samples.size)
    gains_db = np.array([part.gain_db + mixed.gain_db for part in mixed.sources])
    signs = [np.array((1.0, *rest)) for rest in itertools.product((1.0, -1.0), repeat=len(alone) - 1)]
    sums = [feature(combine.sum_n((alone * sign[:, None]).astype(np.float32), gains_db)) for sign in signs]
    parts = np.stack([feature(sound) for sound in alone]) + gains_db[:, None, None]
    powers = combine.sum_powers_db(parts, np.zeros(len(parts)))
    mean = 10.0 * np.log10(np.mean([10.0 ** (each.astype(np.float64) / 10.0) for each in sums], axis=0))
    return _Frames(sums[0], sums[-1], mean, powers, parts)


def _scored(runtime: Runtime, windows: np.ndarray) -> np.ndarray:
    """Logits of windows of frames, (n, t, m) to (n, c)."""
    logits = []
    for window in windows:
        if "clip" in runtime.bundle.spec["outputs"]:
            logits.append(runtime.windows(window[None].astype(np.float32), embeddings=False)[0][0])
            continue
        framewise, attention, _ = runtime.frames(window[None].astype(np.float32), embeddings=False)
        logits.append(pool(framewise, attention)[0])
    return np.stack(logits)
