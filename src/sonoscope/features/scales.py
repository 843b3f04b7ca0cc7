"""How powers are given: in decibels re full scale, as they are, or as magnitudes.

All of them begin with ``max(power, floor)``: silence has a finite level, and the gradient is finite everywhere.
"""

from __future__ import annotations

import numpy as np

from sonoscope.features.frames import Array, backend

#: What ``output`` may be.
OUTPUTS = ("db", "power", "magnitude")
#: Smallest normal float32, 2 ** -126, rounded up.
SMALLEST_FLOOR = 1.2e-38


def scaled(power: Array, output: str, floor: float) -> Array:
    """``max(power, floor)`` in dB, as power or as magnitude."""
    xp = backend(power)
    power = xp.clip(power, floor, None)
    if output == "db":
        return 10.0 * xp.log10(power)
    return power if output == "power" else xp.sqrt(power)


def silence(output: str, floor: float) -> float:
    """What :func:`scaled` makes of no power at all."""
    return float(scaled(np.zeros(1, dtype=np.float32), output, floor)[0])
