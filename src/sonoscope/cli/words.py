"""Words of the command line: options in one form, and what words mean as values."""

from __future__ import annotations

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
