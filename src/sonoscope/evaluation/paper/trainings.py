"""How a model learnt, in sentences: every field of its training's configuration that its weights depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Fields that say where and how fast a training runs, or where it keeps things; by section.
LEFT_OUT: Mapping[str, tuple[str, ...]] = {
    "": ("about", "feature_on"),
    "data": ("folder", "cache"),
    "training": ("threads", "loader_workers", "channels_last", "sanity_steps", "strategy"),
}
#: Fields whose names are not what they are called.
CALLED = {
    "optimizer": "optimiser",
    "batch_size": "batches of",
    "by": "parts by",
    "average": "moving average of the weights",
    "init_from": "weights from",
    "window_s": "windows in seconds",
    "hop_s": "hop in seconds",
}
#: Parts of a configuration that are lists of parts, and what they are called.
PARTS = {"features": "Features", "losses": "Loss", "augment": "Augmentation"}
SECTIONS = {"data": "Data", "network": "Network", "training": "Training"}
SINGLE = {"model": "Model", "pretext": "Pretext"}
_NETWORKS = ("network", "pretrain", "notes")


def told(config: Mapping[str, Any]) -> Iterator[str]:
    """Sentences without their full stops; none of an empty configuration.

    What is unset (None, empty, False, a fold of none) is not said. A classical model and a dummy have no network and
    no losses.
    """
    if not config:
        return
    kind = config.get("kind", "network")
    name = config.get("name") or "without a name"
    yield f"Configuration {name} ({kind})"
    leave = ("network", "training", "losses", "augment") if kind not in _NETWORKS else ()
    for key, title in {**SINGLE, **SECTIONS, **PARTS}.items():
        value = config.get(key)
        if not value or key in leave:
            continue
        if key in PARTS:
            said = ", ".join(part(each) for each in value)
        elif key in SINGLE:
            said = part(value)
        else:
            said = ", ".join(_fields(value, LEFT_OUT.get(key, ())))
        if said:
            yield f"{title}: {said}"


def part(value: Any) -> str:
    """A part of a configuration: ``logmel (n_fft 2048, hop_samples 600)``."""
    if not isinstance(value, Mapping):
        return str(value)
    rest = _fields({key: each for key, each in value.items() if key != "name"}, (), plain=True)
    inside = ", ".join(rest)
    name = str(value.get("name", ""))
    return f"{name} ({inside})" if name and inside else name or inside


def _fields(section: Mapping[str, Any], leave: tuple[str, ...], *, plain: bool = False) -> Iterator[str]:
    for key, value in section.items():
        if key in ("folds", "fold") and not section.get("folds"):
            continue
        if key in leave or value is None or value is False or value in ("", (), []) or value == {}:
            continue
        name = key if plain else CALLED.get(key, key.replace("_", " "))
        yield name if value is True else f"{name} {_value(value, ' or ' if plain else ' and ')}"


def _value(value: Any, between: str) -> str:
    """Of a part's parameters a list is what was chosen from, or the sizes of layers, which stay as they are."""
    if isinstance(value, Mapping):
        return part(value)
    if isinstance(value, list | tuple) and not any(isinstance(each, list | tuple) for each in value):
        return between.join(_value(each, between) for each in value)
    return str(value)
