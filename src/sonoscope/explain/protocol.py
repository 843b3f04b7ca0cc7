"""What a method is, and what it is given: one file and one line in ``METHODS`` each.

A method is a frozen dataclass of its parameters that is called with a :class:`Case` and gives :class:`Found`: a map
over the case's cells, (time, frequency). It has

==============  =====================================================================================================
``name``        its key in ``METHODS``
``network``     whether it needs the network in torch, from the weights beside a bundle's graph
``signed``      whether negative values mean that something speaks against the label; else the map is not negative
``reads``       words about it for ``--list``, with the paper
==============  =====================================================================================================

Torch is imported inside functions: a method that needs none works where torch is not installed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sonoscope.explain.views import Window

if TYPE_CHECKING:
    from sonoscope.explain.network import Net

#: Windows that a graph or a network is asked at a time.
BATCH = 16


@dataclass(frozen=True, eq=False)
class Case:
    """One window, and the label that is asked for.

    Attributes
    ----------
    window : Window
        Its cells (time, frequency) and what they are when they are taken away.
    label : int
        Column of the label.
    graph : callable
        What the graph takes of k windows to their logits (k, c).
    net : Net, optional
        The network in torch.
    """

    window: Window
    label: int
    graph: Callable[[np.ndarray], np.ndarray]
    net: Net | None = None

    def ask(self, cells: np.ndarray) -> np.ndarray:
        """Logits (k,) of the label for changed cells (k, time, frequency), by the graph."""
        answers = [
            self.graph(self.window.inputs(cells[first : first + BATCH]))[:, self.label]
            for first in range(0, len(cells), BATCH)
        ]
        return np.concatenate(answers).astype(np.float64)

    def torch(self) -> Net:
        """The network; whoever makes a case for a method that needs one gives it."""
        assert self.net is not None
        return self.net

    def logit(self, cells: Any) -> Any:
        """A tensor of cells (k, time, frequency) to logits (k,), with gradient, by the network."""
        return self.torch().logits(self.window.tensors(cells))[:, self.label]


@dataclass(frozen=True, eq=False)
class Found:
    """A map over a case's cells.

    Attributes
    ----------
    values : np.ndarray, shape (time, frequency)
    time_only : bool
        Whether the method says nothing of frequency; every column is then constant.
    details : dict of str to np.ndarray
        What else there is to keep: weights of attention and so on.
    """

    values: np.ndarray
    time_only: bool = False
    details: dict[str, np.ndarray] = field(default_factory=dict)


class Method(ABC):
    """The contract; see the module."""

    name: ClassVar[str]
    network: ClassVar[bool] = True
    signed: ClassVar[bool] = False
    reads: ClassVar[str]

    @abstractmethod
    def __call__(self, case: Case) -> Found:
        """The map of a case. Raises ``UsageError`` where the model has not what the method looks at."""


def placed(values: np.ndarray, times: np.ndarray, bins: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A coarse map (t', f') whose cells are centred at ``times`` and ``bins`` (in cells), on a grid of ``shape``.

    Linear between the centres. Outside them it is constant along frequency, and along time too if the window ends
    within a cell; where a network looks at less than the window, it falls to nothing at the window's ends.
    """
    if len(times) > 1:
        step, last = times[1] - times[0], shape[0] - 1
        nothing = np.zeros((1, values.shape[1]))
        if times[0] > step:
            times, values = np.append(0, times), np.concatenate([nothing, values])
        if last - times[-1] > step:
            times, values = np.append(times, last), np.concatenate([values, nothing])
    along = np.stack([np.interp(np.arange(shape[0]), times, column) for column in values.T], axis=1)
    return np.stack([np.interp(np.arange(shape[1]), bins, row) for row in along])


def spread(count: int, size: int) -> np.ndarray:
    """Centres of ``count`` equal parts of ``size`` cells."""
    return (np.arange(count) + 0.5) * size / count - 0.5
