"""How loud a sound is, and how loud it shall be against another: distributions of levels in dB, as text and as data.

======================  ======================================================================
``-6..6``               every level between -6 dB and +6 dB is equally likely (``uniform:-6,6``)
``0``                   always 0 dB; ``choice:-12,-6,0`` is one of several
``normal:-3,4``         mean -3 dB, standard deviation 4 dB, cut at three of them
``triangular:-12,0,3``  least, likeliest and greatest level
======================  ======================================================================
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sonoscope.errors import UsageError, lookup

#: Blocks in which loudness is measured: long enough for the lowest notes, short against an attack.
BLOCK_S = 0.05
#: Blocks that are this much quieter than the loudest are rests and decays: they do not make a sound quieter.
GATE_DB = 20.0
#: A part that stays this far below its own loudness everywhere is a rest, not an instrument.
AUDIBLE_DB = -28.0
#: A sound whose level is under this holds nothing that could be mixed.
SILENT_DB = -80.0
#: Beyond this many standard deviations nothing is drawn: one level in 400 would be, and could be any.
_NORMAL_CUT = 3.0
_RANGE = re.compile(r"([+-]?[\d.]+)\s*\.\.\s*([+-]?[\d.]+)")
_FORMS = "-6..6, 0, normal:MEAN,DEVIATION, triangular:LEAST,LIKELIEST,GREATEST or choice:A,B,C"


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _normal(rng: np.random.Generator, mean: float, deviation: float) -> float:
    return mean + deviation * float(np.clip(rng.standard_normal(), -_NORMAL_CUT, _NORMAL_CUT))


def _triangular(rng: np.random.Generator, least: float, likeliest: float, greatest: float) -> float:
    return float(rng.triangular(least, likeliest, greatest)) if least < greatest else least


def _choice(rng: np.random.Generator, *values: float) -> float:
    return values[int(rng.integers(len(values)))]


#: Every distribution: how a level is drawn, and how many values state it (None: any number).
DISTRIBUTIONS: Mapping[str, tuple[Callable[..., float], int | None]] = {
    "uniform": (_uniform, 2),
    "normal": (_normal, 2),
    "triangular": (_triangular, 3),
    "choice": (_choice, None),
}


@dataclass(frozen=True)
class Levels:
    """A distribution of levels in dB: its ``kind`` (:data:`DISTRIBUTIONS`) and the ``values`` that state it.

    Raises
    ------
    UnknownName
        If there is no such kind.
    UsageError
        If the values are too few, too many, not finite or not in order.
    """

    kind: str = "uniform"
    values: tuple[float, ...] = (-6.0, 6.0)

    def __post_init__(self) -> None:
        _, wanted = lookup(DISTRIBUTIONS, self.kind, "distribution of levels")
        shown = ", ".join(f"{value:g}" for value in self.values)
        if not self.values or (wanted is not None and len(self.values) != wanted):
            raise UsageError(
                f"levels {self.kind}:{shown} must state {wanted or 'at least one'} value(s): {_FORMS}"
            )
        if not all(math.isfinite(value) for value in self.values):
            raise UsageError(f"levels {self.kind}:{shown} must be finite numbers of dB")
        if self.kind in ("uniform", "triangular") and list(self.values) != sorted(self.values):
            raise UsageError(f"levels {self.kind}:{shown} must ascend")
        if self.kind == "normal" and self.values[1] < 0:
            raise UsageError(f"levels {self.kind}:{shown}: a standard deviation is not negative")

    def draw(self, rng: np.random.Generator) -> float:
        """One level in dB."""
        return DISTRIBUTIONS[self.kind][0](rng, *self.values)

    def __str__(self) -> str:
        values = [f"{value:g}" for value in self.values]
        if self.kind == "uniform":
            return "..".join(values)
        return values[0] if self.kind == "choice" and len(values) == 1 else f"{self.kind}:{','.join(values)}"


def parse(text: str) -> Levels:
    """The distribution that a text states: the forms above.

    Raises
    ------
    UsageError
        If it states none; says which forms there are.

    Examples
    --------
    >>> parse("-6..6")
    Levels(kind='uniform', values=(-6.0, 6.0))
    >>> str(parse("uniform:-6,6")), str(parse("0")), str(parse("normal:-3, 4"))
    ('-6..6', '0', 'normal:-3,4')
    """
    text = text.strip()
    kind, colon, rest = text.partition(":")
    try:
        if span := _RANGE.fullmatch(text):
            return Levels("uniform", (float(span[1]), float(span[2])))
        if not colon:
            return Levels("choice", (float(text),))
        return Levels(kind, tuple(float(value) for value in rest.split(",")))
    except ValueError:
        raise UsageError(f"levels {text!r} are no numbers of dB: {_FORMS}") from None


def block_powers(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean squares of blocks of :data:`BLOCK_S`, float64; the last block may be shorter."""
    size = max(round(BLOCK_S * sample_rate), 1)
    starts = np.arange(0, samples.size, size)
    if not starts.size:
        return np.zeros(0)
    sums = np.add.reduceat(np.square(samples, dtype=np.float64), starts)
    return sums / np.diff(np.append(starts, samples.size))


def loudness_db(samples: np.ndarray, sample_rate: int) -> float:
    """Level of a mono signal in dB re full scale: the mean square of the blocks within 20 dB of the loudest.

    A full-scale sine has -3 dB, however much silence is around it. Silence, and no samples at all, give -200 dB.
    """
    powers = block_powers(samples, sample_rate)
    if not powers.size or powers.max() <= 1e-20:
        return -200.0
    heard = powers[powers >= powers.max() * 10.0 ** (-GATE_DB / 10.0)]
    return 10.0 * math.log10(heard.mean())
