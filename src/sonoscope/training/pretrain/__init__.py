"""Pre-training: a backbone learns from sound without labels, by a pretext. One file and one line each.

``protocol.py`` says what a pretext is; :func:`fit` trains one from a configuration with ``kind: pretrain`` and leaves
``backbone.safetensors``, which another training begins with: ``network.init_from=RUN``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sonoscope import plugins
from sonoscope.networks.build import Network
from sonoscope.training.pretrain.contrastive import Contrasted
from sonoscope.training.pretrain.engine import fit
from sonoscope.training.pretrain.masked import Masked
from sonoscope.training.pretrain.masked_convolution import MaskedConvolution
from sonoscope.training.pretrain.protocol import Pretext, Told
from sonoscope.training.pretrain.shuffled import Shuffled

PRETEXTS: dict[str, Callable[..., Pretext]] = {
    "masked": Masked,
    "masked_convolution": MaskedConvolution,
    "shuffled": Shuffled,
    "contrastive": Contrasted,
}

__all__ = ["PRETEXTS", "Pretext", "Told", "build", "fit"]


def build(spec: str | Mapping[str, Any], network: Network, frames: int) -> Pretext:
    """A pretext from its name, or a mapping of ``name`` and parameters, for a network and rows of a window.

    A name is a key of ``PRETEXTS``, a user's own ``file.py:Class``, or an entry point ``sonoscope.pretexts``.

    Raises
    ------
    UnknownName
        If there is no such pretext, or it has no such parameter; the message names the nearest.
    UsageError
        If it does not go with the network.
    """
    make, parameters = named(spec)
    return make(network, frames, **parameters)


def named(spec: str | Mapping[str, Any]) -> tuple[Callable[..., Pretext], dict[str, Any]]:
    """Maker and parameters of a pretext, before it is made. Raises ``UnknownName`` as :func:`build`."""
    parameters = {"name": spec} if isinstance(spec, str) else dict(spec)
    make = plugins.resolve(PRETEXTS, parameters.pop("name"), "pretext")
    plugins.check_parameters(make, parameters, "pretext", given=2)
    return make, parameters
