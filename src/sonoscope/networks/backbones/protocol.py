"""What a backbone is: feature maps or samples in, frames of embedding out, and what the rest must know of it.

A backbone is an ``nn.Module`` that is made by ``make(n_bins, *, channels=1, **parameters)`` (its class, or a
function) and has

=======================  =====================================================================================
``forward_features``     (batch, channels, frames, bins), or (batch, n) samples, and optional ``lengths``
                         (batch,) to embeddings (batch, frames', dim); what it gives does not depend on padding
``dim``                  size of an embedding
``stride_frames``        input steps (feature frames, or samples) from one output frame to the next
``receptive_frames``     input steps an output frame depends on; ``None``: all of the input
``first_centre``         input step that output frame 0 is centred on
``shortest``             the fewest input steps that it takes
``fixed``                the only number of input steps that it takes; ``None``: not only one
``output_lengths(n)``    output frames of ``n`` input steps; ``n`` is an int or a tensor
``poolable``             valid in time: a stretch of output is what the same stretch of input gives, so
                         overlapped windows can share one run over the recording
``clip``                 one output frame for the whole input (``frames' == 1``), whatever its length
``wants``                what goes in (:class:`Wants`)
``groups()``, ``layers`` parameters by depth, input side first; the names of these groups
``exportable``           whether it is promised that it can be written as an ONNX graph
``for_graph()``          an equal module, laid out as ONNX Runtime computes it fastest
``as_it_comes``          whether its maps are rows as the feature gives them, not normalised again
``published_rows``       whether published weights want rows as their feature gives them, since it scales them itself
``token_grid``           of a transformer: how its tokens lie (:class:`TokenGrid`)
=======================  =====================================================================================

Lengths may lie on any device; on the CPU, reading them does not wait for a GPU.

Embedding frames behind a row's end are zero or arbitrary: ``output_lengths`` says which count, and every head
takes the mask.

``stride`` and ``receptive_field`` are the layers' two numbers under the names that bundles use.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
from torch import nn

from sonoscope.errors import UnknownName, nearest
from sonoscope.networks.backbones.field import Field

N = TypeVar("N", int, torch.Tensor)


@dataclass(frozen=True)
class Wants:
    """What a backbone takes.

    Attributes
    ----------
    kind : {"features", "samples", "bands"}
        Maps (batch, channels, frames, bins), samples (batch, n), or a list of maps, one for each band.
    sample_rate : int or None
        Hz that the published weights (or the samples) need; ``None``: any.
    channels, bins : int or None
        Fixed where weights fix them; ``None``: as built.
    longest : int or None
        The most input steps that it takes; ``None``: any number.
    feature : dict
        Name and parameters of the feature that published weights were trained on; empty: any feature.
    """

    kind: str = "features"
    sample_rate: int | None = None
    channels: int | None = None
    bins: int | None = None
    longest: int | None = None
    feature: dict[str, Any] = field(default_factory=dict)


class TokenGrid(NamedTuple):
    """How a transformer's tokens lie in time and frequency, for whoever asks what it attends to.

    ``rows`` patches lie above each other in each column; with ``bins_first`` they are counted row by row, else column
    by column. ``leading`` tokens come before them, which the output is made of if ``answers_leading``.
    """

    rows: int
    leading: int = 0
    bins_first: bool = False
    answers_leading: bool = False


class Backbone(nn.Module, ABC):
    """The contract, and what follows from ``field``, ``dim`` and ``groups()``.

    A subclass sets ``dim`` and ``field`` (and what else differs from the defaults here) in ``__init__``.
    """

    #: Name of the parameter that ``NAME:rest`` fills in, for entries that stand for a family.
    variant: ClassVar[str] = ""

    #: Whether it takes the parts of a row as bands, one map each, not as channels of one map.
    takes_bands: ClassVar[bool] = False

    #: Whether it normalises rows itself, so that none is done before it unless that is asked for.
    as_it_comes: ClassVar[bool] = False

    #: Whether published ``weights`` were trained on rows as ``wants.feature`` gives them: scaled in here, not before.
    published_rows: ClassVar[bool] = False

    dim: int
    #: Layers along time.
    field: Field
    #: Whether an output frame depends on its receptive field only, not on all of the input.
    local: bool = True
    #: One output frame for the whole input.
    clip: bool = False
    #: The only number of input steps that it takes, where weights or a graph fix it.
    fixed: int | None = None
    #: False: code of others, of which it turns out when it is tried.
    exportable: bool = True
    wants: Wants = Wants()
    #: Of a transformer: how its tokens lie; None: it has none, or one for each frame.
    token_grid: TokenGrid | None = None

    @property
    def stride_frames(self) -> int:
        return self.field.stride

    @property
    def receptive_frames(self) -> int | None:
        return self.field.receptive if self.local and not self.clip else None

    @property
    def poolable(self) -> bool:
        return self.local and not self.clip and self.field.valid

    @property
    def first_centre(self) -> float:
        return self.field.centre

    @property
    def shortest(self) -> int:
        return self.field.shortest

    @property
    def stride(self) -> int:
        return self.stride_frames

    @property
    def receptive_field(self) -> int:
        return self.field.receptive

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the groups, input side first."""
        return tuple(self.groups())

    def output_lengths(self, n: N) -> N:
        """Output frames of ``n`` input steps."""
        frames = self.field.length(n)
        if not self.clip:
            return frames
        return frames.clamp(max=1) if isinstance(frames, torch.Tensor) else min(frames, 1)

    @abstractmethod
    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by depth, input side first: what layer-wise freezing and learning rates name."""

    @abstractmethod
    def forward_features(self, x: Any, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Input and its lengths to embeddings (batch, frames', dim)."""

    def forward(self, x: Any, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return self.forward_features(x, lengths)

    def for_graph(self) -> Backbone:
        """What the graph is written from: this, or an equal module that is laid out as it is computed fastest."""
        return self

    def train_from(self, layer: str | None) -> None:
        """Let parameters from ``layer`` on learn and freeze those before it; ``None`` freezes all.

        Raises
        ------
        UnknownName
            If no group has that name; the message lists them in order.
        """
        groups = self.groups()
        if layer is not None and layer not in groups:
            raise UnknownName(
                f"unknown layer {layer!r} of {type(self).__name__}.{nearest(layer, groups)} "
                f"In order: {', '.join(groups)}."
            )
        learns = False
        for name, parameters in groups.items():
            learns = learns or name == layer
            for parameter in parameters:
                parameter.requires_grad_(learns)

    def check_lengths(self, n: int, lengths: torch.Tensor | None) -> None:
        """Refuse input that is too short, or longer than ``wants.longest``.

        Raises
        ------
        ValueError
            With the length, the range and what to do.
        """
        shortest = n if lengths is None else int(lengths.min())
        if shortest < self.shortest:
            raise ValueError(
                f"{type(self).__name__} needs at least {self.shortest} input steps, got length={shortest}: "
                "use a longer window, or drop rows that are shorter"
            )
        if lengths is not None and int(lengths.max()) > n:
            raise ValueError(f"length={int(lengths.max())} exceeds the {n} steps of the batch")
        if self.wants.longest is not None and n > self.wants.longest:
            raise ValueError(
                f"{type(self).__name__} takes at most {self.wants.longest} input steps, got {n}: "
                "use a shorter window"
            )


def parameters_of(*parts: nn.Module | nn.Parameter | None) -> list[nn.Parameter]:
    """The parameters of modules and bare parameters, in order; ``None`` has none."""
    found: list[nn.Parameter] = []
    for part in parts:
        if isinstance(part, nn.Parameter):
            found.append(part)
        elif part is not None:
            found += list(part.parameters())
    return found


def check_width(width: float) -> None:
    """Refuse a factor of channels that leaves none. Raises ``ValueError``."""
    if not width > 0:
        raise ValueError(f"width={width} must be above 0")


def numbered(name: str, modules: Iterable[nn.Module], first: int = 1) -> dict[str, list[nn.Parameter]]:
    """Groups ``name1``, ``name2`` … of a list of modules."""
    return {f"{name}{first + i}": parameters_of(module) for i, module in enumerate(modules)}
