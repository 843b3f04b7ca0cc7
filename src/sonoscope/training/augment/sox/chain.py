"""A chain of effects by SoX's names."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from sonoscope.errors import UsageError, lookup
from sonoscope.training.augment.protocol import Draws, EachRow, only_real
from sonoscope.training.augment.sox.effects import EFFECTS, REASONS
from sonoscope.training.augment.sox.words import Given, Number, given


class Sox(EachRow):
    """Put rows through effects, one after the other.

    Parameters
    ----------
    effects : str or sequence of str
        Each as SoX writes it, ``bass 6 100``; a range ``bass -6..6`` is drawn from for every row.

    Raises
    ------
    UnknownName
        If SoX has no such effect.
    UsageError
        If it has and we do not (says why), or the words of an effect cannot be meant.
    """

    def __init__(self, *, sample_rate: int, effects: str | Sequence[str], share: float = 0.5) -> None:
        super().__init__(sample_rate=sample_rate, share=share)
        texts = [effects] if isinstance(effects, str) else list(effects)
        if not texts:
            raise UsageError("sox: effects=[] must name at least one, such as 'bass -6..6'")
        self.chain = [effect(text, sample_rate) for text in texts]

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        return {
            f"{place}.{name}": value
            for place, each in enumerate(self.chain)
            for name, value in each.draw(rows, n, rng).items()
        }

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        for place, each in enumerate(self.chain):
            own = {
                name.partition(".")[2]: value for name, value in drawn.items() if name.startswith(f"{place}.")
            }
            samples = only_real(each.change(samples, real, own), real)
        return samples


def effect(text: str, sample_rate: int) -> EachRow:
    """The effect that a text is. Raises as :class:`Sox` does."""
    name, *words = text.split() or [""]
    if name in REASONS:
        raise UsageError(f"sox: there is no {name!r} here: it {REASONS[name]}")
    kind = lookup(EFFECTS, name, "effect of sox")
    mode = next((word for word in words if word in kind.modes), "")
    words = [word for word in words if word != mode]
    numbers = given(kind.usage, _split(words) if name == "sinc" else words, name)
    _check(name, numbers)
    if name == "vol" and not mode:
        mode = "dB" if _unit(numbers, "gain") == "dB" else "amplitude"
    return kind.make(numbers, mode, sample_rate)


def _split(words: Sequence[str]) -> list[str]:
    """``300-3k``, ``300`` (what is above) and ``-3k`` (what is below) as two numbers, 0 for none."""
    low, _, high = " ".join(words).partition("-")
    return [low or "0", high or "0"]


def _unit(numbers: Given, name: str) -> str:
    said = numbers[name]
    return said.unit if isinstance(said, Number) else ""


#: Names of numbers to the least and the greatest that they may be.
_LEGAL = {
    "frequency": (1.0, 1e6), "knot": (1.0, 1e6), "gain": (-200.0, 200.0), "level": (-200.0, 0.0),
    "factor": (0.1, 10.0), "delay": (0.0, 5000.0), "depth": (0.0, 100.0),
    "regen": (0.0, 0.0), "stop": (0.0, 0.0), "bits": (1.0, 24.0), "cents": (-2400.0, 2400.0),
    "amount": (0.0, 100.0), "in": (0.0, 1e4), "out": (0.0, 1e4), "speed": (0.0, 1e4),
}  # fmt: skip


def _check(name: str, numbers: Given) -> None:
    """Raises ``UsageError`` for numbers that cannot be meant."""
    for word, said in numbers.items():
        low, high = _LEGAL.get(word, (-float("inf"), float("inf")))
        for each in said if isinstance(said, list) else [said]:
            if not low <= each.low <= each.high <= high:
                raise UsageError(f"sox: {name}: {word}={_shown([each])} must lie in {low:g}..{high:g}")
    knots = numbers.get("knot")
    if isinstance(knots, list) and (
        len(knots) < 2 or any(a.high >= b.low for a, b in itertools.pairwise(knots))
    ):
        raise UsageError(f"sox: {name}: at least two frequencies must ascend, got {_shown(knots)}")


def _shown(numbers: Sequence[Number]) -> str:
    return " ".join(
        f"{each.low:g}" if each.low == each.high else f"{each.low:g}..{each.high:g}" for each in numbers
    )
