"""A convolutional network on visible cells only, as if hidden ones did not exist.

Convolutions become submanifold ones (Graham and van der Maaten 2017, arXiv:1706.01307; in SparK, Tian et al. 2023,
arXiv:2301.03580, computed densely as here): a cell of output exists where the cell in the middle of its kernel exists
in the input, all others are 0, and batch normalisation counts those that exist. What was hidden therefore cannot be
learned from any cell, and the visible ones keep the distribution they have in use.

The network itself is unchanged: :func:`visible` exchanges the ``forward`` of its convolutions and normalisations for as
long as it is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn
from torch.nn import functional


@dataclass
class Scene:
    """Which cells exist, (batch, 1, time, bins) of 0 and 1, and what a pass through the network left.

    ``levels`` maps a size (time, bins) to the last maps of that size and the cells that exist in them, fine to coarse.
    """

    exists: torch.Tensor
    levels: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)


@contextmanager
def visible(network: nn.Module, exists: torch.Tensor) -> Iterator[Scene]:
    """Let ``network`` work on cells where ``exists`` (batch, 1, time, bins) is 1; yields what it leaves."""
    scene = Scene(exists)
    changed: list[nn.Module] = []
    try:
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.forward = partial(_convolve, scene, module)  # type: ignore[method-assign]
            elif isinstance(module, nn.BatchNorm2d):
                module.forward = partial(_normalise, scene, module)  # type: ignore[method-assign]
            else:
                continue
            changed.append(module)
        yield scene
    finally:
        for module in changed:
            del module.forward


def _convolve(scene: Scene, layer: nn.Conv2d, maps: torch.Tensor) -> torch.Tensor:
    before = _sized(scene.exists, maps)
    scene.exists = _after(layer, before)
    return _kept(scene, layer._conv_forward(maps * before, layer.weight, layer.bias) * scene.exists)


def _after(layer: nn.Conv2d, exists: torch.Tensor) -> torch.Tensor:
    """Which cells of the layer's output exist: those whose middle does."""
    size = layer.kernel_size
    kernel = exists.new_zeros(1, 1, *size)
    kernel[0, 0, size[0] // 2, size[1] // 2] = 1.0
    return functional.conv2d(exists, kernel, None, layer.stride, layer.padding, layer.dilation)


def _normalise(scene: Scene, norm: nn.BatchNorm2d, maps: torch.Tensor) -> torch.Tensor:
    exists = scene.exists = _sized(scene.exists, maps)
    if norm.training:
        mean, variance = _moments(norm, maps, exists)
    else:
        assert norm.running_mean is not None and norm.running_var is not None
        mean, variance = norm.running_mean, norm.running_var
    scale = torch.rsqrt(variance + norm.eps) * norm.weight
    shift = norm.bias - mean * scale
    return _kept(scene, (maps * scale[None, :, None, None] + shift[None, :, None, None]) * exists)


def _moments(
    norm: nn.BatchNorm2d, maps: torch.Tensor, exists: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of each channel over the cells that exist; the running ones take a step towards them."""
    count = exists.sum().clamp(min=2.0)
    mean = (maps * exists).sum(dim=(0, 2, 3)) / count
    variance = ((maps - mean[None, :, None, None]) * exists).square().sum(dim=(0, 2, 3)) / count
    with torch.no_grad():
        assert norm.running_mean is not None and norm.running_var is not None and norm.momentum is not None
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * count / (count - 1.0), norm.momentum)
    return mean, variance


def _kept(scene: Scene, maps: torch.Tensor) -> torch.Tensor:
    size = (maps.shape[2], maps.shape[3])
    scene.levels[size] = maps, scene.exists
    return maps


def _sized(exists: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """``exists`` after a pooling that nothing announced: the cell nearest to each one's place."""
    size = maps.shape[2:]
    return exists if exists.shape[2:] == size else functional.interpolate(exists, size, mode="nearest")
