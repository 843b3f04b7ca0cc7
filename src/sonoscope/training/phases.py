"""Which weights learn when, and how fast: phases, layer-wise rates and schedules in one plan.

All parameters are in the optimiser from the first step on, each group of layers as a group of its own; a phase says
which of them learn. What does not learn has ``requires_grad`` off, a rate of zero, and batch normalisation that
neither updates nor uses the batch's statistics, so that it stays bit for bit what it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sonoscope.errors import UnknownName, nearest
from sonoscope.training.config import ALL, FROM, HEAD, Phase, Training
from sonoscope.training.sections import BadConfig

#: One-cycle begins and ends at these shares of its peak (Smith and Topin 2018, arXiv:1708.07120; PyTorch's defaults).
CYCLE_START, CYCLE_END = 1 / 25, 1e-4 / 25


@dataclass(frozen=True)
class Stretch:
    """A phase with the epochs ``[begin, end)`` it covers, and its peak learning rate."""

    phase: Phase
    begin: int
    end: int
    learning_rate: float


class Plan:
    """The phases of a training laid along its epochs and steps.

    Parameters
    ----------
    training : Training
    steps_per_epoch : int

    Raises
    ------
    BadConfig
        If the phases' epochs do not add up to ``training.epochs``.
    """

    def __init__(self, training: Training, steps_per_epoch: int) -> None:
        self._training, self._steps = training, max(steps_per_epoch, 1)
        self.stretches = tuple(_laid_out(training))

    def at(self, epoch: int) -> Stretch:
        """What holds in an epoch; after the last one, the last."""
        return next((each for each in self.stretches if epoch < each.end), self.stretches[-1])

    def at_step(self, step: int) -> Stretch:
        """What holds at a step of the optimiser."""
        return self.at(step // self._steps)

    def rate(self, step: int, layer: int | None, n_layers: int) -> float:
        """Learning rate of a layer of the backbone, counted from the input (None: the head), at a step."""
        stretch = self.at_step(step)
        from_top = 0 if layer is None else n_layers - layer
        total = (stretch.end - stretch.begin) * self._steps
        done = step - stretch.begin * self._steps
        return stretch.learning_rate * stretch.phase.layer_decay**from_top * self._shape(done, total, step)

    def _shape(self, done: int, total: int, step: int) -> float:
        """The schedule within a phase, 0..1; milestones count the epochs of the whole training."""
        training = self._training
        warm = round(training.warm_up * total)
        if training.schedule == "one-cycle":
            if done < warm:
                return _cosine(CYCLE_START, 1.0, done / warm)
            return _cosine(1.0, CYCLE_END, (done - warm) / max(total - warm, 1))
        if done < warm:
            return (done + 1) / (warm + 1)
        if training.schedule == "cosine":
            return _cosine(1.0, 0.0, (done - warm) / max(total - warm, 1))
        if training.schedule == "multi-step":
            return training.gamma ** sum(step // self._steps >= epoch for epoch in training.milestones)
        return 1.0


def _cosine(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


def _laid_out(training: Training) -> Iterable[Stretch]:
    stated = sum(phase.epochs or 0 for phase in training.phases)
    open_ended = [number for number, phase in enumerate(training.phases) if phase.epochs is None]
    if len(open_ended) > 1:
        raise BadConfig("training.phases: only one phase may leave its epochs open")
    if stated > training.epochs or (not open_ended and stated != training.epochs):
        raise BadConfig(
            f"training.phases last {stated} epochs, training.epochs={training.epochs}: "
            "make them equal, or leave the epochs of one phase open"
        )
    begin = 0
    for phase in training.phases:
        end = begin + (training.epochs - stated if phase.epochs is None else phase.epochs)
        yield Stretch(phase, begin, end, phase.learning_rate or training.learning_rate)
        begin = end


def apply(network: Any, phase: Phase) -> int:
    """Let learn what a phase says; return how many parameters do.

    Raises
    ------
    UnknownName
        If the phase names a layer that the backbone has not; the message lists those it has.
    """
    names = network.backbone.layers
    if phase.train == HEAD:
        first = None
    else:
        first = next(iter(names), None) if phase.train == ALL else first_layer(phase, names)
    network.backbone.train_from(first)
    for parameter in network.head.parameters():
        parameter.requires_grad_(True)
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def hold_still(network: nn.Module) -> None:
    """Put batch normalisation that does not learn into evaluation mode, and that which learns (again) out of it."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            own = list(module.parameters(recurse=False))
            if own:
                module.train(any(parameter.requires_grad for parameter in own))


def optimizer(
    network: Any, extra: Iterable[nn.Parameter], plan: Plan, training: Training
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """The optimiser over everything, and its schedule by steps.

    Vectors (biases, gains of normalisation) are not decayed. ``extra`` are parameters of losses: they learn as the
    head does.
    """
    groups: list[dict[str, Any]] = []
    rates: list[Callable[[int], float]] = []
    layers = network.backbone.groups()
    named = [(number, name, parameters) for number, (name, parameters) in enumerate(layers.items())]
    own = {id(parameter) for _, _, parameters in named for parameter in parameters}
    rest = [p for p in network.parameters() if id(p) not in own] + list(extra)
    for layer, name, parameters in [*named, (None, HEAD, rest)]:
        for decay, kept in _by_decay(parameters, training.weight_decay):
            groups.append({"params": kept, "lr": 1.0, "weight_decay": decay, "name": f"{name} {decay:g}"})
            rates.append(_rate_of(plan, layer, tuple(layers)))
    made = _made(groups, training)
    return made, torch.optim.lr_scheduler.LambdaLR(made, rates)


def _rate_of(plan: Plan, layer: int | None, names: Sequence[str]) -> Callable[[int], float]:
    def rate(step: int) -> float:
        return plan.rate(step, layer, len(names)) if learns(plan.at_step(step).phase, layer, names) else 0.0

    return rate


def learns(phase: Phase, layer: int | None, names: Sequence[str]) -> bool:
    """Whether a layer of the backbone (None: the head), counted from the input, learns in a phase."""
    if layer is None or phase.train == ALL:
        return True
    return phase.train != HEAD and layer >= names.index(first_layer(phase, names))


def first_layer(phase: Phase, names: Sequence[str]) -> str:
    """The layer that ``from LAYER`` names.

    Raises
    ------
    UnknownName
        If the backbone has none of that name; the message lists those it has.
    """
    first = phase.train.removeprefix(FROM).strip()
    if first not in names:
        raise UnknownName(
            f"unknown layer {first!r}.{nearest(first, names)} From the input on: {', '.join(names)}."
        )
    return first


def check_layers(phases: Iterable[Phase], names: Sequence[str]) -> None:
    """See that the backbone has the layers that phases name. Raises ``UnknownName`` as :func:`first_layer`."""
    for phase in phases:
        if phase.train not in (HEAD, ALL):
            first_layer(phase, names)


def _by_decay(parameters: list[nn.Parameter], decay: float) -> Iterable[tuple[float, list[nn.Parameter]]]:
    for weight, kept in (
        (decay, [p for p in parameters if p.ndim > 1]),
        (0.0, [p for p in parameters if p.ndim <= 1]),
    ):
        if kept:
            yield weight, kept


def _made(groups: list[dict[str, Any]], training: Training) -> torch.optim.Optimizer:
    # One pass over all weights instead of a dozen. In half precision Lightning does not clip what is fused.
    fused = training.precision == "32" or training.gradient_clip is None
    if training.optimizer == "adamw":
        return torch.optim.AdamW(groups, fused=fused)
    if training.optimizer == "adam":
        return torch.optim.Adam(groups, fused=fused)
    return torch.optim.SGD(groups, momentum=training.momentum, fused=fused)
