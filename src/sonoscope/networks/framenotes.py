"""Any backbone and head that answer for every frame, as a network of notes: onset, sustain, velocity of 88 keys.

The head has three classes for each key, in the order of :data:`~sonoscope.networks.notes.OUTPUTS`. Backbone and head
must be valid in time and answer for every row (stride 1), so that what is written as a bundle of notes can be run over
recordings of any length, in blocks and live, as the model ``notes`` is.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from sonoscope.errors import UsageError
from sonoscope.networks.build import Network
from sonoscope.networks.notes import KEYS, OUTPUTS, NoteNetwork

#: Classes that the head of a network of notes has.
CLASSES = len(OUTPUTS) * KEYS
#: Share of keys and frames that have an onset, a note: what the head answers before it has learnt anything.
PRIORS = (0.005, 0.04, 0.5)


class FrameNotes(nn.Module):
    """A network of 264 classes whose frames are notes.

    Parameters
    ----------
    network : Network
        Poolable, of stride 1, with an odd receptive field.

    Attributes
    ----------
    receptive_field, look_ahead : int
        Rows that an output frame depends on, and how many of them lie after its own.

    Raises
    ------
    UsageError
        If the network does not answer for every row.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        name = network.config["backbone"]["name"]
        if not network.poolable or network.backbone.stride_frames != 1 or network.takes_samples:
            raise UsageError(
                f"the backbone {name!r} with the head {network.config['head']['name']!r} does not answer for every "
                "frame: notes need one that is valid in time and of stride 1, such as local_transformer, or valid_cnn "
                "with stages of stride [1, …], and a head over frames"
            )
        self.network = network
        self.receptive_field = network.backbone.receptive_field
        if self.receptive_field % 2 == 0:
            raise UsageError(
                f"the backbone {name!r} sees {self.receptive_field} frames: notes need an odd number, so that "
                "one is in the middle; choose odd kernels"
            )
        self.look_ahead = self.receptive_field // 2

    @property
    def config(self) -> dict[str, Any]:
        """Of the network within."""
        return self.network.config

    @property
    def mean(self) -> torch.Tensor:
        """What rows are normalised by, (n_bins,)."""
        return self.network.mean

    @property
    def std(self) -> torch.Tensor:
        return self.network.std

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(batch, time, n_bins) to logits of onset, sustain, velocity, (batch, time - field + 1, 88) each."""
        return self.network(rows)[0].unflatten(2, (len(OUTPUTS), KEYS)).unbind(dim=2)

    def inference(self) -> FrameNotes:
        """A copy on the CPU in evaluation mode."""
        return copy.deepcopy(self).cpu().eval()

    def begin_modestly(self) -> None:
        """Let the head's last layer answer with :data:`PRIORS`: few keys sound, fewer begin."""
        last = [module for module in self.network.head.modules() if isinstance(module, nn.Linear)][-1]
        if last.bias is not None and len(last.bias) == CLASSES:
            priors = np.repeat(np.log(np.array(PRIORS) / (1 - np.array(PRIORS))), KEYS)
            with torch.no_grad():
                last.bias.copy_(torch.as_tensor(priors))


#: What is exported as a bundle of notes.
Heard = NoteNetwork | FrameNotes
