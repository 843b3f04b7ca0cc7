"""A user's own parts put to the contracts of ours: what a file holds, and what of it breaks which promise.

The checks are those that the tests loop over our tables with (:mod:`sonoscope.promises`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from sonoscope import plugins
from sonoscope.data.datasets import Dataset
from sonoscope.data.datasets.contract import DatasetChecks
from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.features.contract import FeatureChecks, TensorChecks
from sonoscope.networks.backbones.protocol import Backbone
from sonoscope.networks.build import Network
from sonoscope.networks.contract import BackboneChecks, HeadChecks
from sonoscope.networks.graphs import GraphChecks
from sonoscope.networks.heads.protocol import Head
from sonoscope.promises import BrokenContract, checks_of
from sonoscope.training.augment.contract import RATE, AugmentationChecks
from sonoscope.training.augment.protocol import Augmentation
from sonoscope.training.losses.contract import EmbeddingLossChecks, LossChecks

#: Bins of the maps that a backbone is checked on, and labels of the network around it.
BINS, LABELS = 64, 3
#: What a class is known as a feature by; the rest of ``features.Feature`` is checked.
FEATURE_METHODS = ("n_bins", "hop_samples", "valid", "shape")
#: Parameters by which a function is known as a loss on logits.
LOGIT_LOSS = ("logits", "targets", "judged")


@dataclass(frozen=True)
class Found:
    """A part of a file: its name, its kind, and its checks by name."""

    name: str
    kind: str
    checks: dict[str, Callable[[], None]]


@dataclass(frozen=True)
class Verdict:
    """What became of a check; ``problem`` is empty where the promise is kept."""

    part: str
    kind: str
    check: str
    problem: str


def parts(path: str | Path, name: str = "", *, root: str | Path | None = None) -> list[Found]:
    """The parts that a file defines, or the one of a name: features, networks' parts, losses, augmentations, data sets.

    Parameters
    ----------
    path : str or Path
        It is run.
    name : str
        Empty: all of them.
    root : str or Path, optional
        A folder that its data sets read.

    Raises
    ------
    UsageError
        If the file cannot be run, defines none, or a part cannot be made or has no folder to read.
    UnknownName
        If it has none of that name.
    """
    module = plugins.import_from(str(path))
    own = {
        key: value
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (isinstance(value, Dataset) or getattr(value, "__module__", "") == module.__name__)
    }
    kinds = {key: kind for key, value in own.items() if (kind := _kind_of(value))}
    if not kinds:
        raise UsageError(
            f"{path} defines no feature, backbone, head, loss, augmentation or data set: derive from "
            "sonoscope.features.Framewise, sonoscope.networks.backbones.Backbone, sonoscope.networks.heads.Head or "
            "sonoscope.training.augment.protocol.EachRow, define loss(logits, targets, judged, …), or a "
            "sonoscope.data.datasets.Dataset"
        )
    if name and name not in kinds:
        raise UnknownName(f"{path} has no part {name!r}.{nearest(name, kinds)} It has: {', '.join(kinds)}.")
    wanted = [name] if name else list(kinds)
    return [Found(key, kinds[key], _checks(f"{path}:{key}", own[key], kinds[key], root)) for key in wanted]


def _kind_of(value: Any) -> str:
    """What a part is; empty: none."""
    if isinstance(value, Dataset):
        return "data set"
    if inspect.isfunction(value):
        return "loss" if tuple(inspect.signature(value).parameters)[:3] == LOGIT_LOSS else ""
    if not inspect.isclass(value):
        return ""
    for base, kind in ((Backbone, "backbone"), (Head, "head"), (Augmentation, "augmentation")):
        if issubclass(value, base):
            return kind
    if issubclass(value, nn.Module):
        of_embeddings = list(inspect.signature(value).parameters)[:2] == ["dim", "n_classes"]
        return "loss on embeddings" if of_embeddings else ""
    return "feature" if all(hasattr(value, each) for each in FEATURE_METHODS) else ""


def _checks(where: str, value: Any, kind: str, root: str | Path | None) -> dict[str, Callable[[], None]]:
    """The checks of a part by name; ``where`` is what a configuration calls it."""
    held: list[Any]
    name = where.rpartition(":")[2]
    if kind == "data set":
        if root is None:
            raise UsageError(
                f"the data set {name} is checked on a folder that holds some of it: --root FOLDER"
            )
        held = [DatasetChecks(value, Path(root))]
    elif kind == "feature":
        held = [checks(_made(name, value)) for checks in (FeatureChecks, TensorChecks)]
    elif kind == "augmentation":
        held = [AugmentationChecks(lambda share: _made(name, value, sample_rate=RATE, share=share))]
    elif kind == "backbone":
        held = [
            BackboneChecks(partial(value, BINS), bins=BINS),
            GraphChecks(partial(_network, backbone=where)),
        ]
    elif kind == "head":
        held = [HeadChecks(value), GraphChecks(partial(_network, head=where))]
    else:
        held = [{"loss": LossChecks, "loss on embeddings": EmbeddingLossChecks}[kind](value)]
    return {check: getattr(each, check) for each in held for check in checks_of(type(each))}


def _network(backbone: str = "valid_cnn", head: str = "linear") -> Network:
    """A network with a part in its place, on maps of one channel or on samples."""
    network = Network(BINS, LABELS, backbone=backbone, head=head, normalise="level")
    return (
        Network(1, LABELS, backbone=backbone, head=head, normalise="level")
        if network.takes_samples
        else network
    )


def _made(name: str, kind: Callable[..., Any], **parameters: Any) -> Any:
    try:
        return kind(**parameters)
    except TypeError as problem:
        given = " but sample_rate and share" if parameters else ""
        raise UsageError(
            f"{name} cannot be made without parameters{given}, as its checks do: {problem}"
        ) from None


def verdicts(found: list[Found]) -> Iterator[Verdict]:
    """Every check of every part, one after the other."""
    for part in found:
        for name, check in part.checks.items():
            try:
                check()
                problem = ""
            except (BrokenContract, UsageError) as broken:
                problem = str(broken)
            except Exception as error:  # the user's own code may raise anything
                problem = f"{type(error).__name__}: {error}"
            yield Verdict(part.name, part.kind, name, problem)
