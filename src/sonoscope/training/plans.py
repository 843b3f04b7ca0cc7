"""From what is asked (a preset or a file, words, seeds, a sweep) to trainings, each with a folder of its own."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sonoscope.errors import NEAR, UnknownName, UsageError, nearest
from sonoscope.training import aliases, presets, space
from sonoscope.training import config as configs
from sonoscope.training.config import Config
from sonoscope.training.sections import BadConfig
from sonoscope.training.space import Choices

#: What is trained where nobody says what.
DEFAULT_PRESET = "cnn-mel"
YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Planned:
    """One training: its folder, relative to that of all of them (empty: that folder), and what it is.

    ``words`` are those that make it this one of several.
    """

    folder: str
    config: Config
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """The words of a command, sorted: the configuration's plain values, and ``key=value`` words.

    ``remarks`` tell what keys of other systems became.
    """

    values: Mapping[str, Any]
    words: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def asked(words: Sequence[str]) -> Asked:
    """Sort the words of a command.

    The first one may name a preset or a YAML file; the others are data to train on, or ``key=value``.

    Raises
    ------
    UnknownName, BadConfig
        If a word is neither a preset nor anything that is there, or a file cannot be read.
    """
    values: dict[str, Any] = {}
    named, remarks = False, list[str]()
    data: list[str] = []
    settings: list[str] = []
    for word in words:
        if _is_setting(word):
            settings.append(word)
        elif not named and not data and word in presets.names():
            values, named = presets.load(word), True
        elif not named and not data and Path(word).suffix.lower() in YAML:
            values, remarks = aliases.translated(configs.read(word))
            values, named = {**values, "name": values.get("name") or Path(word).stem}, True
        elif Path(word).exists() or ":" in word:
            data.append(word)
        else:
            near = "" if named or data else nearest(word, presets.names(), alike=NEAR)
            raise UnknownName(
                f"{word}: there is no such file, folder or preset.{near} sonoscope train --list names the presets"
            )
    if not named:
        values = presets.load(DEFAULT_PRESET)
    if data:
        values = presets.merged(values, {"data": {"train": data}})
    settings, told = aliases.translated_words(settings)
    return Asked(values, tuple(settings), (*remarks, *told))


def hurried(found: Asked) -> Asked:
    """The same in two epochs, or in one for each phase where there are more: what ``--quick`` trains.

    Whoever says epochs or phases in a word gets those.
    """
    keys = [configs.full_key(word.partition("=")[0]) for word in found.words]
    if any(key.startswith(("training.epochs", "training.phases")) for key in keys):
        return found
    *first, last = found.values.get("training", {}).get("phases") or [{}]
    phases = [*({**phase, "epochs": 1} for phase in first), {**last, "epochs": None}]
    fewer = {"training": {"epochs": max(2, len(phases)), "phases": phases}}
    return replace(found, values=presets.merged(found.values, fewer))


def is_named(word: str) -> bool:
    """Whether a word says how to train (a preset, a YAML file, a setting), and not what on."""
    return _is_setting(word) or word in presets.names() or Path(word).suffix.lower() in YAML


def _is_setting(word: str) -> bool:
    key, sign, _ = word.partition("=")
    plain = key.replace(".", "").replace("_", "").replace("-", "")
    return bool(sign) and plain.isalnum() and not Path(word).exists()


def plans(found: Asked, *, seeds: int = 1, sweep: Sequence[str] = ()) -> list[Planned]:
    """Every training: each combination of the sweep with each seed.

    Parameters
    ----------
    seeds : int
        How many, from the configuration's own on.
    sweep : sequence of str
        ``key=a,b`` (values by commas; in brackets where one has commas).

    Raises
    ------
    BadConfig
        If a sweep or a configuration cannot be meant.
    """
    if seeds < 1:
        raise UsageError(f"--seeds {seeds} must be at least 1")
    axes = [each.words for each in space.axes(sweep, ranges=False) if isinstance(each, Choices)]
    made = []
    for chosen in itertools.product(*axes):
        folder = ",".join(f"{word.partition('=')[0].rpartition('.')[2]}={_named(word)}" for word in chosen)
        first = configs.compose(found.values, [*found.words, *chosen])
        for number in range(seeds):
            seed = first.training.seed + number
            words = (*chosen, f"training.seed={seed}")
            config = configs.compose(found.values, [*found.words, *words])
            parts = [folder] if folder else []
            parts += [f"seed-{seed}"] if seeds > 1 else []
            made.append(Planned("/".join(parts), config, words))
    if len({plan.folder for plan in made}) < len(made):
        raise BadConfig("two trainings of the sweep would have one folder: give different values")
    return made


def _named(word: str) -> str:
    """A value as a part of a folder's name."""
    value = word.partition("=")[2]
    kept = "".join(sign if sign.isalnum() or sign in "._-+" else "_" for sign in value)
    return kept.strip("_")[:60] or "none"


def folder_for(name: str, wish: str | None) -> Path:
    """Where to train: what is asked, else ``runs/NAME`` (or ``NAME-2`` …, the first that does not exist)."""
    if wish:
        return Path(wish)
    for number in itertools.count(1):
        place = Path("runs") / (name if number == 1 else f"{name}-{number}")
        if not place.exists():
            return place
    raise AssertionError
