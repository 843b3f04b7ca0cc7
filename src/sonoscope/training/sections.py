"""A dataclass from plain values, each key and value checked: how configurations are read, not what they say.

A value is of its field's declared type; a *part* is a mapping with a ``name``, and a bare name stands for one. A
dataclass may have a ``check`` that refuses values which cannot be meant.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import yaml

from sonoscope.errors import UnknownName, UsageError, nearest

S = TypeVar("S")

_NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
_NUMBERS = re.compile(rf"{_NUMBER}(,{_NUMBER})+")

#: What to remark on an unknown key, given it and those that its section has.
Near = Callable[[str, Iterable[str]], str]


class BadConfig(UsageError):
    """A configuration that cannot be meant; the message names the key, the value and the remedy."""


def section(cls: type[S], values: Any, where: str = "", near: Near = nearest) -> S:
    """A dataclass from a mapping, its fields converted and checked; ``where`` is its key.

    Raises
    ------
    BadConfig, UnknownName
        The message names the key, the value and the remedy.
    """
    if not isinstance(values, Mapping):
        raise BadConfig(f"{where or 'the configuration'} must hold keys and values, got {values!r}")
    types_of = typing.get_type_hints(cls)
    known = {each.name: each for each in fields(cls)}  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{where}.{key}" if where else str(key)
        if key not in known:
            raise UnknownName(f"unknown key {name!r}.{near(str(key), known)} Known: {', '.join(known)}.")
        found[key] = _typed(types_of[key], value, name, near)
    for name, each in known.items():
        if name not in found and each.default is MISSING and each.default_factory is MISSING:
            raise BadConfig(f"{where}.{name} is missing")
    made = cls(**found)
    check = getattr(made, "check", None)
    if check is not None:
        check()
    return made


def _typed(kind: Any, value: Any, name: str, near: Near) -> Any:
    """``value`` as its declared type; ints count as floats, one value as a tuple of it, a name as a part.

    Several numbers, and names of several parts, may have commas between them (``1000,500``).
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _typed(next(each for each in inner if each is not types.NoneType), value, name, near)
    if origin is tuple:
        if inner[0] is not str:
            value = value.split(",") if _is_part(inner[0]) and isinstance(value, str) else _numbers(value)
        entries = value if isinstance(value, list | tuple) else [] if value is None else [value]
        return tuple(
            _typed(inner[0], entry, f"{name}.{number}", near) for number, entry in enumerate(entries)
        )
    if is_dataclass(kind):
        return section(typing.cast(type, kind), value, name, near)
    if _is_part(kind):
        if isinstance(value, str):
            return {"name": value}
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            raise BadConfig(f"{name}={value!r} must be a name, or keys and values with a name among them")
        return {key: _numbers(each) for key, each in value.items()}
    return _scalar(kind, value, name)


def _is_part(kind: Any) -> bool:
    return typing.get_origin(kind) is dict


def _numbers(value: Any) -> Any:
    """Numbers with commas between them as a list, anything else as it is."""
    return parsed(f"[{value}]") if isinstance(value, str) and _NUMBERS.fullmatch(value) else value


def _scalar(kind: type, value: Any, name: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        raise BadConfig(f"{name}={value!r} must be {words[kind]}")
    return value


def one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UnknownName(f"{name}={value!r} is unknown.{nearest(value, known)} Known: {', '.join(known)}.")


def within(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> None:
    if not (low < value if open_low else low <= value) or not value <= high:
        raise BadConfig(f"{name}={value} must lie in {low}{' (excluded)' if open_low else ''}..{high}")


def at_least(low: int, values: Any, where: str, names: Iterable[str]) -> None:
    """Refuse fields of ``values`` below ``low``; those that are None stay open. Raises ``BadConfig``."""
    for name in names:
        value = getattr(values, name)
        if value is not None and value < low:
            raise BadConfig(f"{where}.{name}={value} must be at least {low}")


class _NumberSafeLoader(yaml.SafeLoader):
    """PyYAML's safe loader, for which 1e-4 is a number too, as YAML 1.2 says."""


_NumberSafeLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parsed(text: str) -> Any:
    """The value that a word of the command line means, by the rules of YAML; ``1e-3`` is a number too."""
    try:
        return yaml.load(text, Loader=_NumberSafeLoader)
    except yaml.YAMLError as error:
        raise BadConfig(f"{text!r} is no value: {error}") from None


def put(values: dict[str, Any], key: str, value: Any) -> None:
    """Set ``a.b.c``; numbers count in lists, and a part given by its bare name becomes one with parameters.

    A part with a number behind it is the first of a list: ``losses=focal`` may be followed by ``losses.0.gamma=1``.
    """
    steps = key.split(".")
    last = steps[-1]
    place: Any = values
    for number, (name, below) in enumerate(pairwise(steps), start=1):
        place = _entered(place, name, ".".join(steps[:number]), counted=below.isdigit())
    if isinstance(place, list):
        place[_index(place, last, key)] = value
    else:
        place[last] = value


def _entered(place: Any, name: str, where: str, *, counted: bool) -> Any:
    """What ``name`` holds in ``place``, made able to hold keys, or (``counted``) made a list of what it holds."""
    at: Any = _index(place, name, where) if isinstance(place, list) else name
    inner = place[at] if isinstance(place, list) else place.get(at)
    if counted and isinstance(inner, str | dict):
        inner = [inner]
    elif inner is None or isinstance(inner, str):
        inner = {} if inner is None else {"name": inner}
    elif isinstance(inner, tuple):
        inner = list(inner)
    elif not isinstance(inner, dict | list):
        raise BadConfig(f"{where}={inner!r} has no keys below it")
    place[at] = inner
    return inner


def _index(place: list[Any], name: str, where: str) -> int:
    """A number in a list; the one after its last makes room for one more."""
    if not name.isdigit() or int(name) > len(place):
        raise BadConfig(f"{where}: {name!r} must be a number in 0..{len(place)}")
    if int(name) == len(place):
        place.append(None)
    return int(name)


def plain(path: str | Path) -> dict[str, Any]:
    """What a YAML file says itself. Raises ``BadConfig`` if it cannot be read or holds no keys."""
    try:
        values = yaml.load(Path(path).read_text(encoding="utf-8-sig"), Loader=_NumberSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadConfig(f"{path} cannot be read as YAML: {error}") from None
    if not isinstance(values, dict):
        raise BadConfig(f"{path} must hold keys and values, such as 'data: {{train: clips}}'")
    return values
