"""Any image network of timm: ``timm:convnext_tiny``, ``timm:tf_efficientnetv2_s``, ``timm:resnext50_32x4d`` …

A spectrogram is a picture whose rows are bins and whose columns are frames; channels are as many as there are
features (timm adapts published weights to their number). Pictures are padded with zeros and never resized: to
``height`` rows where a network needs a certain one (vision transformers: 224), and for those also to ``longest``
columns. A frame of output is the mean over the rows of the last maps, or of the patches of one column.

timm is an extra of its own. It needs torchvision; where torchvision's wheel was built for CUDA and torch was not,
its operators cannot be registered and merely importing it fails, so they are declared first (without kernels: no
network here calls them).
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional

from sonoscope.errors import UnknownName, nearest, optional
from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.masking import by_length
from sonoscope.networks.backbones.protocol import Backbone, Wants, parameters_of
from sonoscope.networks.checkpoints import LoadReport, load_weights
from sonoscope.signatures import Count

#: Operators declared for a torchvision that cannot load its own; a library that is let go takes them with it.
_DECLARED: list[torch.library.Library] = []
#: Parts of a timm network that hold its repeated blocks, by the families' names for them.
CONTAINERS = ("stages", "blocks", "layers", "features", "layer1", "layer2", "layer3", "layer4")
#: Columns of the picture that a network's stride is measured on.
PROBE = 256


def import_timm() -> Any:
    """timm, after seeing to it that torchvision can be imported.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    with suppress(ModuleNotFoundError):  # timm's own import says what is missing
        import_torchvision()
    return optional("timm", "timm", "the backbone 'timm'")


def import_torchvision() -> None:
    """Import torchvision; where its operators cannot be loaded, declare them first."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(library)
        importlib.import_module("torchvision")


class Image(Backbone):
    """Maps, seen as a picture, to frames of embedding.

    Parameters
    ----------
    n_bins, channels : int
        Rows and channels of the picture.
    architecture : str
        A name that timm knows.
    pretrained : bool
        Published weights, which timm fetches.
    weights : path
        A checkpoint of the same architecture, in the place of ``pretrained``; classifiers are left out.
    height : int
        Pad bins with zeros to so many rows; 0: as they are.
    longest : int
        For networks of one picture size: their columns, to which shorter input is padded; 0: any number.
    **config
        Further arguments of ``timm.create_model``.

    Raises
    ------
    UsageError
        If timm is not installed.
    UnknownName
        If timm has no such architecture.
    """

    variant: ClassVar[str] = "architecture"
    local = False

    def __init__(
        self,
        n_bins: int,
        *,
        channels: int = 1,
        architecture: str = "mobilenetv3_small_100",
        pretrained: bool = False,
        weights: str | Path = "",
        height: Count = 0,
        longest: Count = 0,
        **config: Any,
    ) -> None:
        super().__init__()
        timm = import_timm()
        if architecture.partition(".")[0] not in timm.list_models():
            hint = nearest(architecture, timm.list_models())
            raise UnknownName(
                f"unknown timm architecture {architecture!r}.{hint} timm.list_models() has all."
            )
        if height and n_bins > height:
            raise ValueError(f"n_bins={n_bins} do not fit into height={height}")
        size = {"img_size": (height or n_bins, longest)} if longest else {}
        self.model = timm.create_model(
            architecture,
            pretrained=pretrained,
            in_chans=channels,
            num_classes=0,
            global_pool="",
            **size,
            **config,
        )
        self.architecture, self.height, self.columns = architecture, height or n_bins, longest
        self.report: LoadReport | None = None
        if weights:
            self.report = load_weights(self.model, weights)
        self.field, self.dim = self._measure(channels)
        self.wants = Wants(channels=channels, bins=n_bins, longest=longest or None)

    def _measure(self, channels: int) -> tuple[Field, int]:
        """The stride along columns and the size of an embedding, from a run on noise.

        Parts that have no share in the maps (some families classify through further layers) are taken out.
        """
        was_training = self.training
        self.eval()
        noise = torch.randn(
            1, channels, self.columns or PROBE, self.height, generator=torch.Generator().manual_seed(0)
        )
        frames = self._rows(noise)
        own = list(self.model.parameters())
        gradients = torch.autograd.grad(frames.sum(), own, allow_unused=True)
        used = {id(p) for p, gradient in zip(own, gradients, strict=True) if gradient is not None}
        for name, part in list(self.model.named_children()):
            parameters = list(part.parameters())
            if parameters and not any(id(p) in used for p in parameters):
                setattr(self.model, name, nn.Identity())
        stride = max(1, (self.columns or PROBE) // frames.shape[1])
        # Padded strides round up, patches round down: one column more than a multiple of the stride shows which.
        self.rounds_up = False
        if not self.columns:
            with torch.no_grad():
                more = self._rows(functional.pad(noise, (0, 0, 0, 1)))
            self.rounds_up = more.shape[1] > frames.shape[1]
        self.train(was_training)
        return Field.of([Step(stride, stride)]), frames.shape[2]

    def output_lengths(self, n: Any) -> Any:
        """Output frames of ``n`` columns: the whole picture's where it has one size."""
        if self.columns:
            whole = self.columns // self.field.stride
            return torch.full_like(n, whole) if isinstance(n, torch.Tensor) else whole
        return -(-n // self.field.stride) if self.rounds_up else n // self.field.stride

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, channels, time, bins) to (batch, ``output_lengths(time)``, dim)."""
        self.check_lengths(x.shape[2], lengths)
        return by_length(self._rows, x, lengths, axis=2)

    def _rows(self, x: torch.Tensor) -> torch.Tensor:
        right = max(0, self.columns - x.shape[2])
        picture = functional.pad(x, (0, self.height - x.shape[3], 0, right)).transpose(2, 3)
        out = self.model.forward_features(picture)
        if out.ndim == 3:
            return self._columns_of_tokens(out)
        if out.shape[1] != self.model.num_features and out.shape[3] == self.model.num_features:
            out = out.permute(0, 3, 1, 2)  # some families keep channels last
        return out.mean(dim=2).transpose(1, 2)

    def _columns_of_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, leading + rows * columns, dim) to (batch, columns, dim), without class and distillation."""
        rows, columns = self.model.patch_embed.grid_size
        return tokens[:, tokens.shape[1] - rows * columns :].unflatten(1, (rows, columns)).mean(dim=1)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """The network's parts in their order, its repeated blocks one by one."""
        named: dict[str, list[nn.Parameter]] = {}
        for name, part in self.model.named_children():
            if name in CONTAINERS and isinstance(part, nn.Sequential | nn.ModuleList):
                named |= {f"{name}.{key}": parameters_of(block) for key, block in part.named_children()}
            else:
                named[name] = parameters_of(part)
        bare = [p for name, p in self.model.named_parameters() if "." not in name]
        if bare:
            named = {"tokens": bare, **named}
        return {name: parameters for name, parameters in named.items() if parameters}
