"""A note network in torch, asked for one answer about one key: see :class:`~sonoscope.explain.network.Net`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from sonoscope.errors import UsageError
from sonoscope.explain.network import Net
from sonoscope.networks.notes import NoteNetwork

if TYPE_CHECKING:
    from sonoscope.explain.notes import NoteWindow


class NoteNet(Net):
    """A network of which one answer counts.

    Parameters
    ----------
    module : NoteNetwork
    window : NoteWindow
        Makes rows of gains.
    table, column : int
        Which answer.
    around : int
        So many rows on either side the answer does not depend on.
    """

    def __init__(self, module: NoteNetwork, window: NoteWindow, table: int, column: int, around: int) -> None:
        self._notes = module.eval().requires_grad_(False)
        self._answer, self._around = (table, column), around
        self._quiet = torch.from_numpy(window.quiet)
        self._above, self._times = torch.from_numpy(window.rows - window.quiet), window.times
        self.steps, self.local = 1.0, True

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """Gains (k, time, pitch) to the logit of the answer, (k, 1)."""
        table, column = self._answer
        rows = self._quiet + inputs.repeat(1, 1, self._times) * self._above
        return self._notes(rows[:, self._around : -self._around])[table][:, 0, column, None]

    def with_maps(self, inputs: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Refused: a note is an answer of one place, and the mean gradient of a map tells nothing of that place.

        Raises
        ------
        UsageError
        """
        raise UsageError(
            "gradcam weighs maps by what they do everywhere, and a note is an answer of one moment and key: take the "
            "method integrated, saliency or occlusion"
        )

    def listened(self, inputs: torch.Tensor, label: int) -> np.ndarray | None:
        """None: it pools nothing."""
        return None

    def attending(self, inputs: torch.Tensor) -> list[np.ndarray]:
        """Nothing: it is made of convolutions."""
        return []
