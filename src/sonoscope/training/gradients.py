"""Gradients for TensorBoard: once an epoch, how large each layer's is, and how its values are spread."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

#: Values that a histogram is made of, about: evenly drawn from a larger layer.
MOST = 100_000


class Gradients(Callback):
    """Writes ``gradient_norm`` of the whole network and of its parts, and a histogram for each layer's weights.

    Of the first batch of each epoch, as it comes from the loss: before it is clipped, and in half precision before it
    is scaled back. Nothing is written where TensorBoard is not installed.
    """

    def on_after_backward(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        writer = board(trainer)
        if writer is None or trainer.fit_loop.batch_idx:
            return
        parts: dict[str, float] = {}
        step = trainer.global_step
        for name, weights in module.named_parameters():
            if weights.grad is None:
                continue
            gradient = weights.grad.detach().float()
            if not bool(torch.isfinite(gradient).all()):
                continue
            part = part_of(name)
            parts[part] = parts.get(part, 0.0) + float(gradient.square().sum())
            if weights.ndim > 1:
                values = gradient.flatten()
                writer.add_histogram(f"gradient/{name}", values[:: max(len(values) // MOST, 1)], step)
        for part, square in {**parts, "whole": sum(parts.values())}.items():
            writer.add_scalar(f"gradient_norm/{part}", square**0.5, step)


def part_of(name: str) -> str:
    """Which part of a network a weight belongs to.

    >>> part_of("network.backbone.stages.0.weight"), part_of("network.head.logits.bias"), part_of("scale")
    ('backbone', 'head', 'scale')
    """
    steps = name.split(".")
    return next((step for step in steps if step in ("backbone", "head")), steps[0])


def board(trainer: lightning.Trainer) -> Any:
    """The writer of TensorBoard's files, if there is one and this process leads."""
    writer = getattr(trainer.logger, "experiment", None) if trainer.is_global_zero else None
    return writer if hasattr(writer, "add_histogram") else None
