"""A user's own parts put to the contracts of ours: what a file holds, and what of it breaks which promise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from sonoscope import plugins
from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.networks.backbones.protocol import Backbone
from sonoscope.networks.contract import BackboneChecks, BrokenContract, HeadChecks, checks_of
from sonoscope.networks.heads.protocol import Head
from sonoscope.training.losses.contract import EmbeddingLossChecks, LossChecks

#: Bins of the maps that a backbone is checked on.
BINS = 64
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


def parts(path: str | Path, name: str = "") -> list[Found]:
    """The backbones, heads and losses that a file defines, or the one of that name.

    Raises
    ------
    UsageError
        If the file cannot be run, or defines none.
    UnknownName
        If it has none of that name.
    """
    module = plugins.import_from(str(path))
    own = {
        key: value
        for key, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__ and not key.startswith("_")
    }
    found = [part for key, value in own.items() if (part := _part(key, value)) is not None]
    if not found:
        raise UsageError(
            f"{path} defines no backbone, head or loss: derive from sonoscope.networks.backbones.Backbone or "
            "sonoscope.networks.heads.Head, or define loss(logits, targets, judged, …)"
        )
    if name:
        chosen = [part for part in found if part.name == name]
        if not chosen:
            known = [part.name for part in found]
            raise UnknownName(
                f"{path} has no part {name!r}.{nearest(name, known)} It has: {', '.join(known)}."
            )
        return chosen
    return found


def _part(name: str, value: Any) -> Found | None:
    """A part by what it is; None: something else."""
    checks: Any
    if inspect.isclass(value) and issubclass(value, Backbone):
        kind, checks = "backbone", BackboneChecks(partial(value, BINS), bins=BINS)
    elif inspect.isclass(value) and issubclass(value, Head):
        kind, checks = "head", HeadChecks(value)
    elif inspect.isclass(value) and issubclass(value, nn.Module):
        if list(inspect.signature(value).parameters)[:2] != ["dim", "n_classes"]:
            return None
        kind, checks = "loss on embeddings", EmbeddingLossChecks(value)
    elif inspect.isfunction(value) and tuple(inspect.signature(value).parameters)[:3] == LOGIT_LOSS:
        kind, checks = "loss", LossChecks(value)
    else:
        return None
    return Found(name, kind, {check: getattr(checks, check) for check in checks_of(type(checks))})


def verdicts(found: list[Found]) -> Iterator[Verdict]:
    """Every check of every part, one after the other."""
    for part in found:
        for name, check in part.checks.items():
            try:
                check()
                problem = ""
            except BrokenContract as broken:
                problem = str(broken)
            except Exception as error:  # the user's own code may raise anything
                problem = f"{type(error).__name__}: {error}"
            yield Verdict(part.name, part.kind, name, problem)
