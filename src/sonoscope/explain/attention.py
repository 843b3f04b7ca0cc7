"""Attention: what a network listens to, as far as it says so by weights.

In this order, the first that a network has:

- a head or a recurrent network that pools frames by weights: the questions of attention pooling, Bahdanau's weights of
  a CRNN, the label's own weights of ``framewise_attention``. They are of time only, and sum to 1 over the frames;
- the self-attention of a transformer: how much of its answer reads each patch. The answer is the leading tokens, where
  the network classifies by them, or the mean over all patches; heads are averaged. ``layer`` chooses (1 is the first,
  0 the last). ``details`` hold the maps of all layers.

Attention says where a network looked, not whether it spoke for the label (Jain and Wallace 2019, arXiv:1902.10186).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sonoscope.errors import UsageError, one_of
from sonoscope.explain.protocol import Case, Found, Method, placed, spread

KINDS = ("auto", "pooling", "layers")


@dataclass(frozen=True)
class Attention(Method):
    """Parameters.

    Parameters
    ----------
    of : {"auto", "pooling", "layers"}
        Weights of pooling, self-attention of layers, or the first that there is.
    layer : int
        Of a transformer, from 1; 0: the last.
    """

    name: ClassVar[str] = "attention"
    reads: ClassVar[str] = "weights of attention: pooling over frames, or a transformer's layers"

    of: str = "auto"
    layer: int = 0

    def __post_init__(self) -> None:
        one_of(KINDS, self.of, "kind of attention")

    def __call__(self, case: Case) -> Found:
        import torch

        with torch.no_grad():
            inputs = case.window.tensors(torch.from_numpy(case.window.cells)[None])
            listened = None if self.of == "layers" else case.torch().listened(inputs, case.label)
            if listened is not None:
                return self._pooled(case, listened)
            if self.of == "pooling":
                raise UsageError(
                    "this network pools its frames without weights: attention has nothing to show"
                )
            return self._layers(case, inputs)

    @staticmethod
    def _pooled(case: Case, weights: np.ndarray) -> Found:
        """Weights (frames, heads) that sum to 1 over the frames."""
        shape = case.window.cells.shape
        centres = case.torch().frame_centres(len(weights), shape[0])
        # A frame's weight stands at all moments that it is nearest to, so that frames far apart do not fade.
        nearest = np.abs(np.arange(shape[0])[:, None] - centres).argmin(axis=1)
        along = weights.mean(axis=1)[nearest]
        return Found(np.repeat(along[:, None], shape[1], axis=1), True, {"weights": weights})

    def _layers(self, case: Case, inputs: Any) -> Found:
        matrices = self_attention(case, inputs)
        if not -len(matrices) <= self.layer - 1 < len(matrices):
            raise UsageError(f"layer={self.layer} must lie in 1..{len(matrices)}, or be 0 for the last")
        maps = np.stack([laid_out(case, matrix) for matrix in matrices])
        rows = np.stack([answering(case, matrix) for matrix in matrices])
        chosen = maps[self.layer - 1]
        return Found(
            chosen, maps.shape[2] > 1 and np.ptp(chosen, axis=1).max() == 0, {"layers": maps, "weights": rows}
        )


def self_attention(case: Case, inputs: Any) -> list[np.ndarray]:
    """Matrices (tokens, tokens) of the layers, heads averaged; rows sum to 1. Raises ``UsageError``: there is none."""
    matrices = case.torch().attending(inputs)
    if not matrices:
        raise UsageError(
            "this network has no self-attention: take the method gradcam, integrated or occlusion, or attention where "
            "frames are pooled by weights"
        )
    return matrices


def answering(case: Case, matrix: np.ndarray) -> np.ndarray:
    """The row of a matrix of attention that the network's answer is made of, (tokens,): see the module."""
    grid = case.torch().tokens(len(matrix))
    return (
        matrix[: grid.leading].mean(axis=0) if grid.answers_leading else matrix[grid.leading :].mean(axis=0)
    )


def laid_out(case: Case, matrix: np.ndarray) -> np.ndarray:
    """What the answer reads of each patch, over the cells of the window."""
    shape = case.window.cells.shape
    grid = case.torch().tokens(len(matrix))
    values = answering(case, matrix)[grid.leading :]
    patches = values.reshape(grid.rows, -1).T if grid.bins_first else values.reshape(-1, grid.rows)
    times = case.torch().frame_centres(len(patches), shape[0])
    if not case.window.are_rows:
        patches = patches.mean(axis=1, keepdims=True)
    return placed(patches, times, spread(patches.shape[1], shape[1]), shape)
