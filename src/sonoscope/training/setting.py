"""Everything of a training but the fitting: data, network, loaders, made from a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.utils.data import DataLoader

from sonoscope import features
from sonoscope.data.mix.notefeed import NoteFeed, notes_of
from sonoscope.data.shards.feed import Feed
from sonoscope.errors import UsageError
from sonoscope.evaluation import tagging
from sonoscope.features import Feature
from sonoscope.networks import backbones, framenotes, heads
from sonoscope.networks.backbones.masking import frame_mask
from sonoscope.networks.build import NORMALISATIONS, Network
from sonoscope.training import augment, beside, phases, prepare, ranks
from sonoscope.training.config import Config
from sonoscope.training.frontend import Frontend
from sonoscope.training.loader import All, Drawn, Whole, loader
from sonoscope.training.losses import objective
from sonoscope.training.prepare import TRAIN, VALIDATION, Prepared
from sonoscope.training.sections import one_of

#: Batches that mean and standard deviation are taken from.
STATISTICS_BATCHES = 32
#: What the best epoch may be chosen by, where labels are learned.
FIGURES = ("loss", "val_loss", *(f"val_{name}" for name in tagging.MEASURED))
#: A bin that hardly changes is not blown up.
LEAST_STD = 1e-2

Say = Callable[[str], None]


class Setting:
    """Everything of a training but the fitting: data, network, loaders.

    Sound is decoded when ``data`` is first asked for, after the network was made and all that can be wrong with it is
    told. Where several processes train together, each has one: ``rank`` says which, and only the first prepares data.
    """

    def __init__(self, config: Config, folder: Path, *, quick: bool, say: Say) -> None:
        self.config, self.folder, self.say = config, folder, say
        self.rank, self.world = ranks.rank(config.training), ranks.processes(config.training)
        check_names(config)
        self.feature = feature_of(config)
        self.rate = rate_of(config, self.feature)
        self._kept = kept_feature(config, self.feature)
        labelled = config.kind not in ("pretrain", "notes")
        self._plan = prepare.planned(config.data, quick=quick, labelled=labelled)
        self.labels = self._plan.labels
        seconds = config.data.window_s
        self.window = None if seconds is None else round(seconds * self.rate)
        self.learns_clips = self.window is None or config.data.shown == "clips"
        torch.manual_seed(config.training.seed)
        # Without labels there is still a head, of one class, which nothing reads.
        n_classes = framenotes.CLASSES if config.kind == "notes" else max(len(self.labels), 1)
        self.network = network_of(config, self.feature, n_classes)
        if backbones.has_published_rows(config.network.backbone) and self.network.normalise == "none":
            say(of_published_rows(self.feature, self.network.backbone.wants.feature))
        phases.check_layers(config.training.phases, self.network.backbone.layers)
        self.frames = self._frames()
        if config.kind == "notes":
            self._judged()
        else:
            self._check_window()
        on_device = config.feature_on == "device" or self.network.takes_samples
        if self.learns_clips and not on_device:
            raise UsageError(
                "feature_on=loader computes windows: to learn from whole clips leave feature_on=device"
            )
        self.loader_feature = None if on_device or self._kept else self.feature
        shown = self.feature if on_device and not self._kept and not self.network.takes_samples else None
        self.frontend = Frontend(shown, self.window, self.frames if shown is not None else None)
        #: Of what is learned from.
        self.learning_frontend = Frontend(shown) if self.learns_clips else self.frontend

    @cached_property
    def data(self) -> Prepared:
        """What is learned from, decoded."""
        folder = self.config.data.folder
        return prepare.decoded(
            self._plan, Path(folder) if folder else self.folder / "data", self.rate, build=self.rank == 0,
            feature=self._kept, say=self.say,
        )  # fmt: skip

    def _frames(self) -> int | None:
        """Rows of a window: those centred in it, and for a network that is shown whole windows the one on its end."""
        if self.window is None or self.feature is None:
            return None
        hop = self.feature.hop_samples
        poolable, kept = (
            self.network.poolable and self.feature.streamable,
            self.config.data.cache == "features",
        )
        if (poolable or kept) and self.window % hop:
            nearest = max(round(self.window / hop), 1) * hop / self.rate
            raise UsageError(
                f"data.window_s={self.window / self.rate:g} must be a multiple of the feature's hop of "
                f"{hop / self.rate:g} s for {'data.cache=features' if kept else 'this backbone'}, such as {nearest:g}"
            )
        if poolable or self.network.backbone.fixed == self.window // hop:
            return self.window // hop
        return 1 + self.window // hop

    def _check_window(self) -> None:
        """See that the backbone can be shown a window."""
        shown, backbone = self.window if self.feature is None else self.frames, self.network.backbone
        least, most = backbone.shortest, backbone.wants.longest
        if shown is None or least <= shown <= (most or shown):
            return
        told = f"data.window_s={self.config.data.window_s:g} is {shown} input steps, and the backbone "
        told += repr(self.config.network.backbone["name"])
        if backbone.fixed is not None:
            hop = 1 if self.feature is None else self.feature.hop_samples
            raise UsageError(
                f"{told} takes {backbone.fixed}, no more, no less: data.window_s={backbone.fixed * hop / self.rate:g}"
            )
        if shown < least:
            raise UsageError(f"{told} needs at least {least}: use longer windows, or a smaller hop")
        raise UsageError(f"{told} takes at most {most}: use shorter windows, or a larger hop")

    def feed(self, part: str, *, seed: int = 0) -> Feed:
        """Windows of a part."""
        assert self.window is not None
        training = self.config.training
        by = {"balanced": ("labels",), "balanced-groups": ("labels", self.config.data.by)}
        balance = by.get(self.config.data.sampler, ()) if part == TRAIN else ()
        computed: dict[str, Any] = {"margins": (self.frontend.before, self.frontend.after)}
        if self.loader_feature is not None:
            computed = {"feature": self.loader_feature, "frames": self.frames}
        if self.config.kind == "notes":
            return NoteFeed(
                self.data.shards, self.notes, judged=self._judged(), hop_samples=self._hop(), window=self.window,
                batch_size=training.batch_size, seed=seed, split=part, **computed,
            )  # fmt: skip
        return Feed(
            self.data.shards, self.labels, window=self.window, batch_size=training.batch_size, seed=seed,
            split=part, balance=balance, **computed,
        )  # fmt: skip

    @cached_property
    def notes(self) -> list[np.ndarray]:
        """The notes of every row, where notes are learned."""
        return notes_of(self.data.shards.manifest)

    def _hop(self) -> int:
        assert self.feature is not None
        return self.feature.hop_samples

    def _judged(self) -> tuple[int, int]:
        """The first row of a window that a network of notes answers for, and how many."""
        field = self.network.backbone.receptive_field
        count = (self.frames or 0) - field + 1
        if count < 1:
            raise UsageError(
                f"data.window_s={self.config.data.window_s:g} has {self.frames} frames, fewer than the {field} that "
                "the network sees: use longer windows"
            )
        return field // 2, count

    def steps_per_epoch(self) -> int:
        """Batches in an epoch, of each process."""
        limit, size = self.config.training.epoch_batches, self.config.training.batch_size
        if self.learns_clips:
            count = Whole(self.data.shards, self.labels, TRAIN, size, world=self.world).steps
            return count if limit is None else min(limit, count)
        rows = np.array([row.split == TRAIN for row in self.data.shards.rows])
        assert self.window is not None
        windows = int(np.maximum(self.data.shards.lengths[rows] // self.window, 1).sum())
        return limit or max(windows // (size * self.world), 1)

    def train_loader(self) -> DataLoader:
        """Batches for this process to learn from; the same for the same seed and epoch."""
        return self._drawn(self.rank, self.world, self.steps_per_epoch())

    def _drawn(self, rank: int, world: int, steps: int) -> DataLoader:
        training = self.config.training
        if self.learns_clips:
            clips = Whole(
                self.data.shards, self.labels, TRAIN, training.batch_size, seed=training.seed,
                shortest=self.shortest(), longest=self.longest(), rank=rank, world=world,
            )  # fmt: skip
            return loader(clips, training.loader_workers)
        drawn = Drawn(self.feed(TRAIN, seed=training.seed), steps, rank, world)
        return loader(drawn, training.loader_workers)

    def loader_of(self, part: str) -> DataLoader:
        """All windows, or whole clips, of a part in order."""
        return self._in_order(part, 0, 1)

    def validation_loader(self) -> DataLoader:
        """Those of the validation that fall to this process."""
        return self._in_order(VALIDATION, self.rank, self.world, self.config.training.validate_share)

    def _in_order(self, part: str, rank: int, world: int, share: float = 1.0) -> DataLoader:
        data = self.config.data
        if self.window is None:
            clips = Whole(
                self.data.shards,
                self.labels,
                part,
                self.config.training.batch_size,
                shortest=self.shortest(),
                longest=self.longest(),
                rank=rank,
                world=world,
                share=share,
            )
            return loader(clips)
        hop = None if data.hop_s is None else round(data.hop_s * self.rate)
        return loader(All(self.feed(part), hop, rank, world, share))

    def shortest(self) -> int:
        """Samples that a whole clip must have: a window, or what the backbone needs."""
        if self.window is not None:
            return self.window
        least = self.network.backbone.shortest
        return (
            least if self.feature is None or self.network.takes_samples else least * self.feature.hop_samples
        )

    def longest(self) -> int | None:
        """Samples that the backbone takes at most of a whole clip."""
        most = self.network.backbone.wants.longest
        if most is None:
            return None
        return (
            most
            if self.feature is None or self.network.takes_samples
            else (most - 1) * self.feature.hop_samples
        )

    def has(self, part: str) -> bool:
        """Whether there is a recording of a part."""
        return any(row.split == part for row in self.data.shards.rows)

    def normalise(self) -> None:
        """Give the network mean and standard deviation of its rows, over batches of the training part."""
        if self.network.takes_samples or self.network.normalise == "none":
            return
        total, squares, count = 0.0, 0.0, 0
        # What all processes will be given, in each of them: the same statistics, of as many clips as in one alone.
        for number, batch in enumerate(self._drawn(0, 1, self.steps_per_epoch() * self.world)):
            if number == STATISTICS_BATCHES * self.world:
                break
            rows, lengths = batch.samples, None
            if rows.ndim == 2:
                rows, lengths = self.learning_frontend(rows, batch.lengths if self.learns_clips else None)
            flat = rows.flatten(0, 1) if lengths is None else rows[frame_mask(lengths, rows.shape[1])]
            flat = flat.double()
            total, squares = total + flat.sum(dim=0), squares + flat.square().sum(dim=0)
            count += len(flat)
        mean = cast(torch.Tensor, total) / count
        std = (cast(torch.Tensor, squares) / count - mean.square()).clamp(min=LEAST_STD**2).sqrt()
        self.network.set_normalisation(mean.numpy(), std.numpy())

    def genres(self) -> torch.Tensor | None:
        """The genre of every row as a number, by its column ``genre``; -1 where it is empty, None where all are."""
        named = [row.extra.get("genre", "") for row in self.data.shards.rows]
        known = sorted({genre for genre in named if genre})
        return torch.tensor([known.index(genre) if genre else -1 for genre in named]) if known else None

    def known(self) -> beside.Known:
        """What the head is told of every row beside its sound; empty where it is told nothing."""
        inputs = getattr(self.network.head, "inputs", {})
        return beside.of_rows(self.data.shards.rows, inputs)

    def learned(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Targets of the training rows, and whether they are judged, (rows, classes) each."""
        rows = tuple(row for row in self.data.shards.rows if row.split == TRAIN)
        targets, judged = replace(self.data.shards.manifest, rows=rows).targets(self.labels)
        return torch.from_numpy(targets), torch.from_numpy(judged).float()

    def class_weights(self) -> torch.Tensor | None:
        """Inverse to how many training rows have a label, with a mean of 1."""
        if not self.config.training.class_weights:
            return None
        counts = self.learned()[0].sum(dim=0).numpy()
        weights = 1.0 / np.maximum(counts, 1.0)
        return torch.as_tensor(weights / weights.mean(), dtype=torch.float32)


def feature_of(config: Config) -> Feature | None:
    """The feature of a configuration: one, or several as channels; None where samples go in.

    Raises
    ------
    UnknownName, UsageError
        If a feature or a parameter is unknown, or several do not share rate and hop.
    """
    specs = [dict(spec) for spec in config.features]
    if [spec["name"] for spec in specs] == ["samples"]:
        return None
    spec = specs[0] if len(specs) == 1 else {"name": "channels", "features": specs}
    try:
        return features.from_dict(spec, files=True)
    except ValueError as error:
        raise UsageError(f"features: {error}") from None
    except TypeError as error:
        raise UsageError(f"features: a parameter is of the wrong type ({error})") from None


def of_published_rows(feature: Feature | None, wanted: Mapping[str, Any]) -> str:
    """What is to be said of the rows that published weights are shown, and of the feature that makes them."""
    told = "the published weights are shown rows as the feature gives them, as they were trained"
    given = {} if feature is None else features.to_dict(feature)
    other = [f"{key}={value}" for key, value in wanted.items() if given.get(key) != value]
    return f"{told}; but then with {', '.join(other)}" if other else told


def kept_feature(config: Config, feature: Feature | None) -> Feature | None:
    """The feature whose frames are prepared in place of samples (``data.cache=features``); None: samples are.

    Raises
    ------
    UsageError
        If what is trained needs samples; says why.
    """
    if config.data.cache != "features":
        return None
    of_samples = None if feature is None else augment.build(config.augment, feature.sample_rate, feature)[0]
    why = ""
    if feature is None:
        why = "this network takes samples"
    elif not feature.streamable:
        why = f"a row of {feature.name!r} depends on where its window begins"
    elif config.data.window_s is None or config.data.shown == "clips":
        why = "whole clips are read as samples"
    elif of_samples is not None:
        why = f"augmentations change samples ({', '.join(each.name for _, _, each in of_samples.parts)})"
    if why:
        raise UsageError(f"data.cache=features cannot be: {why}. Leave data.cache=samples.")
    return feature


def rate_of(config: Config, feature: Feature | None) -> int:
    """Hz of the samples that are prepared."""
    if feature is not None:
        return feature.sample_rate
    return int(config.features[0].get("sample_rate", 16_000))


def check_names(config: Config) -> None:
    """Refuse names and parameters that no part has, before hours of sound are prepared for it.

    Raises
    ------
    UnknownName, UsageError
        As when the parts are made.
    """
    backbones.named(config.network.backbone, under="network.backbone")
    heads.named(config.network.head, under="network.head")
    phases.Plan(config.training, 1)
    ranks.strategy(config.training)
    if config.kind == "network":
        objective.named(config.losses, under="losses")
        for number, spec in enumerate(config.augment):
            augment.named(spec, under=f"augment.{number}")
        one_of("training.monitor", config.training.monitor, FIGURES)


def network_of(config: Config, feature: Feature | None, n_classes: int) -> Network:
    """The network of a configuration, with the weights that it begins with.

    Raises
    ------
    UsageError
        If backbone and feature do not go together; says why.
    """
    parts = (1,) if feature is None else feature.parts
    normalise = config.network.normalise
    spec = config.network.backbone
    default, level, none = NORMALISATIONS
    if (normalise == default and backbones.as_it_comes(spec)) or (
        normalise == level and backbones.has_published_rows(spec)
    ):
        normalise = none
    elif feature is None or (len(parts) > 1 and normalise == default):
        normalise = level
    try:
        network = Network(
            sum(parts), n_classes, backbone=config.network.backbone, head=config.network.head,
            normalise=normalise, parts=parts,
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(f"network: {error}") from None
    except TypeError as error:
        raise UsageError(f"network: a parameter is of the wrong type ({error})") from None
    if network.takes_samples != (feature is None):
        wanted = "samples (features: samples)" if network.takes_samples else "a feature"
        raise UsageError(f"the backbone {config.network.backbone['name']!r} takes {wanted}")
    return network
