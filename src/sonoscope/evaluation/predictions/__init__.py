"""MODEL|PREDICTIONS in the words of the command: whatever has scores, or makes them, of the clips of a data set.

===========================  ========================================================================================
``instruments``              a model by its name, or the folder of a bundle (of a network, of an SVM, of a dummy)
``runs/mine``                the folder of a training: its best weights; ``runs/mine@last`` are its last
``one,two,three``            an ensemble: the mean of their scores
``folds/{split}``            a model for each value of a column of the data: that of its split hears a clip
``results``                  the folder of an ``analyze``, from the scores it kept; ``results@MODEL`` of several
``scores.csv`` and others    tables and files of other programs (:mod:`sonoscope.evaluation.predictions.tables`)
===========================  ========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope import models
from sonoscope.data.rows import Manifest
from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.evaluation import pooling
from sonoscope.evaluation.pooling import Windows
from sonoscope.evaluation.predictions import kept, matching, parted, tables
from sonoscope.evaluation.predictions.bundles import BundleSource
from sonoscope.evaluation.predictions.parted import PartedSource
from sonoscope.evaluation.predictions.windows import Asked, Source, clip_scores
from sonoscope.values import Label

__all__ = [
    "BUNDLE",
    "Asked",
    "BundleSource",
    "EnsembleSource",
    "PartedSource",
    "Source",
    "clip_scores",
    "opened",
]

#: Where a training puts its bundle; its manifest lies beside.
BUNDLE = "bundle"
BEST, LAST = "best", "last"
#: Makes the bundle of a training's checkpoint: takes the run's folder and the checkpoint's name.
Exporter = Callable[[Path, str], Path]


@dataclass(eq=False)
class EnsembleSource:
    """The mean of the scores that several sources give a clip."""

    members: tuple[Source, ...]
    name: str
    partial: bool = False

    @property
    def labels(self) -> tuple[Label, ...]:
        return self.members[0].labels

    @property
    def own(self) -> Mapping[str, float]:
        """None: thresholds of members are not those of their mean."""
        return {}

    @property
    def about(self) -> Mapping[str, Any]:
        """What it is."""
        return {"mean of": [dict(member.about) for member in self.members]}

    def remarks(self) -> list[str]:
        """Those of the members, each once."""
        return list(dict.fromkeys(text for member in self.members for text in member.remarks()))

    def windows(self, manifest: Manifest, asked: Asked) -> Iterator[tuple[int, Windows]]:
        """One window for each row, the mean of the members' aggregated scores.

        What is relative to the strongest label is made so again afterwards, by the same aggregation.
        """
        found = []
        asked = replace(asked, embedding=None)  # those of members have nothing in common
        for member in self.members:
            places = matching.columns(
                [label.id for label in self.labels], member.labels, partial=False, what=member.name
            )
            scores = np.full((len(manifest.rows), len(places)), np.nan)
            for place, windows in member.windows(manifest, asked):
                kept_windows = Windows(windows.values[:, places], windows.weights)
                if asked.options.tail == "drop":
                    kept_windows = kept_windows.without_tail()
                scores[place] = pooling.pooled(kept_windows, asked.options.aggregate)
            found.append(scores)
        mean = np.mean(found, axis=0)
        for row in np.flatnonzero(np.isfinite(mean).all(axis=1)).tolist():
            yield row, Windows.whole(mean[row][None])


def opened(word: str, *, export: Exporter | None = None) -> Source:
    """What a word of the command names.

    Parameters
    ----------
    word : str
    export : function, optional
        Makes the bundle of another checkpoint than the best one, which needs the packages of training.

    Raises
    ------
    UnknownName
        If there is no such model, folder or file; names the nearest model.
    UsageError
        If it holds nothing that predicts.
    """
    if "," in word and not Path(word).exists():
        return _ensemble([part.strip() for part in word.split(",") if part.strip()], export)
    if (column := parted.column_of(word)) is not None:
        return parted.opened(word, column, _called(Path(word)), lambda each: opened(each, export=export))
    if word in models.names():
        return BundleSource(models.load(word), word)
    place, mark, choice = _parted(word)
    if place.is_dir():
        if (place / "bundle.json").is_file():
            return BundleSource(models.load(str(place)), _called(place))
        if (place / "config.yaml").is_file():
            return _run(place, choice, export)
        if (place / ".sonoscope").is_dir():
            return kept.opened(place, choice)
        if mark:
            raise UsageError(
                f"{word}: @{choice} is for trainings and results of several models; {place} is neither"
            )
        return tables.opened(place)
    if place.is_file() and not mark:
        return tables.opened(place)
    known = models.names()
    raise UnknownName(
        f"no model and no predictions {word!r}.{nearest(word, known)} Models: {', '.join(known)}; or name a bundle, a "
        "training, results of analyze, or a file of predictions"
    )


def _parted(word: str) -> tuple[Path, str, str]:
    """A path, and what follows an ``@`` that is not part of it."""
    if Path(word).exists():
        return Path(word), "", ""
    before, mark, choice = word.rpartition("@")
    return (Path(before), mark, choice) if mark and Path(before).is_dir() else (Path(word), "", "")


def _called(place: Path) -> str:
    """The folder's name; a training's for the bundle in it."""
    whole = place.absolute()
    return whole.parent.name if whole.name == BUNDLE and whole.parent.name else whole.name


def _run(place: Path, choice: str, export: Exporter | None) -> BundleSource:
    if choice not in ("", BEST, LAST):
        raise UsageError(f"{place}@{choice}: a training has @best and @last")
    if choice == LAST:
        if export is None:
            raise UsageError(f"{place}@last: only the command can make a bundle of the last weights")
        return BundleSource(models.load(str(export(place, LAST))), f"{place.name}@last", run=place)
    if not (place / BUNDLE / "bundle.json").is_file():
        raise UsageError(f"{place} holds no bundle: has the training finished? train --resume goes on")
    return BundleSource(models.load(str(place / BUNDLE)), place.absolute().name, run=place)


def _ensemble(words: Sequence[str], export: Exporter | None) -> EnsembleSource:
    members = tuple(opened(word, export=export) for word in words)
    if len(members) < 2:
        raise UsageError(f"an ensemble needs two members, got {', '.join(words) or 'none'}")
    ids = [{label.id for label in member.labels} for member in members]
    for member, own in zip(members[1:], ids[1:], strict=True):
        if own != ids[0]:
            odd = sorted(ids[0] ^ own)
            raise UsageError(
                f"{member.name} and {members[0].name} are no ensemble: only one of them has {matching.listed(odd)}"
            )
    return EnsembleSource(members, "+".join(member.name for member in members))
