"""Effects as SoX writes them, ``bass 6 100 0.5s``, and what their words are.

A number may be followed by ``k`` (thousands), a unit of widths (``q`` quality, ``o`` octaves, ``h`` Hz, ``s`` slope) or
``dB``; and where SoX has one number there may be a range here, ``bass -6..6``, which every row draws from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from sonoscope.errors import UsageError

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_WORD = re.compile(rf"({_NUMBER})(k?)(?:\.\.({_NUMBER})(k?))?([a-zA-Z%]*)")
UNITS = ("", "q", "o", "h", "s", "dB", "%")


@dataclass(frozen=True)
class Number:
    """What a word says: a range (both ends the same: a number), and the unit behind it."""

    low: float
    high: float
    unit: str = ""


#: The words of an effect by name; a list where a name repeats.
Given = Mapping[str, Number | list[Number]]
#: The same drawn for rows: (rows,), or (rows, count) where a name repeats; float64.
Values = Mapping[str, torch.Tensor]


def number(word: str, where: str) -> Number:
    """The number or range that a word is.

    Raises
    ------
    UsageError
        If it is neither, its ends are not in order, or nobody knows its unit.
    """
    found = _WORD.fullmatch(word)
    if found is None or found[5] not in UNITS:
        raise UsageError(
            f"sox: {where}: {word!r} is no number such as 3k, 0.7q or -6dB, and no range such as -6..6"
        )
    low = float(found[1]) * (1000.0 if found[2] else 1.0)
    high = low if found[3] is None else float(found[3]) * (1000.0 if found[4] else 1.0)
    if low > high:
        raise UsageError(f"sox: {where}: the range {word!r} must ascend")
    return Number(low, high, found[5])


def given(usage: str, words: Sequence[str], where: str) -> dict[str, Number | list[Number]]:
    """The words of an effect by the names of its usage.

    ``usage`` is such as ``gain frequency=100 width=0.5s``: names in order, those that may be left out with what they
    are then. Names that end in ``...`` repeat together.

    Raises
    ------
    UsageError
        If there are too few words or too many.
    """
    parts = usage.split()
    names = [part.partition("=")[0] for part in parts]
    single = [name for name in names if not name.endswith("...")]
    repeated = [name.removesuffix("...") for name in names if name.endswith("...")]
    defaults = [part.partition("=")[2] for part in parts[: len(single)]]
    least = sum(not default for default in defaults)
    extra = len(words) - len(single)
    if (
        len(words) < least
        or (extra > 0 and not repeated)
        or (repeated and (extra < 1 or extra % len(repeated)))
    ):
        raise UsageError(f"sox: {where} takes {usage or 'no words'}, got {' '.join(words) or 'nothing'}")
    texts = [words[k] if k < len(words) else default for k, default in enumerate(defaults)]
    found: dict[str, Number | list[Number]] = {
        name: number(text, where) for name, text in zip(single, texts, strict=True)
    }
    for k, name in enumerate(repeated):
        found[name] = [number(word, where) for word in words[len(single) + k :: len(repeated)]]
    return found


def drawn(numbers: Given, rows: int, rng: torch.Generator) -> dict[str, torch.Tensor]:
    """Numbers for so many rows, each by its own draw where it is a range."""

    def column(each: Number) -> torch.Tensor:
        if each.low == each.high:
            return torch.full((rows,), each.low, dtype=torch.float64)
        return each.low + (each.high - each.low) * torch.rand(rows, generator=rng, dtype=torch.float64)

    return {
        name: torch.stack([column(each) for each in said], dim=1) if isinstance(said, list) else column(said)
        for name, said in numbers.items()
    }
