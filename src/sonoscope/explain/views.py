"""What a model sees of a window, cut into cells of time and frequency that can be taken away one by one.

- :class:`Rows`: the feature's rows themselves, where their bins are frequencies (log-mel, STFT, filter banks, constant
  Q). A cell is a value of a row; it is taken away by putting that of a quiet cell in its place.
- :class:`Sound`: any other model (of samples, of cepstra, chroma, stacked features). A cell is a stretch of 20 ms of
  one of 64 bands; its value is the gain that the sound there has, 1 as it is and 0 for none, and the model hears what
  is left.

Both lay out their cells as (time, frequency), know the Hz of their bands and how many samples lie between them, and
make what the model takes out of changed cells: by NumPy for a graph, by torch where gradients are asked for.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from sonoscope.errors import UsageError, one_of
from sonoscope.explain import transform
from sonoscope.features import Feature
from sonoscope.features.logmel import hz_to_mel, mel_to_hz
from sonoscope.models.bundle import Bundle

#: How :class:`Rows` takes a cell away.
BASELINES = ("quiet", "mean", "silence")
#: The quiet level: this share of a window's cells lies below it.
QUIET = 0.05
#: Of :class:`Sound`: wished distance of cells in seconds, bands between these limits, and lengths of the transform in
#: that distance.
CELL_S, BANDS, LOWEST_HZ, OVERLAP = 0.02, 64, 40.0, 4
FLOOR = 1e-10


class Window(Protocol):
    """One window's cells."""

    cells: np.ndarray
    baseline: np.ndarray
    #: Whether cells are the network's own rows and bins.
    are_rows: bool
    #: What a picture shows, (time, frequency), in the feature's unit or dB.
    picture: np.ndarray

    def inputs(self, cells: np.ndarray) -> np.ndarray:
        """Changed cells (k, time, frequency) to what the graph takes, (k, …)."""
        ...

    def tensors(self, cells: Any) -> Any:
        """The same of a tensor, which keeps its gradient. Raises ``UsageError`` where it cannot."""
        ...


class View(Protocol):
    """How a model's windows become cells.

    ``unit`` is the samples between cells, ``frequencies`` the Hz of their bands (ascending), ``before`` and ``length``
    the samples that a window needs ahead of its start and from there on. ``steps`` is how many rows of the feature (or
    samples, for a model of samples) there are to a cell.
    """

    unit: int
    steps: float
    frequencies: np.ndarray
    before: int
    length: int

    def window(self, piece: np.ndarray) -> Window:
        """The cells of the window in ``piece``, ``before + length`` samples."""
        ...


def view_of(bundle: Bundle, baseline: str = BASELINES[0]) -> Rows | Sound:
    """The view that suits a model.

    Raises
    ------
    UnknownName
        If there is no such baseline.
    UsageError
        If the model has no such baseline.
    """
    one_of(BASELINES, baseline, "baseline")
    feature = bundle.feature
    hz = None if feature is None else frequencies_of(feature)
    if feature is not None and hz is not None:
        return Rows(bundle, feature, hz, baseline)
    if baseline == "mean":
        raise UsageError(
            f"baseline={baseline!r}: the rows of {bundle.name} are no frequencies, so sound itself is taken away: "
            "silence is what is left"
        )
    return Sound(bundle)


def frequencies_of(feature: Feature) -> np.ndarray | None:
    """Hz of a feature's bins where they are frequencies from low to high, else None."""
    hz = getattr(feature, "frequencies_hz", None)
    if hz is None or np.shape(hz) != (feature.n_bins,) or len(feature.parts) > 1 or np.any(np.diff(hz) <= 0):
        return None
    return np.asarray(hz, dtype=np.float64)


class Rows:
    """The rows of a feature whose bins are frequencies (:class:`View`)."""

    def __init__(self, bundle: Bundle, feature: Feature, frequencies: np.ndarray, baseline: str) -> None:
        self.frequencies, self.unit, self.steps = frequencies, feature.hop_samples, 1.0
        self._feature, self._frames, self._baseline = feature, bundle.window_frames, baseline
        self._bundle = bundle
        self.before = feature.left_context if feature.streamable else 0
        span = (self._frames - 1) * feature.hop_samples + feature.right_context
        self.length = span if feature.streamable else bundle.window_samples

    def window(self, piece: np.ndarray) -> RowsWindow:
        rows = self._feature.valid(piece) if self._feature.streamable else self._feature(piece)
        rows = np.asarray(rows[: self._frames], dtype=np.float32)
        return RowsWindow(
            rows, np.broadcast_to(level(self._bundle, rows, self._baseline), rows.shape).astype(np.float32)
        )


def level(bundle: Bundle, rows: np.ndarray, baseline: str) -> Any:
    """What stands in the place of rows that are taken away, a number or one for each bin.

    Raises
    ------
    UsageError
        If the model does not say what ``baseline`` needs.
    """
    assert bundle.feature is not None
    if baseline == "silence":
        return bundle.feature.silence
    if baseline == "quiet":
        return np.quantile(rows, QUIET)
    stated = bundle.spec.get("normalisation", {}).get("mean")
    if not stated:
        raise UsageError(
            f"baseline='mean': {bundle.name} does not say what it was trained on; take quiet or silence"
        )
    return np.asarray(stated, dtype=np.float32)


class RowsWindow:
    """Rows as cells: what the graph takes is what they are (:class:`Window`)."""

    are_rows = True

    def __init__(self, rows: np.ndarray, baseline: np.ndarray) -> None:
        self.cells = self.picture = rows
        self.baseline = baseline

    def inputs(self, cells: np.ndarray) -> np.ndarray:
        return cells

    def tensors(self, cells: Any) -> Any:
        return cells


class Sound:
    """Gains of stretches of sound in bands (:class:`View`)."""

    def __init__(self, bundle: Bundle) -> None:
        rate, feature = bundle.sample_rate, bundle.feature
        self.unit = cell_samples(bundle.hop_samples, rate)
        self.n_fft = OVERLAP * self.unit
        self.frequencies, self.bands = bands(self.n_fft, rate)
        self.feature = feature
        self.steps = self.unit / (1 if feature is None else feature.hop_samples)
        self.count = -(-bundle.window_samples // self.unit)
        streamed = feature is not None and feature.streamable
        self.context = feature.left_context if feature is not None and streamed else 0
        self.lead = -(-self.context // self.unit)
        self.reach = bundle.window_samples
        if feature is not None and streamed:
            self.reach = (bundle.window_frames - 1) * feature.hop_samples + feature.right_context
        self.before = self.lead * self.unit
        self.length = -(-self.reach // self.unit) * self.unit

    def window(self, piece: np.ndarray) -> SoundWindow:
        return SoundWindow(self, piece)

    def rows(self, samples: Any) -> Any:
        """Samples (k, before + length) to what the model takes."""
        inside = samples[..., self.before - self.context : self.before + self.reach]
        if self.feature is None:
            return inside
        return self.feature.valid(inside) if self.feature.streamable else self.feature(inside)


class SoundWindow:
    """A window's spectrum under gains (:class:`Window`)."""

    are_rows = False

    def __init__(self, view: Sound, piece: np.ndarray) -> None:
        self._view = view
        self._spectrum = transform.forward(piece, view.n_fft, view.unit)
        self._own = slice(view.lead, view.lead + view.count)
        power = np.abs(self._spectrum[self._own]) ** 2 @ view.bands.T
        self.picture = (10 * np.log10(power / view.n_fft**2 + FLOOR)).astype(np.float32)
        self.cells = np.ones((view.count, len(view.bands)), dtype=np.float32)
        self.baseline = np.zeros_like(self.cells)

    def inputs(self, cells: np.ndarray) -> np.ndarray:
        gains = np.ones((len(cells), *self._spectrum.shape), dtype=np.float32)
        gains[:, self._own] = cells @ self._view.bands
        heard = transform.backward(self._spectrum * gains, self._view.n_fft, self._view.unit)
        return np.asarray(self._view.rows(heard), dtype=np.float32)

    def tensors(self, cells: Any) -> Any:
        import torch

        view = self._view
        if view.feature is not None and view.feature.numpy_only:
            raise UsageError(
                f"the feature {view.feature.name!r} has no gradient: take the method occlusion, which needs none"
            )
        own = cells @ torch.from_numpy(view.bands)
        n, bins = self._spectrum.shape
        ahead, behind = (
            torch.ones(len(cells), size, bins) for size in (view.lead, n - view.lead - view.count)
        )
        gains = torch.cat([ahead, own, behind], dim=1)
        changed = (torch.from_numpy(self._spectrum) * gains).transpose(1, 2)
        window = torch.from_numpy(transform.hann(view.n_fft))
        heard = torch.istft(changed, view.n_fft, view.unit, window=window, length=(n - 1) * view.unit)
        return view.rows(heard)


def cell_samples(hop_samples: int, sample_rate: int) -> int:
    """The divisor of the windows' distance that is nearest to 20 ms: windows then begin where cells do."""
    divisors = [n for n in range(1, hop_samples + 1) if hop_samples % n == 0]
    return min(divisors, key=lambda n: abs(np.log(n / (CELL_S * sample_rate))))


def bands(n_fft: int, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres in Hz (c,), equally far on the mel scale, and how much of each bin is theirs, (c, bins), in all 1."""
    hz = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    centres = np.linspace(hz_to_mel(LOWEST_HZ), hz_to_mel(sample_rate / 2), BANDS)
    at = np.interp(hz_to_mel(hz), centres, np.arange(BANDS))
    shares = np.maximum(0.0, 1 - np.abs(np.arange(BANDS)[:, None] - at))
    return np.asarray(mel_to_hz(centres)), shares.astype(np.float32)
