"""Backwards: the end first. Sounds that are told by their attack are others then; leave it out for those."""

from __future__ import annotations

import torch

from sonoscope.training.augment.protocol import Draws, EachRow


class TimeInversion(EachRow):
    """Play rows backwards."""

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        return {}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        # Flipped, the padding is at the front; what began behind it comes back to the front.
        n = samples.shape[1]
        back = samples.flip(1)
        if bool((real == n).all()):
            return back
        now = torch.arange(n, device=samples.device)
        return back.gather(1, (now + n - real[:, None]).remainder(n))
