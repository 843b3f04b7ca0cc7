"""Parameters of features are checked here, each with its value, its range and, where there is one, a remedy."""

from __future__ import annotations

from typing import Any

from sonoscope.features.protocol import Feature
from sonoscope.features.scales import OUTPUTS, SMALLEST_FLOOR


def at_least(feature: Any, least: float, *names: str) -> None:
    """Raise ``ValueError`` if a parameter of ``feature`` is less than ``least``."""
    for name in names:
        if getattr(feature, name) < least:
            raise ValueError(f"{name}={getattr(feature, name)} must be at least {least}")


def one_of(feature: Any, name: str, known: tuple[str, ...]) -> None:
    """Raise ``ValueError`` if a parameter is none of the ``known`` words."""
    if getattr(feature, name) not in known:
        raise ValueError(f"{name}={getattr(feature, name)!r} must be one of {', '.join(known)}")


def within(feature: Any, name: str, low: float, high: float) -> None:
    """Raise ``ValueError`` unless ``low <= parameter <= high``."""
    if not low <= getattr(feature, name) <= high:
        raise ValueError(f"{name}={getattr(feature, name)} must lie in {low:g}..{high:g}")


def holds_features(feature: Any) -> None:
    """Raise ``ValueError`` if ``feature.features`` is empty, or holds anything else."""
    if not feature.features:
        raise ValueError("features is empty: give one at least")
    for each in feature.features:
        if not isinstance(each, Feature):
            raise ValueError(f"features holds {each!r}: each needs its name, such as {{name: logmel}}")


def hop(hop_samples: int, length: int, what: str) -> None:
    """Raise ``ValueError`` if samples between frames of ``length`` would be lost."""
    if hop_samples > length:
        raise ValueError(
            f"hop_samples={hop_samples} must not exceed {what}={length}: samples between frames would be lost"
        )


def band(f_min_hz: float, f_max_hz: float, sample_rate: int) -> None:
    """Raise ``ValueError`` unless ``0 <= f_min_hz < f_max_hz <= sample_rate / 2``."""
    if not 0 <= f_min_hz < f_max_hz <= sample_rate / 2:
        raise ValueError(
            f"f_min_hz={f_min_hz} and f_max_hz={f_max_hz} must satisfy "
            f"0 <= f_min_hz < f_max_hz <= {sample_rate / 2}"
        )


def output(feature: Any) -> None:
    """Raise ``ValueError`` if ``feature.output`` or ``feature.floor`` is out of range."""
    one_of(feature, "output", OUTPUTS)
    floor(feature)


def floor(feature: Any) -> None:
    """Raise ``ValueError`` if ``feature.floor``, the smallest power, is out of range."""
    if not SMALLEST_FLOOR <= feature.floor < 1.0:
        raise ValueError(
            f"floor={feature.floor} must lie in {SMALLEST_FLOOR:g}..1 (float32 has no smaller power)"
        )


def pitches(feature: Any, count: str = "n_bins") -> None:
    """Raise ``ValueError`` if a logarithmic axis of ``count`` bins is empty, or reaches above Nyquist."""
    at_least(feature, 1, count, "bins_per_octave")
    if not 0 < feature.f_min_hz < float("inf"):
        raise ValueError(
            f"f_min_hz={feature.f_min_hz} must be greater than 0: an octave below 0 Hz has no end"
        )
    n_bins = getattr(feature, count)
    top_hz = feature.f_min_hz * 2.0 ** ((n_bins - 1) / feature.bins_per_octave)
    if top_hz > feature.sample_rate / 2:
        raise ValueError(
            f"{count}={n_bins} from f_min_hz={feature.f_min_hz} reach to {top_hz:.1f} Hz, above "
            f"{feature.sample_rate / 2:g}, half the sample rate: take fewer bins or a lower f_min_hz"
        )
