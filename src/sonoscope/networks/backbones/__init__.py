"""Backbones: feature maps or samples to frames of embedding. One file and one line each.

:mod:`~sonoscope.networks.backbones.protocol` says what a backbone is; the contract tests loop over this table, and
``networks.contract`` holds the same checks for a backbone of the user's own. Where a name stands for a family, the
rest of the name chooses its member: ``timm:convnext_tiny``, ``bundle:instruments``, ``hear:hear21passt.base``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sonoscope import plugins
from sonoscope.networks.backbones import (
    ast,
    beats,
    cnn,
    cnn14,
    cnn14_bands,
    crnn,
    ensemble,
    frozen,
    hear,
    image,
    local_transformer,
    mobile,
    small,
    vit,
    wav2vec2,
)
from sonoscope.networks.backbones.protocol import Backbone, Wants
from sonoscope.signatures import Size


def _ensemble(
    n_bins: int, *, channels: int = 1, of: str | Mapping[str, Any], members: Size = 2
) -> ensemble.Ensemble:
    """So many backbones of one make, each with weights of its own."""
    return ensemble.Ensemble([build(of, n_bins, channels=channels) for _ in range(members)])


BACKBONES: dict[str, Callable[..., Backbone]] = {
    "valid_cnn": cnn.ValidCNN,
    "small_cnn": small.SmallCNN,
    "mobile": mobile.Mobile,
    "crnn": crnn.CRNN,
    "cnn14": cnn14.CNN14,
    "cnn14_bands": cnn14_bands.CNN14Bands,
    "vit": vit.ViT,
    "local_transformer": local_transformer.LocalTransformer,
    "ast": ast.AST,
    "wav2vec2": wav2vec2.Wav2Vec2,
    "beats": beats.BEATs,
    "timm": image.Image,
    "bundle": frozen.FrozenBundle,
    "onnx": frozen.FrozenGraph,
    "hear": hear.Hear,
    "ensemble": _ensemble,
}

__all__ = [
    "BACKBONES",
    "Backbone",
    "Wants",
    "as_it_comes",
    "build",
    "has_published_rows",
    "kind_of",
    "takes_bands",
]


def build(spec: str | Mapping[str, Any], n_bins: int = 1, *, channels: int = 1) -> Backbone:
    """A backbone from its name, or a mapping of ``name`` and parameters.

    A name is a key of ``BACKBONES``, ``family:member``, a user's own ``file.py:Class``, or what an installed
    package offers under the entry points ``sonoscope.backbones``.

    Raises
    ------
    UnknownName
        If there is no such backbone, or it has no such parameter; the message names the nearest.
    UsageError
        If a class of the user's own cannot be made, or makes no ``Backbone``.
    """
    name, make, parameters = named(spec)
    if name.endswith(".py") or ".py:" in name:
        return plugins.make(make, name, "backbone", Backbone, n_bins, channels=channels, **parameters)
    return make(n_bins, channels=channels, **parameters)


def named(
    spec: str | Mapping[str, Any], *, under: str = ""
) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    """Name, maker and parameters of a backbone, before it is made. Raises ``UnknownName`` as :func:`build`."""
    return plugins.named(BACKBONES, spec, "backbone", ("n_bins", "channels"), under=under)


def takes_bands(spec: str | Mapping[str, Any]) -> bool:
    """Whether the backbone of that name takes the parts of a row as bands (``Backbone.takes_bands``)."""
    return getattr(kind_of(spec), "takes_bands", False)


def as_it_comes(spec: str | Mapping[str, Any]) -> bool:
    """Whether the backbone of that name normalises rows itself (``Backbone.as_it_comes``)."""
    return getattr(kind_of(spec), "as_it_comes", False)


def has_published_rows(spec: str | Mapping[str, Any]) -> bool:
    """Whether it is asked for published weights that want rows as they come (``Backbone.published_rows``)."""
    return (
        not isinstance(spec, str)
        and bool(spec.get("weights"))
        and getattr(kind_of(spec), "published_rows", False)
    )


def kind_of(spec: str | Mapping[str, Any]) -> Any:
    """The class of the backbone of that name, or the function that makes it."""
    make = plugins.resolve(BACKBONES, spec if isinstance(spec, str) else spec["name"], "backbone")
    return getattr(make, "func", make)
