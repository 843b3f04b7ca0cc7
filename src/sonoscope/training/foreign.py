"""What a key of another system becomes here: one key of ours or several, or nothing, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sonoscope.errors import UnknownName, nearest

#: Places of ours, each with its value.
Places = dict[str, Any]


def as_it_is(value: Any) -> Any:
    """A value that needs no turning."""
    return value


@dataclass(frozen=True)
class Alias:
    """Where a key goes: ``keys`` with dots, all of which get the value; ``turned`` makes it one of ours.

    ``spread`` takes the value and all that was given, and says the places itself, where they depend on that; then
    ``keys`` only tell which these may be. Without keys a key means nothing here, and ``why`` says so; with them,
    ``why`` is for the values that ``spread`` has no place for. ``takes`` is how many words follow it as an option:
    ``one``, ``many`` or ``none``.
    """

    keys: tuple[str, ...]
    turned: Callable[[Any], Any] = as_it_is
    why: str = ""
    spread: Callable[[Any, Mapping[str, Any]], Places] | None = None
    takes: str = "one"

    @property
    def renames(self) -> bool:
        """Whether it is another word for one key here, and nothing more."""
        return len(self.keys) == 1 and self.spread is None and self.turned is as_it_is

    def places(self, value: Any, given: Mapping[str, Any]) -> Places:
        """Places of ours with their values; none where it means nothing."""
        if value is None:
            return {}
        return self.spread(value, given) if self.spread else {key: self.turned(value) for key in self.keys}


def of_table(
    table: Mapping[str, Any], what: str, refused: Mapping[str, str] | None = None
) -> Callable[[Any], Any]:
    """What takes a name of ``table`` to what stands for it here, and refuses others, with the reason if there is one.

    The function raises ``UnknownName``.
    """

    def turned(value: Any) -> Any:
        name = str(value).upper()
        if refused and name in refused:
            raise UnknownName(f"the {what} {value!r} is not here: {refused[name]}")
        if name not in table:
            raise UnknownName(f"unknown {what} {value!r}.{nearest(name, table)} Known: {', '.join(table)}.")
        return table[name]

    return turned


def several(value: Any) -> list[Any]:
    """A list as it is, words with commas between them as a list, anything else as a list of it."""
    if isinstance(value, str) and "," in value and "=" not in value:
        return [number(each) for each in value.split(",")]
    return list(value) if isinstance(value, list | tuple) else [value]


def unused(why: str, takes: str = "one") -> Alias:
    """A key that means nothing here."""
    return Alias((), why=why, takes=takes)


def number(text: str) -> Any:
    """A whole number, a number, or the text as it is."""
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return text
