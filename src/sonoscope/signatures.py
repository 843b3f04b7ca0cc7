"""Values from a configuration against the annotation of the parameter they are for.

What YAML and JSON can hold is judged: numbers, text, true and false, null, lists, and keys with values. An annotation
that says more than these (a tensor, a class of the part's own) is left to the part, and so is a parameter without one.
A whole number counts as a number, and a list as any sequence. Ranges are annotated too, with those below:

>>> def make(*, dim: Size, layers: Sequence[Size] = (64,)): ...
>>> wrong(parameters(make)["layers"], "64")
"layers='64' must be a list of whole numbers of at least 1, such as layers=[64]"
>>> wrong(parameters(make)["dim"], 0)
'dim=0 must be a whole number of at least 1, such as dim=1'

pydantic would say whether a value fits, but the room of the service alone may import it (the core does not install it),
and what a parameter takes would still have to be put into words.
"""

from __future__ import annotations

import inspect
import json
import math
import types
from collections import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np

from sonoscope.errors import UsageError


@dataclass(frozen=True)
class Range:
    """Numbers from ``least`` to ``most``, both included unless ``above`` leaves out the least."""

    least: float
    most: float = math.inf
    above: bool = False

    def __contains__(self, value: float) -> bool:
        return (self.least < value if self.above else self.least <= value) and value <= self.most

    def __str__(self) -> str:
        if self.most < math.inf:
            return f"in {self.least:g}..{self.most:g}"
        return f"above {self.least:g}" if self.above else f"of at least {self.least:g}"


Size = Annotated[int, Range(1)]
Count = Annotated[int, Range(0)]
Share = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(0, above=True)]

#: Kinds that a configuration can hold: what they are called, one and many, and an example of each.
KINDS: dict[Any, tuple[str, str, Any]] = {
    bool: ("true or false", "true or false each", True),
    int: ("a whole number", "whole numbers", 1),
    float: ("a number", "numbers", 0.5),
    str: ("text", "texts", "name"),
    Path: ("a path", "paths", "file"),
    types.NoneType: ("null", "nulls", None),
}
UNIONS = (Union, types.UnionType)
LISTS = (abc.Sequence, list, tuple, abc.Iterable, abc.Collection, set, frozenset)
KEYED = (abc.Mapping, dict)


def parameters(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What can be given to ``make``, with annotations as they are meant where their names can be found."""
    try:
        return inspect.signature(make, eval_str=True).parameters
    except Exception:  # whatever a user's own annotations raise: then they say nothing
        return inspect.signature(make).parameters


def wrong(parameter: inspect.Parameter, value: Any, under: str = "") -> str:
    """What is wrong with a value, what is taken and an example; empty: nothing.

    ``under`` is the key of a configuration that the parameter stands under, if it is known.
    """
    if fits(value, parameter.annotation):
        return ""
    name, taken = f"{under}.{parameter.name}" if under else parameter.name, parameter.annotation
    shown = parameter.default
    empty = shown in (None, inspect.Parameter.empty) or (isinstance(shown, str | tuple | list) and not shown)
    if empty or not fits(shown, taken):
        shown = _example(taken, value)
    # As a word of the command line: a list as YAML has it, and text that would be a number in quotes.
    example = shown if isinstance(shown, str) and not isinstance(value, int | float) else _json(shown)
    given = repr(value) if isinstance(value, str) else _json(value)
    return f"{name}={given} must be {told(taken)}, such as {name}={example}"


def expect(kind: Any, **given: Any) -> None:
    """Refuse arguments of a call in Python that are not of ``kind``; NumPy's numbers and arrays are taken as Python's.

    >>> expect(float | None, hop=np.float32(0.5), min_duration=None)

    Raises
    ------
    UsageError
        Saying which, what was given and what is taken.
    """
    for name, value in given.items():
        if not fits(value.tolist() if isinstance(value, np.generic | np.ndarray) else value, kind):
            kinds = get_args(kind) if get_origin(kind) in UNIONS else (kind,)
            # What None stands for is what there is without the argument.
            taken = " or ".join(told(each) for each in kinds if each is not types.NoneType)
            raise UsageError(f"{name}={value!r} must be {taken}")


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of the kind that an annotation says, as far as it says one that a configuration can hold."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        ranges = [each for each in inner[1:] if isinstance(each, Range)]
        return fits(value, inner[0]) and all(value in each for each in ranges)
    if origin in UNIONS:
        return any(fits(value, each) for each in inner)
    if origin is Literal:
        return value in inner
    if (origin or kind) in LISTS:
        if not isinstance(value, Sequence) or isinstance(value, str):
            return False
        if origin is tuple and inner[-1] is not Ellipsis:
            return len(value) == len(inner) and all(map(fits, value, inner))
        return not inner or all(fits(each, inner[0]) for each in value)
    if (origin or kind) in KEYED:
        return isinstance(value, Mapping) and all(
            fits(key, inner[0]) and fits(each, inner[1]) for key, each in value.items() if inner
        )
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is Path:
        return isinstance(value, str | Path)
    return kind not in KINDS or isinstance(value, kind)


def told(kind: Any, *, many: bool = False) -> str:
    """The words for what an annotation takes, one or ``many`` of it."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        ranges = [str(each) for each in inner[1:] if isinstance(each, Range)]
        return " ".join([told(inner[0], many=many), *ranges])
    if origin in UNIONS:
        return " or ".join(dict.fromkeys(told(each, many=many) for each in inner))
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}" if len(inner) > 1 else str(inner[0])
    if (origin or kind) in LISTS:
        fixed = origin is tuple and inner and inner[-1] is not Ellipsis
        of = "" if not inner else f" of {f'{len(inner)} ' if fixed else ''}{told(inner[0], many=True)}"
        return ("lists" if many else "a list") + of
    if (origin or kind) in KEYED:
        return "keys and values"
    return KINDS[kind][1 if many else 0] if kind in KINDS else getattr(kind, "__name__", str(kind))


def _example(kind: Any, value: Any) -> Any:
    """A value that fits an annotation: the one that was given as text where text is taken."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return next((each.least for each in inner if isinstance(each, Range) and each.least in each), 1)
    if origin in UNIONS or origin is Literal:
        return inner[0] if origin is Literal else _example(inner[0], value)
    if (origin or kind) in LISTS:
        count = len(inner) if origin is tuple and inner[-1] is not Ellipsis else 1
        return [_example(inner[0] if inner else float, value)] * count
    if (origin or kind) in KEYED:
        return {"name": _example(inner[1], value) if inner else 1}
    if kind is str and isinstance(value, int | float):
        return str(value)
    return KINDS[kind][2] if kind in KINDS else None


def _json(value: Any) -> str:
    """A value as YAML reads it, on one line."""
    return json.dumps(value, default=lambda each: vars(each) if is_dataclass(each) else str(each))
