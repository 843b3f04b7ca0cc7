"""Keys and the values they may have: each of several for a sweep, and ranges as well for a search.

``network.head=mlp,fluffy``                values by commas (in brackets where one has commas)
``training.learning_rate=1e-4..1e-2:log``  a range with both its ends; ``:log``: as likely by powers of ten
``training.batch_size=8..64:8``            in steps of 8; ends without a point are whole numbers

A key may be its last part where only one section has it (``learning_rate``, ``head``), or a word of another system that
names one key here (``lr``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sonoscope.training import aliases
from sonoscope.training.sections import BadConfig

#: How a search spreads its draws over a range.
LOG = "log"

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?::(.+))?")


@dataclass(frozen=True)
class Choices:
    """A key and the words that it may be set to."""

    key: str
    values: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(f"{self.key}={value}" for value in self.values)


@dataclass(frozen=True)
class Range:
    """A key and the numbers it may be set to, ``low`` to ``high``; ``step`` 0: any between them."""

    key: str
    low: float
    high: float
    whole: bool
    log: bool = False
    step: float = 0.0

    def word(self, value: float) -> str:
        """``key=value``, in no more digits than anybody needs."""
        return f"{self.key}={int(value) if self.whole else format(value, '.6g')}"


Axis = Choices | Range


def axis(text: str, *, ranges: bool, option: str = "--sweep") -> Axis:
    """What ``key=…`` lets a key be.

    Parameters
    ----------
    ranges : bool
        Whether a range is allowed: a search draws from it, a sweep cannot.

    Raises
    ------
    BadConfig
        If it cannot be meant; says how it is written.
    """
    key, sign, values = text.partition("=")
    if not sign or not key or not values:
        raise BadConfig(f"{option} {text!r} must be key=a,b" + (" or key=low..high" if ranges else ""))
    key = aliases.place_of(key)
    match = _RANGE.fullmatch(values)
    if match is None:
        return Choices(key, tuple(_apart(values)))
    if not ranges:
        raise BadConfig(
            f"{option} {text!r} is a range, which a sweep cannot try out: name values, or add --search N"
        )
    return _range(key, *match.groups(), text=f"{option} {text}")


def _range(key: str, first: str, last: str, how: str | None, *, text: str) -> Range:
    low, high = float(first), float(last)
    whole = all(end.lstrip("+-").isdigit() for end in (first, last))
    log = how == LOG
    step = 0.0
    if how is not None and not log:
        try:
            step = float(how)
        except ValueError:
            raise BadConfig(f"{text}: ':{how}' must be ':log', or a step such as ':0.1'") from None
        if step <= 0 or (whole and step != int(step)):
            raise BadConfig(f"{text}: a step of {how} must be above 0" + (", and whole" if whole else ""))
    if not low < high:
        raise BadConfig(f"{text}: {first} must lie below {last}")
    if log and low <= 0:
        raise BadConfig(f"{text}: {first} must lie above 0 for :log")
    return Range(key, low, high, whole, log, step)


def axes(texts: Sequence[str], *, ranges: bool) -> list[Axis]:
    """Each text's axis. Raises ``BadConfig`` also where a key is named twice."""
    found = [axis(text, ranges=ranges) for text in texts]
    for number, each in enumerate(found):
        if each.key in {other.key for other in found[:number]}:
            raise BadConfig(f"--sweep names {each.key} twice: give all its values at once")
    return found


def _apart(text: str) -> list[str]:
    """Values by commas that are in no brackets."""
    found, depth = [""], 0
    for sign in text:
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and depth == 0:
            found.append("")
        else:
            found[-1] += sign
    return found
