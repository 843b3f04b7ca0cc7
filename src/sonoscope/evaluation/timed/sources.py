"""What says something of recordings in time, and which one a word of the command means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sonoscope import models
from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.evaluation.notes import Notes
from sonoscope.evaluation.pitch import Roll
from sonoscope.evaluation.timed.parts import Part
from sonoscope.values import Event


@dataclass(frozen=True, eq=False)
class Said:
    """What is said of the labels of one recording: decided events, and scores of cells, whichever there are.

    ``strangers`` are labels that events have and nobody asked for.
    """

    events: tuple[Event, ...] | None
    edges_s: np.ndarray | None = None
    scores: np.ndarray | None = None
    strangers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wish:
    """How a source is asked: the pedal of MIDI files, and a threshold instead of a model's own."""

    pedal: bool = True
    threshold: float | None = None


class Source(Protocol):
    """Says what sounds in a part; each method raises ``UsageError`` where it cannot."""

    @property
    def name(self) -> str:
        """In tables."""
        ...

    @property
    def about(self) -> Mapping[str, Any]:
        """For the report."""
        ...

    def remarks(self) -> list[str]:
        """What must be said beside the figures."""
        ...

    def check(self, parts: Sequence[Part]) -> None:
        """Refuse parts of which nothing is said, before anything is heard."""
        ...

    def notes(self, part: Part) -> tuple[Event, ...]:
        """Notes, from the start of the part."""
        ...

    def roll(self, part: Part) -> Roll | Notes:
        """Scores of pitches in frames; notes, where there is no more."""
        ...

    def said(self, part: Part, labels: Sequence[str]) -> Said:
        """Events and scores of these labels."""
        ...


def opened(word: str, wish: Wish, *, export: Callable[[Path, str], Path] | None = None) -> Source:
    """The source that a word names: a model, a bundle's or training's folder, results of ``analyze``, files.

    Raises
    ------
    UnknownName
        If there is none; names the nearest model.
    UsageError
        If it holds nothing that can be read.
    """
    from sonoscope.evaluation.timed.files import FileSource
    from sonoscope.evaluation.timed.kept import KeptSource
    from sonoscope.evaluation.timed.models import ModelSource

    if word in models.names():
        return ModelSource(models.load(word), word, wish)
    place, choice = Path(word), ""
    if not place.exists() and "@" in word:
        before, _, choice = word.rpartition("@")
        place = Path(before)
    if place.is_dir():
        if (place / "bundle.json").is_file():
            return ModelSource(models.load(str(place)), place.absolute().name, wish)
        if (place / "config.yaml").is_file():
            folder = export(place, choice) if choice == "last" and export else place / "bundle"
            return ModelSource(models.load(str(folder)), word, wish)
        if (place / ".sonoscope").is_dir():
            return KeptSource(place, choice, wish)
    if place.exists() and not choice:
        return FileSource(place, wish)
    known = models.names()
    raise UnknownName(
        f"no model and no predictions {word!r}.{nearest(word, known)} Models: {', '.join(known)}; or name a bundle, "
        "results of analyze, or files of predictions"
    )


def refuse(name: str, wanted: str, instead: str) -> UsageError:
    """The error of a source that says nothing of a kind."""
    return UsageError(f"{name} holds no {wanted}: {instead}")
