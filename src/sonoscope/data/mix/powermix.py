"""Training windows mixed from a bank of stems in the mel-power domain.

A window is drawn in two steps, each its own function: *what* sounds (classes, then libraries, then stems, balanced so
that no library speaks for a class alone) and *how* (onsets, gains, equaliser curves, noise, band limits, masks). Parts
are summed as powers: for independent signals the expected power of a sum is the sum of the powers; what is lost is the
interference inside a bin, a few dB where two partials meet.

Single notes are stitched to phrases by placing several of one library and class in the window. A class is labelled
only if its part is audible in the window.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.data.mix.bank import Bank
from sonoscope.data.mix.levels import AUDIBLE_DB
from sonoscope.errors import UnknownName
from sonoscope.features import LogMel, logmel

_TO_NATURAL = np.float32(np.log(10.0) / 10.0)
_TO_DB = np.float32(10.0 / np.log(10.0))


@dataclass(frozen=True)
class MixSpec:
    """How windows are drawn. Shares are probabilities; ``(low, high)`` pairs are ranges of a uniform draw, in dB.

    Attributes
    ----------
    frames : int
        Window length.
    classes : dict
        Weight of each label as the first (or only) sound of a window; missing labels weigh 1.
    sources : tuple of float
        Probability of 1, 2, 3, … sounds in a window.
    real_share : float
        Share of draws from recordings rather than renders, where a class has both.
    part_gain_db, level_db : (float, float)
        Loudness of further sounds against the first, and of the whole window.
    equaliser_db : float
        Standard deviation of the random smooth gain curve of each part.
    noise_share, snr_db : float, (float, float)
    even_noise_share : float
        Noise that falls evenly by up to 7 dB an octave, as that of rooms, amplifiers and tapes; the other has a
        random colour.
    band_limit_share, mask_share : float
    noise_only_share : float
        Windows of noise or silence alone.
    shift_share, shift_semitones : float
        Parts that are transposed (pitch and formants together), and how far at most; tempo stays.
    backing : tuple of str
        Labels that accompany: drums, bass.
    backing_share : float
        Windows in which they are added to what was drawn, each of them in two of three.
    backing_gain_db : (float, float)
        Their loudness against the first sound.
    quiet_label : str
        The label of windows of noise or silence, where it is among the labels.
    by_name : tuple of str
        Labels that gather unlike sounds: a draw from them is fair to each name, not only to each library.
    """

    frames: int = 80
    classes: dict[str, float] | None = None
    sources: tuple[float, ...] = (0.70, 0.19, 0.08, 0.03)
    real_share: float = 0.65
    part_gain_db: tuple[float, float] = (-12.0, 3.0)
    level_db: tuple[float, float] = (0.0, 42.0)
    equaliser_db: float = 4.0
    noise_share: float = 0.7
    snr_db: tuple[float, float] = (12.0, 60.0)
    even_noise_share: float = 0.0
    band_limit_share: float = 0.25
    mask_share: float = 0.35
    noise_only_share: float = 0.03
    stitch_share: float = 0.5
    cut_share: float = 0.15
    shift_share: float = 0.0
    shift_semitones: float = 4.0
    backing: tuple[str, ...] = ("drums", "bass")
    backing_share: float = 0.0
    backing_gain_db: tuple[float, float] = (-15.0, 0.0)
    quiet_label: str = "other"
    by_name: tuple[str, ...] = ("other", "drums")


class _Sources:
    """The stems of one label, grouped so that a draw is fair to libraries (``by_name``: to names in them)."""

    def __init__(self, bank: Bank, rows: Sequence[int], *, by_name: bool) -> None:
        self.pools: dict[bool, tuple[list[np.ndarray], np.ndarray]] = {}
        for real in (True, False):
            groups: dict[tuple[str, str], list[int]] = defaultdict(list)
            for index in rows:
                row = bank.rows[index]
                if (row["real"] == "1") == real:
                    groups[(row["name"] if by_name else "", row["group"])].append(index)
            if groups:
                members = [np.array(indices) for indices in groups.values()]
                distinct = [len({bank.rows[i]["key"] for i in indices}) for indices in groups.values()]
                # A library of two clips must not be heard as often as one of two hundred, yet more than its share.
                weight = np.sqrt(np.minimum(distinct, 25.0))
                self.pools[real] = (members, weight / weight.sum())

    def draw(self, rng: np.random.Generator, real_share: float) -> np.ndarray:
        """The stems (indices into the bank) of one library."""
        if len(self.pools) == 2:
            real = bool(rng.random() < real_share)
        else:
            real = next(iter(self.pools))
        members, weight = self.pools[real]
        return members[rng.choice(len(members), p=weight)]


class PowerMix:
    """Draws windows from a bank.

    Parameters
    ----------
    bank : Bank
    labels : sequence of str
        Columns of the targets.
    spec : MixSpec
    keep : callable
        ``keep(row)`` says whether a stem may be used: how folds are left out.
    """

    def __init__(
        self,
        bank: Bank,
        labels: Sequence[str],
        spec: MixSpec,
        *,
        keep: Callable[[dict], bool] = lambda row: True,
    ) -> None:
        self.bank, self.labels, self.spec = bank, tuple(labels), spec
        self._column = {label: k for k, label in enumerate(self.labels)}
        by_label: dict[str, list[int]] = defaultdict(list)
        for index, row in enumerate(bank.rows):
            if keep(row):
                for label in row["labels"] or ("",):
                    if label and label not in self._column:
                        raise UnknownName(
                            f"{bank.folder}: {row['key']} is labelled {label!r}, which is not among the labels "
                            f"{', '.join(self.labels)}"
                        )
                    by_label[label].append(index)
        self._sources = {
            label: _Sources(bank, rows, by_name=label in ("", *spec.by_name))
            for label, rows in by_label.items()
        }
        weights = spec.classes or {}
        self._names = [label for label in self._sources if label]
        weight = np.array([weights.get(label, 1.0) for label in self._names])
        self._weight = weight / weight.sum()
        self._floor = np.float32(bank.feature.floor)
        self._curves = _smooth_curves(np.random.default_rng(1), 1024, bank.feature.n_bins)
        self._speckle = _speckle(np.random.default_rng(2), bank)
        self._shifts = _shifts(bank.feature, spec.shift_semitones)
        self._octaves = np.log2(_centres_hz(bank.feature) / 1000.0).astype(np.float32)

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One window: dB frames (frames, n_bins), targets (c,) and mask of judged labels (c,), all float32."""
        spec = self.spec
        target = np.zeros(len(self.labels), dtype=np.float32)
        judged = np.ones(len(self.labels), dtype=np.float32)
        power = np.zeros((spec.frames, self.bank.feature.n_bins), dtype=np.float32)
        quiet = rng.random() < spec.noise_only_share
        names = [] if quiet else self._choose(rng)
        backing = self._back(rng, names) if names else []
        for position, label in enumerate([*names, *backing]):
            span_db = spec.part_gain_db if position < len(names) else spec.backing_gain_db
            gain_db = 0.0 if position == 0 else rng.uniform(*span_db)
            part, rows = self._part(rng, label)
            if part is None:
                continue
            power += np.exp((part + np.float32(gain_db)) * _TO_NATURAL)
            for row in rows:
                for known in row["labels"]:
                    target[self._column[known]] = 1.0
                for unknown in row["unknown"]:
                    judged[self._column[unknown]] = 0.0
        judged[target > 0] = 1.0
        if quiet and rng.random() < 0.3:
            return np.full_like(power, self._floor_db), target, judged
        if quiet or rng.random() < spec.noise_share:
            snr_db = 0.0 if quiet else rng.uniform(*spec.snr_db)
            power += self._noise(rng) * np.float32(10.0 ** (-snr_db / 10.0))
            if quiet and spec.quiet_label in self._column:
                target[self._column[spec.quiet_label]] = 1.0
        power *= np.float32(10.0 ** (rng.uniform(*spec.level_db) / 10.0))
        self._spoil(rng, power)
        return _TO_DB * np.log(np.maximum(power, self._floor)), target, judged

    def batches(
        self, seed: int, size: int, *, first: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Endless batches of ``size`` windows from number ``first`` on; each depends on seed and number only."""
        for number in itertools.count(first):
            rng = np.random.default_rng([seed, number])
            drawn = [self.draw(rng) for _ in range(size)]
            yield tuple(np.stack(column) for column in zip(*drawn, strict=True))  # type: ignore[misc]

    @property
    def drawable(self) -> frozenset[str]:
        """Labels that have stems."""
        return frozenset(self._names)

    @property
    def _floor_db(self) -> np.float32:
        return np.float32(_TO_DB * np.log(self._floor))

    def _choose(self, rng: np.random.Generator) -> list[str]:
        """The labels that sound, without repetition; the unlabelled (kind unknown) stand in now and then."""
        count = 1 + int(rng.choice(len(self.spec.sources), p=self.spec.sources))
        chosen = rng.choice(
            len(self._names), size=min(count, len(self._names)), replace=False, p=self._weight
        )
        names = [self._names[k] for k in chosen]
        if "" in self._sources and rng.random() < 0.01:
            names[0] = ""
        return names

    def _back(self, rng: np.random.Generator, names: Sequence[str]) -> list[str]:
        """The labels that accompany ``names`` in this window."""
        if not self.spec.backing_share or rng.random() >= self.spec.backing_share:
            return []
        able = [label for label in self.spec.backing if label in self._sources and label not in names]
        return [label for label in able if rng.random() < 2 / 3]

    def _part(self, rng: np.random.Generator, label: str) -> tuple[np.ndarray | None, list[dict]]:
        """One label's part in dB re its own loudness, or None when nothing audible was found."""
        spec, bank = self.spec, self.bank
        for _ in range(4):
            members = self._sources[label].draw(rng, spec.real_share)
            index = int(members[rng.integers(len(members))])
            count = 1
            if bank.count[index] < spec.frames and rng.random() < spec.stitch_share:
                count = int(rng.integers(2, 8 if label == "drums" else 5))
            part = np.full((spec.frames, bank.feature.n_bins), -200.0, dtype=np.float32)
            rows = []
            for note in range(count):
                if note:
                    index = int(members[rng.integers(len(members))])
                if self._place(rng, part, index, stitched=count > 1):
                    rows.append(bank.rows[index])
            if rows:
                if spec.shift_share and rng.random() < spec.shift_share:
                    low, share = self._shifts[rng.integers(len(self._shifts))]
                    part = part[:, low] * (np.float32(1.0) - share) + part[:, low + 1] * share
                curve = self._curves[rng.integers(len(self._curves))] * np.float32(spec.equaliser_db)
                return part + curve, rows
        return None, []

    def _place(self, rng: np.random.Generator, part: np.ndarray, index: int, *, stitched: bool) -> bool:
        """Lay a stem over ``part`` (the louder cell wins, within 3 dB of the power sum); False if it is inaudible."""
        spec, bank = self.spec, self.bank
        length = int(bank.count[index])
        if length > spec.frames:
            onset = -int(rng.integers(-spec.frames // 5, length - spec.frames // 2))
        elif stitched:
            onset = int(rng.integers(-length // 3, spec.frames - 4))
        else:
            onset = int(rng.integers(min(-length // 3, 0), max(spec.frames - length // 2, 1)))
        first, last = max(onset, 0), min(onset + length, spec.frames)
        if last - first < 3:
            return False
        frames = bank.item(index)[first - onset : last - onset].astype(np.float32) - bank.level_db[index]
        if rng.random() < spec.cut_share:
            cut = int(rng.integers(2, last - first))
            frames[cut:] -= np.linspace(0, 60, frames.shape[0] - cut, dtype=np.float32)[:, None] * 2.0
        if frames.max() < AUDIBLE_DB:
            return False
        level_db = np.float32(rng.uniform(-6.0, 3.0)) if stitched else np.float32(0.0)
        np.maximum(part[first:last], frames + level_db, out=part[first:last])
        return True

    def _noise(self, rng: np.random.Generator) -> np.ndarray:
        """Coloured noise of unit total power per frame, shape (frames, n_bins)."""
        start = int(rng.integers(len(self._speckle) - self.spec.frames))
        curve = self._curves[rng.integers(len(self._curves))]
        if self.spec.even_noise_share and rng.random() < self.spec.even_noise_share:
            shape = np.float32(1.5) * curve + np.float32(rng.uniform(-7.0, 1.0)) * self._octaves
        else:
            tilt = np.linspace(0.0, rng.uniform(-40.0, 10.0), curve.size, dtype=np.float32)
            shape = np.float32(8.0) * curve + tilt
        colour = np.exp(shape * _TO_NATURAL)
        return self._speckle[start : start + self.spec.frames] * (colour / colour.sum())

    def _spoil(self, rng: np.random.Generator, power: np.ndarray) -> None:
        """Band limits and masks, in place."""
        frames, bins = power.shape
        if rng.random() < self.spec.band_limit_share:
            cut = int(rng.integers(bins // 2, bins))
            steep = np.float32(10.0 ** (-rng.uniform(0.3, 3.0)))
            power[:, cut:] *= steep ** np.arange(1, bins - cut + 1, dtype=np.float32)
        if rng.random() < self.spec.mask_share:
            width = int(rng.integers(1, bins // 8))
            start = int(rng.integers(0, bins - width))
            power[:, start : start + width] *= np.float32(1e-6)
        if rng.random() < self.spec.mask_share / 2:
            width = int(rng.integers(1, frames // 6))
            start = int(rng.integers(0, frames - width))
            power[start : start + width] *= np.float32(1e-6)


def _smooth_curves(rng: np.random.Generator, count: int, bins: int) -> np.ndarray:
    """Random smooth curves over the bins with zero mean and unit standard deviation of their knots, float32."""
    knots = rng.standard_normal((count, 6))
    positions = np.linspace(0, 5, bins)
    low = np.minimum(positions.astype(int), 4)
    part = 0.5 - 0.5 * np.cos(np.pi * (positions - low))
    curves = knots[:, low] * (1 - part) + knots[:, low + 1] * part
    return (curves - curves.mean(axis=1, keepdims=True)).astype(np.float32)


def _centres_hz(feature: LogMel) -> np.ndarray:
    """Centre frequencies of the bins, shape (n_bins,), Hz."""
    edges_mel = logmel.hz_to_mel(np.array([feature.f_min_hz, feature.f_max_hz]))
    step_mel = (edges_mel[1] - edges_mel[0]) / (feature.n_bins + 1)
    return logmel.mel_to_hz(edges_mel[0] + step_mel * np.arange(1, feature.n_bins + 1))


def _shifts(feature: LogMel, semitones: float, count: int = 33) -> list[tuple[np.ndarray, np.ndarray]]:
    """Where a transposed sound's bins lie in the original: the bin below, and the share of the one above it.

    What would lie outside the bank's band is taken from its edge.
    """
    edges_mel = logmel.hz_to_mel(np.array([feature.f_min_hz, feature.f_max_hz]))
    step_mel = (edges_mel[1] - edges_mel[0]) / (feature.n_bins + 1)
    centre_hz = _centres_hz(feature)
    tables = []
    for shift in np.linspace(-semitones, semitones, count):
        mel = logmel.hz_to_mel(centre_hz / 2.0 ** (shift / 12.0))
        position = np.clip((mel - edges_mel[0]) / step_mel - 1.0, 0.0, feature.n_bins - 1.001)
        low = position.astype(np.int64)
        tables.append((low, (position - low).astype(np.float32)))
    return tables


def _speckle(rng: np.random.Generator, bank: Bank) -> np.ndarray:
    """What white noise looks like in mel powers: unit mean, relative spread set by the FFT bins in each band."""
    feature = bank.feature
    noise = rng.standard_normal(feature.sample_rate * 60).astype(np.float32)
    power = 10.0 ** (feature(noise) / 10.0)
    return (power / power.mean(axis=0)).astype(np.float32)
