"""A bundle of a training's last weights, beside that of its best ones, for those who want to compare them.

The best epoch is chosen on validation; what training went on to can be better or worse on other recordings. Labels,
window, calibration and thresholds are those of the best bundle: they were fitted to its scores, so figures that a
threshold enters say less of the last weights than those of rankings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sonoscope.errors import UsageError
from sonoscope.models.bundle import open_bundle
from sonoscope.networks.build import Network
from sonoscope.networks.export import write_bundle
from sonoscope.training import adapters, rundir
from sonoscope.training.begin import take_shape
from sonoscope.training.config import Config
from sonoscope.training.setting import feature_of, network_of

#: Keys of ``bundle.json`` that follow from the graph and are written anew.
_OF_THE_GRAPH = (
    "schema", "input", "outputs", "states", "poolable", "pool", "look_ahead", "normalisation", "network", "opset",
    "export_difference", "checksums",
)  # fmt: skip


def bundle_of(run: str | Path, which: str = "last") -> Path:
    """The bundle of a training's last weights, ``RUN/bundle-last``; made if it is not there or older than they.

    Raises
    ------
    UsageError
        If the folder is no finished training of a network, or ``which`` is not ``last``.
    """
    run = Path(run)
    if which != "last":
        raise UsageError(f"checkpoint={which!r}: only 'last' is made; the best is the run's bundle")
    weights, best = run / rundir.LAST, run / rundir.BUNDLE
    config = rundir.read_config(run)
    if config.kind in ("classical", "dummy"):
        raise UsageError(f"{run} is a training of kind {config.kind}: it has one model, and no last weights")
    if not weights.is_file() or not (best / "bundle.json").is_file():
        raise UsageError(f"{run} lacks {rundir.LAST} or {rundir.BUNDLE}: the training has not finished")
    made = run / f"{rundir.BUNDLE}-{which}"
    description = made / "bundle.json"
    if description.is_file() and description.stat().st_mtime_ns >= weights.stat().st_mtime_ns:
        return made
    spec = open_bundle(best).spec
    network = _network(config, len(spec["labels"]), weights)
    kept: dict[str, Any] = {key: value for key, value in spec.items() if key not in _OF_THE_GRAPH}
    kept["name"] = f"{spec['name']}-{which}"
    card = (
        f"# {kept['name']}\n\nThe last weights of a training, with the calibration and the thresholds of its best "
        f"ones. The training: {spec['name']}.\n"
    )
    return write_bundle(made, network, kept, feature=feature_of(config), card=card)


def _network(config: Config, labels: int, weights: Path) -> Network:
    """The network with the last weights: the averaged ones where weights were averaged, as for the best."""
    network = network_of(config, feature_of(config), labels)
    if config.network.init_from:
        take_shape(network, config.network.init_from)
    if config.network.adapters:
        adapters.adapt(network, config.network.adapters)
    state = torch.load(weights, weights_only=True, map_location="cpu")["state_dict"]
    prefix = "network." if config.training.average is None else "averaged.module."
    network.load_state_dict({name[len(prefix) :]: v for name, v in state.items() if name.startswith(prefix)})
    return adapters.merged(network).eval()
