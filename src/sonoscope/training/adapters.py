"""Adapters: a few new weights between frozen ones, so that a large backbone is fitted to a small set at little cost.

==============  ====================================================================================================
``lora``        ``W x + (alpha / rank) B A x`` beside a linear map (Hu et al. 2021, arXiv:2106.09685), by peft
``ia3``         ``l * (W x)``: a factor for each output of a linear map (Liu et al. 2022, arXiv:2205.05638), by peft
``bottleneck``  ``y + U gelu(D y)`` behind a linear map ``y = W x`` (Houlsby et al. 2019, arXiv:1902.00751)
==============  ====================================================================================================

Each begins as if it were not there. What they are put on is found by looking: every ``nn.Linear`` in the named layers
of the backbone (``Backbone.groups``). The backbone's own weights are frozen, in every phase; ``from LAYER`` lets the
adapters from that layer on learn. Before export ``lora`` and ``ia3`` are merged into the weights, which then have the
shape they had; ``bottleneck`` is not linear and stays, as a part of the graph and of the network's configuration
(:mod:`sonoscope.networks.bottleneck`). A network that was adapted in this way before can be adapted again: what an
earlier training put in is then one of the backbone's own weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from typing import Any, TypeVar

from torch import nn

from sonoscope import plugins
from sonoscope.errors import UnknownName, UsageError, nearest, one_of, optional
from sonoscope.networks import bottleneck as bottlenecks
from sonoscope.networks.backbones import Backbone
from sonoscope.networks.build import Network
from sonoscope.signatures import Share, Size

N = TypeVar("N", bound=nn.Module)

#: Name under which peft, and the bottleneck here, keep the new weights.
ADAPTER = "fitted"


@dataclass(frozen=True)
class Attached:
    """What was put where.

    Attributes
    ----------
    kind : str
    targets : tuple of str
        Linear maps of the backbone.
    trainable, total : int
        New weights, and all weights of the backbone with them.
    """

    kind: str
    targets: tuple[str, ...]
    trainable: int
    total: int

    def text(self) -> str:
        """A line."""
        return (
            f"{self.kind} on {len(self.targets)} linear maps: {self.trainable:,} of {self.total:,} weights of the "
            f"backbone learn ({self.trainable / self.total:.2%})"
        )


def lora(
    backbone: Backbone, targets: Sequence[str], *, rank: Size = 8, alpha: float = 16.0, dropout: Share = 0.0
) -> None:
    """Low-rank maps of ``rank`` beside each target, times ``alpha / rank``; ``dropout`` on what goes into them."""
    _at_least_one("rank", rank)
    peft = optional("peft", "hf", "network.adapters=lora")
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(targets))
    peft.inject_adapter_in_model(config, backbone, adapter_name=ADAPTER)


def ia3(backbone: Backbone, targets: Sequence[str]) -> None:
    """A factor for each output of each target."""
    peft = optional("peft", "hf", "network.adapters=ia3")
    config = peft.IA3Config(target_modules=list(targets), feedforward_modules=[])
    peft.inject_adapter_in_model(config, backbone, adapter_name=ADAPTER)


def bottleneck(backbone: Backbone, targets: Sequence[str], *, width: Size = 16) -> None:
    """A detour of ``width`` behind each target."""
    _at_least_one("width", width)
    bottlenecks.put(backbone, targets, width)


ADAPTERS: dict[str, Callable[..., None]] = {"lora": lora, "ia3": ia3, "bottleneck": bottleneck}


def adapt(network: Network, spec: str | Mapping[str, Any]) -> Attached:
    """:func:`attach` to a network's backbone, and list in its configuration what will stay."""
    found = attach(network.backbone, spec)
    if found.kind == "bottleneck":
        width = network.backbone.get_submodule(f"{found.targets[0]}.fitted_down").out_features
        listed = [*network.config.get("bottlenecks", ()), {"width": width, "targets": list(found.targets)}]
        network.config["bottlenecks"] = listed
    return found


def attach(backbone: Backbone, spec: str | Mapping[str, Any]) -> Attached:
    """Put adapters into a backbone and freeze its own weights.

    Parameters
    ----------
    backbone : Backbone
        Changed in place, its ``train_from`` too: whatever it is asked, only adapters learn.
    spec : str or mapping
        ``name`` (a key of ``ADAPTERS``) and its parameters; ``layers``, names of the backbone's layers (default: all);
        ``only``, patterns of the linear maps' names (``*.q_proj``).

    Raises
    ------
    UnknownName
        If there is no such kind, parameter or layer.
    UsageError
        If the layers hold no linear map; says which do. Or if peft is not installed.
    """
    parameters = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = parameters.pop("name")
    one_of(ADAPTERS, name, "adapter")
    layers, only = parameters.pop("layers", None), parameters.pop("only", ("*",))
    plugins.check_parameters(ADAPTERS[name], parameters, "adapter", given=2)
    targets = linear_maps(backbone, layers, (only,) if isinstance(only, str) else only)
    own = {id(parameter) for parameter in backbone.parameters()}
    try:
        ADAPTERS[name](backbone, targets, **parameters)
    except TypeError as problem:
        raise UnknownName(f"network.adapters={name}: {problem}") from None
    new = {key: parameter for key, parameter in backbone.named_parameters() if id(parameter) not in own}
    # An attribute of the object, before the class's method of that name: phases call it at every epoch.
    backbone.train_from = partial(_train_from, backbone, frozenset(new))  # type: ignore[method-assign]
    backbone.train_from(next(iter(backbone.groups())))
    total = sum(p.numel() for p in backbone.parameters())
    return Attached(name, targets, sum(p.numel() for p in new.values()), total)


def linear_maps(
    backbone: Backbone, layers: Sequence[str] | None = None, only: Sequence[str] = ("*",)
) -> tuple[str, ...]:
    """Names of the linear maps in layers of a backbone (None: all), in order.

    Those within ``nn.MultiheadAttention`` do not count: it reads their weights past them. Nor do detours themselves.

    Raises
    ------
    UnknownName
        If a layer is not one of the backbone's.
    UsageError
        If there is none.
    """
    groups = backbone.groups()
    wanted = tuple(groups) if layers is None else (layers,) if isinstance(layers, str) else tuple(layers)
    for layer in wanted:
        if layer not in groups:
            raise UnknownName(
                f"unknown layer {layer!r}.{nearest(layer, groups)} From the input on: {', '.join(groups)}."
            )
    layer_of = {id(parameter): layer for layer, parameters in groups.items() for parameter in parameters}
    past = [name for name, module in backbone.named_modules() if isinstance(module, nn.MultiheadAttention)]
    found = {
        name: layer_of[id(module.weight)]
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Linear)
        and not is_new(name)
        and not any(name.startswith(f"{above}.") for above in past)
    }
    chosen = tuple(
        name for name, layer in found.items() if layer in wanted and any(fnmatch(name, each) for each in only)
    )
    if not chosen:
        have = ", ".join(dict.fromkeys(found.values())) or "none"
        raise UsageError(
            f"network.adapters: no linear map in the layers {', '.join(wanted)} is called {' or '.join(only)}. "
            f"Layers with linear maps: {have}"
        )
    return chosen


def is_new(name: str) -> bool:
    """Whether a parameter of that name belongs to an adapter."""
    return any(part == ADAPTER or part.startswith(f"{ADAPTER}_") for part in name.split("."))


def _train_from(backbone: Backbone, new: frozenset[str], layer: str | None) -> None:
    """As the backbone's own, but of what would learn only adapters do."""
    type(backbone).train_from(backbone, layer)
    for name, parameter in backbone.named_parameters():
        if name not in new:
            parameter.requires_grad_(False)


def merged(network: N) -> N:
    """A copy in which adapters that can be are merged into the weights they were put on.

    The network itself where it has no adapters.
    """
    if not any(is_new(name) for name, _ in network.named_parameters()):
        return network
    found = copy.deepcopy(network)
    for name, module in list(found.named_modules()):
        base = getattr(module, "get_base_layer", None)  # what peft's layers have
        if base is not None:
            module.merge()
            above, _, last = name.rpartition(".")
            setattr(found.get_submodule(above), last, base())
    return found


def _at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise UsageError(f"network.adapters: {name}={value} must be at least 1")
