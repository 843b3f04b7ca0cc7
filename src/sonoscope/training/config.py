"""What a training is: a tree of frozen dataclasses, read from YAML, each key of which is checked.

A configuration is composed from left to right: a preset or a file (which may name a ``base``), then ``key=value``
words with dots (``training.batch_size=16``). Unknown keys are refused, the nearest named; so are values of the wrong
type or out of range. Nothing here imports torch, so that presets can be listed and printed at once.

>>> compose({"data": {"train": "clips"}}, ["training.epochs=3"]).training.epochs
3
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from sonoscope.errors import NEAR, nearest
from sonoscope.training import presets
from sonoscope.training.sections import BadConfig, at_least, one_of, parsed, plain, put, section, within

#: A part that a table knows by name: ``{"name": "focal", "gamma": 2.0}``. A bare name stands for itself.
Part = dict[str, Any]

KINDS = ("network", "classical", "dummy", "pretrain", "notes")
OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("cosine", "one-cycle", "multi-step", "constant")
PRECISIONS = ("32", "bf16", "16")
#: Keys of ``training`` that count something that there must be.
COUNTS = ("epochs", "epoch_batches", "batch_size", "validate_every", "patience", "threads", "nodes")
#: A number of devices, all, or the numbers of some.
DEVICES = r"[1-9]\d*|auto|-1|\[?\s*\d+(\s*,\s*\d*)+\s*\]?|\[\s*\d+\s*\]"
SAMPLERS = ("all", "balanced", "balanced-groups")
#: What is kept of the recordings: their samples, or the frames of the feature.
CACHES = ("samples", "features")
#: What a phase may train: the head, everything, or everything from a named layer on (``from LAYER``).
HEAD, ALL, FROM = "head", "all", "from "


@dataclass(frozen=True)
class Data:
    """What is learned from.

    Attributes
    ----------
    train, validation, test : str or tuple of str
        DATA, in the words of every command. Without ``validation`` and ``test``, the rows' own splits are taken if
        they name some, else shares of ``train`` by whole groups.
    labels : str, optional
        A label set or a file; default: the labels of the data.
    task : {"multilabel", "multiclass"}
    by : str
        The column that no split may cut.
    train_where, test_where : str, optional
        ``column=value,value``: the only rows to train and validate on, and the rows to test on (such as one fold).
    validation_share, test_share : float
        Of the seconds, or of the rows where these do not say how long they are.
    folds, fold : int
        Of ``folds`` (0: none) by groups, number ``fold`` is the test part.
    window_s : float, optional
        Seconds that a network is shown; None: whole rows, padded, with a mask.
    shown : {"windows", "clips"}
        What a network learns from: windows, each with its clip's labels, or whole clips, padded, with a mask, so that a
        label need not sound all along; ``window_s`` then says in what validation, test and the model cut them.
    hop_s : float, optional
        Between windows of one row in validation and test; default: the window.
    sampler : {"all", "balanced", "balanced-groups"}
        Draw windows in proportion to the sound there is, or classes equally often, or of each class also its groups.
    max_samples, max_test_samples : int, optional
        At most so many rows.
    share : float
        Of the training rows, by whole groups.
    split_seed : int
        Of the split alone: seeds of the training leave it as it is.
    folder : str, optional
        Where the prepared sound is kept; default: ``data`` in the run's folder.
    cache : {"samples", "features"}
        What is kept there: samples, from which every batch's features are computed anew, or features, computed once;
        then windows begin on a frame, and no augmentation can change samples.
    """

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    labels: str | None = None
    task: str = "multilabel"
    by: str = "group"
    train_where: str | None = None
    test_where: str | None = None
    validation_share: float = 0.15
    test_share: float = 0.15
    folds: int = 0
    fold: int = 0
    window_s: float | None = 3.0
    shown: str = "windows"
    hop_s: float | None = None
    sampler: str = "all"
    max_samples: int | None = None
    max_test_samples: int | None = None
    share: float = 1.0
    split_seed: int = 0
    folder: str | None = None
    cache: str = "samples"

    def check(self) -> None:
        one_of("data.task", self.task, ("multilabel", "multiclass"))
        one_of("data.sampler", self.sampler, SAMPLERS)
        one_of("data.cache", self.cache, CACHES)
        one_of("data.shown", self.shown, ("windows", "clips"))
        within("data.share", self.share, 0, 1, open_low=True)
        for name in ("validation_share", "test_share"):
            within(f"data.{name}", getattr(self, name), 0, 0.9)
        if self.validation_share + self.test_share >= 1:
            raise BadConfig(
                f"data.validation_share={self.validation_share} and data.test_share={self.test_share} leave nothing to "
                "learn from: together they must be below 1"
            )
        at_least(1, self, "data", ("max_samples", "max_test_samples"))
        at_least(0, self, "data", ("folds",))
        if self.folds and not 0 <= self.fold < self.folds:
            raise BadConfig(
                f"data.fold={self.fold} must lie in 0..{self.folds - 1}, since data.folds={self.folds}"
            )
        for name in ("window_s", "hop_s"):
            value = getattr(self, name)
            if value is not None:
                within(f"data.{name}", value, 0, 3600, open_low=True)


@dataclass(frozen=True)
class Net:
    """Backbone and head, by name with their parameters, and what their weights begin with.

    ``normalise`` is ``level+shape``, ``level`` or ``none`` (:class:`sonoscope.networks.build.Network`).
    ``init_from`` is a bundle, or a checkpoint of this program or of the backbone's publisher; ``adapters`` are put
    between frozen layers (:mod:`sonoscope.training.adapters`).
    """

    backbone: Part = field(default_factory=lambda: {"name": "valid_cnn"})
    head: Part = field(default_factory=lambda: {"name": "framewise_attention"})
    normalise: str = "level+shape"
    init_from: str | None = None
    adapters: Part | None = None


@dataclass(frozen=True)
class Phase:
    """A stretch of the training.

    Attributes
    ----------
    epochs : int, optional
        Default: what the phases before leave of ``training.epochs``.
    train : str
        ``head``, ``all``, or ``from LAYER``: everything from that layer of the backbone on.
    learning_rate : float, optional
        Default: ``training.learning_rate``.
    layer_decay : float
        The rate of each layer is that of the one above it times this.
    """

    epochs: int | None = None
    train: str = ALL
    learning_rate: float | None = None
    layer_decay: float = 1.0

    def check(self) -> None:
        if self.train not in (HEAD, ALL) and not self.train.startswith(FROM):
            raise BadConfig(f"phase: train={self.train!r} must be head, all, or 'from LAYER'")
        within("phase: layer_decay", self.layer_decay, 0, 1, open_low=True)
        at_least(1, self, "phase", ("epochs",))
        if self.learning_rate is not None:
            within("phase: learning_rate", self.learning_rate, 0, 10, open_low=True)


@dataclass(frozen=True)
class Training:
    """How it is fitted.

    ``epoch_batches`` bounds an epoch; ``average`` is the decay of the weights' moving average; only every
    ``validate_every``-th epoch is validated, and may be the best.
    """

    epochs: int = 20
    epoch_batches: int | None = None
    batch_size: int = 32
    phases: tuple[Phase, ...] = (Phase(),)
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    momentum: float = 0.9
    schedule: str = "cosine"
    warm_up: float = 0.05
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    precision: str = "32"
    channels_last: bool = True
    gradient_clip: float | None = 5.0
    class_weights: bool = False
    patience: int | None = None
    monitor: str = "val_map"
    average: float | None = None
    validate_share: float = 1.0
    validate_every: int = 1
    sanity_steps: int = 0
    seed: int = 0
    threads: int = 1
    loader_workers: int = 0
    devices: str = "1"
    nodes: int = 1
    strategy: str = "auto"

    def check(self) -> None:
        one_of("training.optimizer", self.optimizer, OPTIMIZERS)
        one_of("training.schedule", self.schedule, SCHEDULES)
        one_of("training.precision", self.precision, PRECISIONS)
        within("training.learning_rate", self.learning_rate, 0, 10, open_low=True)
        within("training.warm_up", self.warm_up, 0, 1)
        within("training.validate_share", self.validate_share, 0, 1, open_low=True)
        within("training.weight_decay", self.weight_decay, 0, 10)
        within("training.momentum", self.momentum, 0, 1)
        within("training.gamma", self.gamma, 0, 1, open_low=True)
        if self.average is not None:
            within("training.average", self.average, 0, 1)
        if self.gradient_clip is not None and not self.gradient_clip > 0:
            raise BadConfig(f"training.gradient_clip={self.gradient_clip} must be above 0, or null for none")
        at_least(1, self, "training", COUNTS)
        at_least(0, self, "training", ("seed", "loader_workers"))
        at_least(-1, self, "training", ("sanity_steps",))  # Lightning's word for all of them
        if not re.fullmatch(DEVICES, self.devices):
            raise BadConfig(
                f"training.devices={self.devices!r} must be a number from 1 on, auto for all there are, or those of "
                "some, as in '0,1'"
            )
        if self.epochs % self.validate_every:
            raise BadConfig(
                f"training.epochs={self.epochs} must be a multiple of training.validate_every={self.validate_every}, "
                "so that the last one is validated"
            )
        if self.schedule == "multi-step" and list(self.milestones) != sorted(set(self.milestones)):
            raise BadConfig(f"training.milestones={list(self.milestones)} must rise")
        if not self.phases:
            raise BadConfig("training.phases is empty: give one phase at least")


@dataclass(frozen=True)
class Config:
    """A whole training.

    Attributes
    ----------
    name, about : str
    kind : {"network", "classical", "dummy", "pretrain", "notes"}
    features : tuple of parts
        Several become the channels of one image.
    feature_on : {"device", "loader"}
        Where features are computed: in batches on the device, or clip by clip by the loader.
    augment : tuple of parts
        Done in this order to a batch (:mod:`sonoscope.training.augment`).
    losses : tuple of parts
        Each with an optional ``weight``.
    model : part, optional
        Of a classical or dummy model (:mod:`sonoscope.training.classical`).
    pretext : part, optional
        Of a pre-training (:mod:`sonoscope.training.pretrain`).
    """

    name: str = ""
    about: str = ""
    kind: str = "network"
    data: Data = field(default_factory=Data)
    features: tuple[Part, ...] = ({"name": "logmel"},)
    feature_on: str = "device"
    augment: tuple[Part, ...] = ()
    network: Net = field(default_factory=Net)
    losses: tuple[Part, ...] = ({"name": "bce"},)
    model: Part | None = None
    pretext: Part | None = None
    training: Training = field(default_factory=Training)

    def check(self) -> None:
        one_of("kind", self.kind, KINDS)
        one_of("feature_on", self.feature_on, ("device", "loader"))
        if not self.features:
            raise BadConfig("features is empty: give one at least, or samples")
        if self.kind in ("classical", "dummy") and self.model is None:
            raise BadConfig(f"kind={self.kind} needs a model, such as model=svm")
        if self.kind == "pretrain" and self.pretext is None:
            raise BadConfig("kind=pretrain needs a pretext, such as pretext=masked")
        if self.data.cache == "features" and self.kind not in ("network", "pretrain"):
            raise BadConfig(
                f"data.cache=features is for networks and pre-trainings, not for kind={self.kind}"
            )
        if self.data.shown == "clips" and self.kind != "network":
            raise BadConfig(f"data.shown=clips is for networks, not for kind={self.kind}: leave it out")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for YAML and JSON; :func:`from_dict` reads them back."""
        return _plain(asdict(self))

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=100)


#: Sections whose keys may be named without them.
SECTIONS = {"data": Data, "network": Net, "training": Training}


def bare_keys() -> dict[str, str]:
    """Keys that one section alone has, by themselves, and the whole key of each.

    >>> bare_keys()["learning_rate"]
    'training.learning_rate'
    """
    found: dict[str, list[str]] = {}
    for name, kind in SECTIONS.items():
        for each in fields(kind):
            found.setdefault(each.name, []).append(f"{name}.{each.name}")
    taken = {each.name for each in fields(Config)}
    return {key: whole[0] for key, whole in found.items() if len(whole) == 1 and key not in taken}


def full_key(key: str) -> str:
    """The whole key: ``learning_rate`` is ``training.learning_rate``; what is whole or unknown stays as it is."""
    return bare_keys().get(key, key)


def several_devices(training: Training) -> bool:
    """Whether more than one process may be asked for: more than one device, or node."""
    return training.nodes > 1 or training.devices not in ("1", "auto")


def from_dict(values: Mapping[str, Any]) -> Config:
    """A configuration from plain values. Raises ``BadConfig`` or ``UnknownName``."""
    return section(Config, values, near=near_key)


def compose(base: Mapping[str, Any], words: Sequence[str] = ()) -> Config:
    """A configuration from plain values and ``key=value`` words.

    Raises
    ------
    BadConfig, UnknownName
        If a word has no ``=``, or names no key, or a value cannot be meant.
    """
    values = presets.merged(Config().to_dict(), copy.deepcopy(dict(base)))
    for word in words:
        key, sign, text = word.partition("=")
        if not sign or not key:
            raise BadConfig(f"{word!r} is no key=value; write for example training.epochs=3")
        put(values, full_key(key), parsed(text))
    return from_dict(values)


def read(path: str | Path) -> dict[str, Any]:
    """The plain values of a YAML file, on top of those of its ``base`` (a preset's name, or a file beside it)."""
    return presets.based(plain(path), Path(path).parent)


def near_key(key: str, known: Iterable[str]) -> str:
    """A remark on the key that was meant: one of ``known``, or of another section where it is spelt more nearly so."""
    elsewhere = bare_keys()
    other = get_close_matches(key.lower(), elsewhere, n=1, cutoff=NEAR)
    here = nearest(key, known, alike=NEAR) or ("" if other else nearest(key, known))
    return here or (f" Did you mean {elsewhere[other[0]]!r}?" if other else "")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
