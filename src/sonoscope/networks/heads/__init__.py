"""Heads: embeddings to logits. One file and one line each.

:mod:`~sonoscope.networks.heads.protocol` says what a head is. Any head goes on any backbone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sonoscope import plugins
from sonoscope.networks.heads.attention import AttentionPooling
from sonoscope.networks.heads.auxiliary import Auxiliary
from sonoscope.networks.heads.cosine import Cosine
from sonoscope.networks.heads.fluffy import Fluffy
from sonoscope.networks.heads.framewise import FramewiseAttention
from sonoscope.networks.heads.linear import Linear
from sonoscope.networks.heads.mlp import MLP
from sonoscope.networks.heads.protocol import Head, pool

HEADS: dict[str, Callable[..., Head]] = {
    "framewise_attention": FramewiseAttention,
    "linear": Linear,
    "mlp": MLP,
    "attention": AttentionPooling,
    "fluffy": Fluffy,
    "cosine": Cosine,
    "auxiliary": Auxiliary,
}

__all__ = ["HEADS", "Head", "build", "pool"]


def build(spec: str | Mapping[str, Any], dim: int, n_classes: int) -> Head:
    """A head from its name, or a mapping of ``name`` and parameters.

    A name is a key of ``HEADS``, a user's own ``file.py:Class``, or an entry point of ``sonoscope.heads``.

    Raises
    ------
    UnknownName
        If there is no such head, or it has no such parameter; the message names the nearest.
    UsageError
        If a class of the user's own cannot be made, or makes no ``Head``.
    """
    name, make, parameters = named(spec)
    if name.endswith(".py") or ".py:" in name:
        return plugins.make(make, name, "head", Head, dim, n_classes, **parameters)
    return make(dim, n_classes, **parameters)


def named(
    spec: str | Mapping[str, Any], *, under: str = ""
) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    """Name, maker and parameters of a head, before it is made. Raises ``UnknownName`` as :func:`build`."""
    return plugins.named(HEADS, spec, "head", ("dim", "n_classes"), under=under)
