"""What a network begins with: the weights of a run, a pre-training, a bundle or a checkpoint.

Weights that fit by name and shape are taken, everything else stays as initialised, and all of it is said. A head is
taken only where its labels are those of this training, one by one: a row of weights means nothing under another label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from sonoscope import models
from sonoscope.data import manifest
from sonoscope.errors import UsageError
from sonoscope.networks import checkpoints
from sonoscope.networks.backbones.ensemble import Ensemble
from sonoscope.networks.build import Network
from sonoscope.networks.checkpoints import BadCheckpoint, LoadReport
from sonoscope.training import rundir
from sonoscope.training.setting import Say

#: What a pre-training leaves.
BACKBONE = "backbone.safetensors"
#: Where a folder keeps weights, best first.
PLACES = (BACKBONE, f"{rundir.BUNDLE}/model.safetensors", "model.safetensors", rundir.BEST, rundir.LAST)
#: What checkpoints of this program put before the names of a network; averaged weights are the better ones.
OWN_PREFIXES = ("averaged.module.", "network.")
#: Labels that a message spells out.
SHOWN = 6


def begin_with(network: Network, wish: str, say: Say, labels: Sequence[str] = ()) -> LoadReport:
    """Take the weights of a run, a pre-training, a bundle (also by name) or a checkpoint, and say what was taken.

    Parameters
    ----------
    network : Network
        Changed in place.
    wish : str
        A folder, a file, or the name of a model.
    say : callable
        Gets the report, and what became of the head.
    labels : sequence of str
        Of this training. Where those of the weights are known and not the same, the head begins anew.

    Raises
    ------
    UsageError
        If there are no such weights, or none of them fits the backbone.
    """
    path = _path_of(wish)
    theirs = labels_of(path)
    anew = theirs is not None and bool(labels) and tuple(theirs) != tuple(labels)
    weights = _of_one_member(_weights(path, network), network, path, say)
    report = checkpoints.load_weights(network, weights, strict=False, leave_out=("head.*",) if anew else ())
    if not any(name.startswith("backbone.") for name in report.loaded):
        raise BadCheckpoint(
            f"{wish}: not one of its weights fits the backbone of this network.\n{report.text()}"
        )
    say(report.text().replace("weights:", f"{path}:", 1))
    if network.backbone.published_rows and network.normalise == "level" and "mean" not in report.loaded:
        say(
            f"{path} has no mean and deviation of rows, so it is no training of here; where it was published, "
            "network.backbone.weights=FILE in the place of network.init_from shows it rows as it was trained on them"
        )
    if anew and theirs:
        say(f"the head begins anew: it was of {_shown(theirs or ())}; here the labels are {_shown(labels)}")
    elif theirs is None and any(name.startswith("head.") for name in report.loaded):
        say(f"{path} does not say which labels its head is of; it is taken since its shapes fit")
    return report


def take_shape(network: Network, wish: str, say: Say = lambda _line: None) -> None:
    """Give a fresh network the bottlenecks that the weights it begins with were trained with, if there are any.

    They are a part of it from then on, and learn where their layers do.
    """
    spec = _path_of(wish).parent / "bundle.json"
    listed = json.loads(spec.read_text(encoding="utf-8")).get("network", {}) if spec.is_file() else {}
    bottlenecks = listed.get("bottlenecks", ())
    if not bottlenecks:
        return
    try:
        network.narrow(bottlenecks)
    except ValueError as problem:
        say(f"{wish} has bottlenecks, which this backbone cannot have: {problem}")
        return
    count = sum(len(entry["targets"]) for entry in bottlenecks)
    say(f"{wish} has bottlenecks behind {count} linear maps; so has this network")


def _path_of(wish: str) -> Path:
    """The file that holds the weights."""
    place = Path(wish)
    if not place.exists() and wish in models.names():
        place = models.names()[wish]
    if not place.is_dir():
        return place
    _check_not_atop(place)
    found = next((place / name for name in PLACES if (place / name).is_file()), None)
    if found is None:
        raise UsageError(
            f"{wish} holds no weights: neither a bundle, nor a run that has finished an epoch ({', '.join(PLACES)})"
        )
    return found


def _check_not_atop(place: Path) -> None:
    """Refuse a head on a finished model, which has no weights of its own beneath it."""
    for bundle in (place / rundir.BUNDLE, place):
        spec = bundle / "bundle.json"
        held = json.loads(spec.read_text(encoding="utf-8")) if spec.is_file() else {}
        if beneath := held.get("provenance", {}).get("backbone"):
            model = beneath.get("name") or beneath.get("graph")
            raise UsageError(
                f"{place} is a head on the finished model {model}, without weights to begin with: begin with those of "
                f"that model, or train a head on this one: network.backbone=bundle:{bundle}"
            )


def _weights(path: Path, network: nn.Module) -> Mapping[str, Any]:
    """The tensors of a file under the names of a network: its own, or those of a backbone's publisher."""
    given = checkpoints.weights_in(checkpoints.read_checkpoint(path), str(path))
    for prefix in OWN_PREFIXES:
        if any(name.startswith(f"{prefix}backbone.") for name in given):
            return {name.removeprefix(prefix): v for name, v in given.items() if name.startswith(prefix)}
    own = network.state_dict()
    if not any(name in own for name in given) and any(f"backbone.{name}" in own for name in given):
        return {f"backbone.{name}": value for name, value in given.items()}
    return given


def _of_one_member(given: Mapping[str, Any], network: Network, path: Path, say: Say) -> Mapping[str, Any]:
    """Of an ensemble, for a network that is none, the first member's backbone; the head is of all members together."""
    first = "backbone.members.0."
    if isinstance(network.backbone, Ensemble) or not any(name.startswith(first) for name in given):
        return given
    say(
        f"{path} is an ensemble; the backbone begins with its first member. All of them: "
        "network.backbone={name: ensemble, of: BACKBONE, members: N}"
    )
    left_out = ("backbone.members.", "head.")
    taken = {name: value for name, value in given.items() if not name.startswith(left_out)}
    members = {name: value for name, value in given.items() if name.startswith(first)}
    return taken | {f"backbone.{name.removeprefix(first)}": value for name, value in members.items()}


def labels_of(path: Path) -> tuple[str, ...] | None:
    """The labels that a file of weights is of, by the bundle or the run that it lies in; None where nobody says."""
    bundle, rows = path.parent / "bundle.json", path.parent / rundir.MANIFEST
    if path.name == BACKBONE:
        return None
    if bundle.is_file():
        spec = json.loads(bundle.read_text(encoding="utf-8"))
        return tuple(label["id"] if isinstance(label, dict) else str(label) for label in spec["labels"])
    if rows.is_file():
        held = manifest.read(rows)
        return tuple(held.label_map or held.labels())
    return None


def _shown(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
    return f"{', '.join(labels[:SHOWN])}{more}"
