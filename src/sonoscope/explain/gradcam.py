"""Grad-CAM: which maps of a convolutional layer speak for the label, and where they are strong.

Selvaraju et al. 2017 (arXiv:1610.02391), eq. 1 and 2: ``relu(Σ_k w_k A_k)`` with ``w_k`` the mean over a map of the
logit's gradient. The layer is the last one whose output still has both time and frequency (of an ensemble, that of
each member), unless another is named; earlier ones are finer and say less of the label.

The layer's cells are laid where they look: for a network whose output depends on a limited field, the centre of the
squared gradient of some of its cells tells where on the input they are, and a line through these where all are (a
network without padding sees nothing of a window's edges, and its map must not be stretched over them). Other networks'
maps are stretched over the window.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import numpy as np

from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.explain.protocol import Case, Found, Method, placed, spread

#: Cells along an axis that are asked where they look.
PROBES = 6


@dataclass(frozen=True)
class GradCam(Method):
    """Parameters: the layer by the name that the network has for it (``backbone.convolutions.9``); empty: the last.

    A pattern (``backbone.members.*.convolutions.9``) names the same layer of all members of an ensemble.
    """

    name: ClassVar[str] = "gradcam"
    reads: ClassVar[str] = "maps of a layer, weighed by their gradient (Selvaraju 2017)"

    layer: str = ""

    def __call__(self, case: Case) -> Found:
        import torch

        inputs = case.window.tensors(torch.from_numpy(case.window.cells)[None]).detach().requires_grad_()
        logits, layers = case.torch().with_maps(inputs)
        chosen = [layers[name] for name in self._chosen(layers)]
        gradients = torch.autograd.grad(logits[0, case.label], chosen, retain_graph=True)
        maps, gradient = torch.cat(chosen, dim=1), torch.cat(gradients, dim=1)
        weights = gradient.mean(dim=(2, 3), keepdim=True)
        values = (weights * maps).sum(dim=1)[0].relu().detach().double().numpy()
        times, bins = self._places(case, inputs, chosen[0])
        shape = case.window.cells.shape
        time_only = not case.window.are_rows
        if time_only:
            # Rows of another kind: their moment is known, their bins are no frequencies.
            values, bins = values.mean(axis=1, keepdims=True), np.zeros(1)
        times = times / case.torch().steps
        return Found(
            placed(values, times, bins, shape), time_only, {"weights": weights.flatten().detach().numpy()}
        )

    def _chosen(self, layers: dict[str, Any]) -> list[str]:
        """The layer, or those that a pattern names; without one, the last of each member."""
        if not layers:
            raise UsageError(
                "gradcam needs maps of time and frequency inside the network, and this one has none: take the method "
                "integrated, or attention where it attends"
            )
        alike = self.layer or re.sub(r"\.members\.\d+\.", ".members.*.", list(layers)[-1])
        chosen = [name for name in layers if fnmatchcase(name, alike)]
        if not chosen:
            raise UnknownName(
                f"unknown layer {self.layer!r}.{nearest(self.layer, layers)} Those with maps: {', '.join(layers)}."
            )
        return chosen

    @staticmethod
    def _places(case: Case, inputs: Any, maps: Any) -> tuple[np.ndarray, np.ndarray]:
        """Where a layer's rows and columns are centred, in the input's rows and bins."""
        sizes = maps.shape[2:], inputs.shape[1:] if inputs.ndim == 3 else (inputs.shape[1], 1)
        found = [spread(count, size) for count, size in zip(*sizes, strict=True)]
        if not case.torch().local or inputs.ndim != 3:
            return found[0], found[1]
        probes = [
            np.unique(np.linspace(0, count - 1, min(count, PROBES)).round()).astype(int) for count in sizes[0]
        ]
        longest = max(len(some) for some in probes)
        seen: list[list[tuple[int, float]]] = [[], []]
        for k in range(longest):
            at = [int(some[k % len(some)]) for some in probes]
            centre = _looks_at(inputs, maps, at)
            if centre is not None:
                for axis in range(2):
                    seen[axis].append((at[axis], centre[axis]))
        for axis, points in enumerate(seen):
            if len({place for place, _ in points}) > 1:
                slope, offset = np.polyfit([at for at, _ in points], [looked for _, looked in points], 1)
                if slope > 0:
                    found[axis] = offset + slope * np.arange(sizes[0][axis])
        return found[0], found[1]


def _looks_at(inputs: Any, maps: Any, at: list[int]) -> tuple[float, float] | None:
    """The centre of the squared gradient of a cell of a layer, in rows and bins; None for a cell that is dead."""
    import torch

    (gradient,) = torch.autograd.grad(maps[0, :, at[0], at[1]].sum(), inputs, retain_graph=True)
    power = gradient[0].double().square().numpy()
    if not power.sum() > 0:
        return None
    # Normalisation over the bins of a frame lets every bin have a little of every other.
    power = np.where(power > 0.01 * power.max(), power, 0)
    total = power.sum()
    across, up = (np.arange(size) for size in power.shape)
    return float(power.sum(axis=1) @ across / total), float(power.sum(axis=0) @ up / total)
