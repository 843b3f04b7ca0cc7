"""A head on a finished model: the configuration is given the input that this model takes.

A bundle fixes what goes into its graph: the feature with all its parameters, or samples of one rate, and for graphs
that answer once for a window its length. So none of it has to be said, and whatever else is said cannot be meant.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sonoscope import features, models
from sonoscope.errors import UsageError
from sonoscope.models.bundle import Bundle
from sonoscope.networks import backbones
from sonoscope.networks.backbones.frozen import DEFAULT, FrozenBundle
from sonoscope.training.config import Config, Data
from sonoscope.training.setting import feature_of, rate_of


def fitted(config: Config) -> Config:
    """The configuration with feature and window of the bundle that its backbone is; any other as it is.

    Raises
    ------
    UsageError
        If another feature or window is asked for, or there is no such bundle.
    """
    spec = config.network.backbone
    if backbones.kind_of(spec) is not FrozenBundle:
        return config
    _, _, parameters = backbones.named(spec)
    bundle = models.load(spec["name"].partition(":")[2] or parameters.get("model", DEFAULT), labels=False)
    return replace(
        config,
        features=(_feature(config, bundle),),
        data=replace(config.data, window_s=_window(config, bundle)),
    )


def _feature(config: Config, bundle: Bundle) -> dict[str, Any]:
    """What goes into the bundle's graph."""
    if bundle.feature is None:
        takes: dict[str, Any] = {"name": "samples", "sample_rate": bundle.sample_rate}
    else:
        takes = features.to_dict(bundle.feature)
    if config.features != Config().features:
        given = feature_of(config)
        if given != bundle.feature or rate_of(config, given) != bundle.sample_rate:
            told = ", ".join(f"{key}: {value}" for key, value in takes.items())
            raise UsageError(
                f"features: the model {bundle.name!r} takes {{{told}}}, and something else is asked for: leave "
                "features out, they are taken from the model"
            )
    return takes


def _window(config: Config, bundle: Bundle) -> float | None:
    """Seconds of a window: the configuration's, or the only one that the bundle takes."""
    asked = config.data.window_s
    if "clip" not in bundle.spec["outputs"]:
        return asked
    seconds = bundle.window_samples / bundle.sample_rate
    if asked is not None and (
        asked == Data().window_s or round(asked * bundle.sample_rate) == bundle.window_samples
    ):
        return seconds
    raise UsageError(
        f"data.window_s={'null' if asked is None else f'{asked:g}'}: the model {bundle.name!r} sees windows of one "
        f"length: data.window_s={seconds:g}"
    )
