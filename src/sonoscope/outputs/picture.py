"""What pictures of results share: colours, words that XML takes, the scale of time, and how a notebook shows one."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Literal

from sonoscope.errors import UsageError
from sonoscope.outputs.rows import text as as_text

#: Colours that can be told apart by those who see few (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#b8a800")
PAPER, GREY, LINE, INK = "#ffffff", "#f0f0f0", "#c8c8c8", "#444444"


class Picture(str):
    """An SVG document, which a notebook draws."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self):,} characters of SVG)"


def kind(path: str | os.PathLike[str], what: str) -> Literal["svg", "png"]:
    """By its ending, what a picture is written as. Raises ``UsageError`` for another than ``.svg`` and ``.png``."""
    ending = Path(path).suffix.lower()
    if ending == ".svg":
        return "svg"
    if ending == ".png":
        return "png"
    raise UsageError(f"{os.fspath(path)!r}: {what} are written as .svg or .png")


def ticks(seconds: float, wanted: float) -> Iterator[float]:
    """Whole multiples, from 0 to ``seconds``, of the round step that is not much less than ``wanted`` seconds."""
    tens = 10 ** math.floor(math.log10(wanted))
    step = next(tens * k for k in (1, 2, 5, 10) if tens * k >= wanted * 0.999)
    for number in range(math.floor(seconds / step + 1e-9) + 1):
        yield round(number * step, 6)


def rect(x: float, y: float, width: float, height: float, style: str, title: str = "") -> str:
    """An SVG rectangle; pointing at it shows its title."""
    shape = f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" {style}'
    return f"{shape}><title>{written(title)}</title></rect>" if title else f"{shape}/>"


def plain(words: str) -> str:
    """A text without control characters, which XML and fonts cannot show."""
    return "".join(c if c >= " " else " " for c in as_text(words))


def written(words: str) -> str:
    """The same as XML has it."""
    return escape(plain(words), quote=False)
