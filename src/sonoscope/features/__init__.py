"""Features: samples to frames, written once for NumPy (inference) and torch (training).

A feature is a frozen dataclass of its parameters. It has ``hop_samples``, ``left_context`` and
``right_context`` (in samples), ``n_bins``, ``shape(n)``, ``__call__(samples)`` for a whole signal,
``valid(samples)`` without padding, and ``stream()`` where ``streamable``. To add one: a file here and a line
in ``FEATURES``; the contract tests find it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sonoscope.errors import UnknownName, lookup, nearest
from sonoscope.features.logmel import LogMel

FEATURES = {"logmel": LogMel}


def from_dict(spec: dict[str, Any]) -> LogMel:
    """The feature that :func:`to_dict` described. Raises ``UnknownName`` for an unknown feature or
    parameter."""
    parameters = dict(spec)
    kind = lookup(FEATURES, parameters.pop("name"), "feature")
    for key in parameters:
        if key not in kind.__dataclass_fields__:
            near, known = nearest(key, kind.__dataclass_fields__), ", ".join(kind.__dataclass_fields__)
            raise UnknownName(f"unknown parameter {key!r} of feature {kind.name!r}.{near} Known: {known}.")
    return kind(**parameters)


def to_dict(feature: LogMel) -> dict[str, Any]:
    """Name and parameters, ready for JSON."""
    return {"name": feature.name, **asdict(feature)}
