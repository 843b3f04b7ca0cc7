"""What is known beside the sound (genre, whether there are drums), given to any head with the embedding.

Each input is a vector (one-hot genre, one number for drums) and may be unknown for a row; a column says whether it is
known, and unknown values are zero. So a head learns from rows with and without, and in use all of it may be missing:
then it sees what it saw for rows where nobody knew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from sonoscope.networks.heads.protocol import Head, as_frames


class Auxiliary(Head):
    """A head that reads further inputs beside the embedding.

    Parameters
    ----------
    dim, n_classes : int
    inputs : mapping of str to int
        Name and size of each further input, in order.
    head : str or mapping
        The head that reads embedding and inputs: a name, or ``name`` and parameters.

    Examples
    --------
    >>> head = Auxiliary(16, 11, inputs={"genre": 5, "drums": 1}, head="linear")
    >>> logits, _ = head(torch.zeros(2, 7, 16), values={"drums": torch.ones(2, 1)})
    >>> tuple(logits.shape)
    (2, 7, 11)
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        inputs: Mapping[str, int] | None = None,
        head: str | Mapping[str, Any] = "framewise_attention",
    ) -> None:
        super().__init__()
        from sonoscope.networks import heads

        self.inputs = dict(inputs or {})
        # Each input has a column more: whether it is known.
        self.head = heads.build(head, dim + sum(size + 1 for size in self.inputs.values()), n_classes)
        self.framewise = self.head.framewise

    def forward(
        self,
        embedding: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        values: Mapping[str, torch.Tensor] | None = None,
        known: Mapping[str, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings, each input's values (batch, size), and which rows (batch,) know them, to logits and attention.

        An input that is not in ``values`` is unknown in every row; one that is not in ``known`` is known in every row.
        """
        values, known = values or {}, known or {}
        unknown_names = (set(values) | set(known)) - set(self.inputs)
        if unknown_names:
            raise ValueError(
                f"unknown input {min(unknown_names)!r}; this head has {', '.join(self.inputs) or 'none'}"
            )
        frames = as_frames(embedding)
        batch, n, _ = frames.shape
        parts = [frames]
        for name, size in self.inputs.items():
            value = values.get(name)
            if value is None:
                row = frames.new_zeros(batch, size + 1)
            else:
                if value.shape != (batch, size):
                    raise ValueError(
                        f"input {name!r} has shape {tuple(value.shape)}, expected {(batch, size)}"
                    )
                is_known = known.get(name, value.new_ones(batch)).to(value.dtype)[:, None]
                # An unknown value may be anything, NaN too.
                row = torch.cat([torch.where(is_known > 0, value, torch.zeros_like(value)), is_known], dim=1)
            parts.append(row[:, None].expand(-1, n, -1).to(frames.dtype))
        return self.head(torch.cat(parts, dim=2), mask)
