"""How a chain of layers looks along time: stride, receptive field, centres and lengths.

Every convolution and every pooling along time is a :class:`Step`; a :class:`Field` is the chain of them. With
kernel ``k``, stride ``s`` and padding ``p`` on both sides, ``n`` input steps give ``(n + 2 p - k) // s + 1``;
the distance between output steps is the product of the strides, and the field grows by ``(k - 1)`` times the
distance before it (Araujo, Norris, Sim 2019, "Computing receptive fields of convolutional neural networks").
Dilation ``d`` is a kernel of ``d (k - 1) + 1``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch

N = TypeVar("N", int, torch.Tensor)


@dataclass(frozen=True)
class Step:
    """One layer along time: kernel and stride in its input steps, and the padding on either side."""

    kernel: int
    stride: int = 1
    padding: int = 0

    def length(self, n: N) -> N:
        """Output steps of ``n`` input steps (an int or an integer tensor); 0 where nothing fits."""
        out = (n + 2 * self.padding - self.kernel) // self.stride + 1
        return out.clamp(min=0) if isinstance(out, torch.Tensor) else max(out, 0)


@dataclass(frozen=True)
class Field:
    """A chain of steps, input side first."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def of(cls, steps: Iterable[Step]) -> Field:
        return cls(tuple(steps))

    @property
    def stride(self) -> int:
        """Input steps between neighbouring output steps."""
        product = 1
        for step in self.steps:
            product *= step.stride
        return product

    @property
    def receptive(self) -> int:
        """Input steps that an output step depends on."""
        size, distance = 1, 1
        for step in self.steps:
            size += (step.kernel - 1) * distance
            distance *= step.stride
        return size

    @property
    def centre(self) -> float:
        """Input step (fractional) that the first output step is centred on."""
        centre, distance = 0.0, 1
        for step in self.steps:
            centre += ((step.kernel - 1) / 2 - step.padding) * distance
            distance *= step.stride
        return centre

    @property
    def valid(self) -> bool:
        """Whether nothing is padded, so that a stretch of output depends on its input only."""
        return all(step.padding == 0 for step in self.steps)

    @property
    def shortest(self) -> int:
        """The fewest input steps that give an output step."""
        n = 1
        for step in reversed(self.steps):
            n = max((n - 1) * step.stride + step.kernel - 2 * step.padding, 1)
        return n

    def length(self, n: N) -> N:
        """Output steps of ``n`` input steps (an int or an integer tensor)."""
        for step in self.steps:
            n = step.length(n)
        return n


def measured(count: Callable[[int], int], n: int) -> Step | None:
    """The step that a network of others takes, from how many frames it gives; ``None`` where they are not regular.

    ``count(n)`` frames of ``n`` input steps are taken to be ``(n - k) // s + 1``, where ``k`` may be 0 or less for
    networks that pad. It is asked some twenty times, for up to ``2 n`` steps.
    """
    here, there = count(n), count(2 * n)
    if there <= here:
        return None
    reach = 2 * -(-n // (there - here))
    first = _smallest(count, here, max(1, n - reach), n)
    second = _smallest(count, here + 1, n, n + reach)
    stride = second - first
    step = Step(first - (here - 1) * stride, stride)
    lengths = (n, 2 * n, n + stride // 2 + 1)
    return step if all(count(one) == step.length(one) for one in lengths) else None


def _smallest(count: Callable[[int], int], frames: int, low: int, high: int) -> int:
    """The fewest steps in ``low..high`` that give at least so many frames, by halving."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) >= frames else (middle + 1, high)
    return low
