"""Attention rollout: a transformer's self-attention followed back through all its layers to the patches.

Abnar and Zuidema 2020 (arXiv:2005.00928), eq. 1: each layer mixes as ``(W + 1) / 2``, half attention (heads averaged)
and half the residual beside it, and the layers' matrices are multiplied. The row of the answer says how much of each
patch arrives there. Rows sum to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sonoscope.explain.attention import answering, laid_out, self_attention
from sonoscope.explain.protocol import Case, Found, Method


@dataclass(frozen=True)
class Rollout(Method):
    """No parameters."""

    name: ClassVar[str] = "rollout"
    reads: ClassVar[str] = "self-attention through all layers (Abnar, Zuidema 2020)"

    def __call__(self, case: Case) -> Found:
        import torch

        with torch.no_grad():
            inputs = case.window.tensors(torch.from_numpy(case.window.cells)[None])
            matrices = self_attention(case, inputs)
        through = np.eye(len(matrices[0]))
        for matrix in matrices:
            through = 0.5 * (matrix + np.eye(len(matrix))) @ through
        return Found(laid_out(case, through), details={"weights": answering(case, through)})
