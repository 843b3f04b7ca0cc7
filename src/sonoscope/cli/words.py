"""Words of the command line: options in one form, and what words mean as values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from sonoscope.errors import UsageError


def option(*names: str, help: str, metavar: str | None = None, parser: Any = None) -> Any:
    """An option whose help states the default in words."""
    return typer.Option(*names, help=help, metavar=metavar, parser=parser, show_default=False)


def number(text: str) -> float:
    """A number among the words given, or an error that repeats the word."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number") from None


def whole(text: str) -> int:
    """A whole number among the words given, or an error that repeats the word."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a whole number") from None


def pitch(name: str | None) -> int | None:
    """The MIDI number of a pitch (``E2``, ``40``); None as it is."""
    from sonoscope.labels import midi_of

    return None if name is None else midi_of(name)


def listed(text: str) -> list[str]:
    """The words of a list by comma, without spaces around them and without empty ones.

    >>> listed("a, b,")
    ['a', 'b']
    """
    return [word for word in map(str.strip, text.split(",")) if word]


def named(text: str, option: str) -> list[str]:
    """The different words of a list by comma that must name something. Raises ``UsageError`` if none does."""
    words = list(dict.fromkeys(listed(text)))
    if not words:
        raise UsageError(f"{option} {text!r} names nothing; give names separated by commas")
    return words


def check_new(file: Path | None, suffix: str = "", *, overwrite: bool) -> None:
    """Refuse a file to be written that has another ending, or that is there already."""
    if file is None:
        return
    if suffix and file.suffix.lower() != suffix:
        raise UsageError(f"{file} must end with {suffix}")
    if file.exists() and not overwrite:
        raise UsageError(f"{file} exists. Name another file, or replace it with --overwrite.")
