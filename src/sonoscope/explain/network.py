"""A network in torch, asked what happens inside: its logits with gradients, its maps, and what it attends to.

Self-attention is caught where it is computed, by torch's function ``scaled_dot_product_attention`` or by a softmax over
a square of scores, so any network's is found without its help. How its tokens lie in time and frequency the backbone
says (``token_grid``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from sonoscope.errors import UsageError
from sonoscope.networks.backbones.protocol import TokenGrid
from sonoscope.networks.build import Network


class Net:
    """A network in evaluation mode.

    Parameters
    ----------
    module : Network
    steps : float
        Input steps (rows, samples) between the cells of a map.

    Attributes
    ----------
    local : bool
        Whether a frame of output depends on a limited field.
    """

    def __init__(self, module: Network, steps: float = 1.0) -> None:
        self._module, self.steps = module.eval().requires_grad_(False), steps
        self.local = module.backbone.local and not module.backbone.clip
        self._inputs = 0

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """Rows (k, time, bins) or samples (k, n) to logits (k, c)."""
        return self._module.window_logits(inputs)

    def with_maps(self, inputs: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Logits, and what each layer that keeps time and frequency made, (k, channels, time', bins'), in order."""
        found: dict[str, torch.Tensor] = {}
        hooks = []
        for name, part in self._module.named_modules():
            if next(part.children(), None) is None:

                def keep(_part: nn.Module, _given: Any, made: Any, name: str = name) -> None:
                    if isinstance(made, torch.Tensor) and made.ndim == 4 and min(made.shape[2:]) > 1:
                        found[name] = made

                hooks.append(part.register_forward_hook(keep))
        try:
            logits = self.logits(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return logits, found

    def listened(self, inputs: torch.Tensor, label: int) -> np.ndarray | None:
        """Weights (frames, heads) by which frames are pooled, each head's sum 1; None: all frames weigh the same."""
        backbone: Any = self._module.backbone
        head: Any = self._module.head
        self._inputs = inputs.shape[1]
        if hasattr(backbone, "listen"):
            weights = backbone.listen(self._module.maps(inputs))[1]
            if weights is not None:
                return weights[0, :, None].numpy()
        if hasattr(head, "listen"):
            return head.listen(backbone.forward_features(self._module.maps(inputs)))[1][0].numpy()
        attention = self._module(inputs)[1][0, :, label]
        if len(attention) < 2 or float(attention.max() - attention.min()) == 0.0:
            return None
        return torch.softmax(attention, dim=0)[:, None].numpy()

    def attending(self, inputs: torch.Tensor) -> list[np.ndarray]:
        """Matrices of self-attention (tokens, tokens) of one window, in the order of layers, heads averaged."""
        self._inputs = inputs.shape[1]
        with _Watching() as watching:
            self.logits(inputs)
        return [matrix.double().numpy() for matrix in watching.matrices]

    def frame_centres(self, count: int, cells: int) -> np.ndarray:
        """Where ``count`` frames of the network are centred, in cells (the network was asked before)."""
        field = self._module.backbone.field
        if field.length(self._inputs) != count:
            return (np.arange(count) + 0.5) * cells / count - 0.5
        return (field.centre + field.stride * np.arange(count)) / self.steps

    def tokens(self, count: int) -> TokenGrid:
        """How ``count`` tokens lie. Raises ``UsageError`` where nobody says."""
        grid = self._module.backbone.token_grid
        if grid is None and count == self._module.backbone.field.length(self._inputs):
            return TokenGrid(1)
        if grid is None or (count - grid.leading) % grid.rows:
            name = self._module.config["backbone"]["name"]
            raise UsageError(
                f"the backbone {name!r} does not say how its {count} tokens lie in time and frequency (token_grid): "
                "take the method integrated, or occlusion"
            )
        return grid


class _Watching(TorchFunctionMode):
    """Inside it every self-attention leaves its matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.matrices: list[torch.Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if func is functional.scaled_dot_product_attention:
            self._keep(_weights(*args, **kwargs))
        elif func in (torch.softmax, torch.Tensor.softmax, functional.softmax):
            self._keep(made)
        return made

    def _keep(self, weights: torch.Tensor) -> None:
        """The first window's, its heads averaged, if every token attends to every token."""
        if weights.ndim == 4 and weights.shape[2] == weights.shape[3] > 1:
            self.matrices.append(weights[0].mean(dim=0))


def _weights(
    query: torch.Tensor,
    key: torch.Tensor,
    _value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """The weights of ``scaled_dot_product_attention`` with these arguments."""
    scores = (query @ key.transpose(-2, -1)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(ahead, -torch.inf)
    if attn_mask is not None:
        masked = (
            scores.masked_fill(~attn_mask, -torch.inf)
            if attn_mask.dtype == torch.bool
            else scores + attn_mask
        )
        scores = masked
    return torch.softmax(scores, dim=-1)
