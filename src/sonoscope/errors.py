"""One base error and a few kinds; each message says what, why, and what to do.

``exit_code`` is what the command ends with when the error reaches it (2: wrong usage, 3: not finished).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


class SonoscopeError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 3

    @property
    def lines(self) -> list[str]:
        """The message as it is shown: one line, whatever names of files hold, but where a kind of error has a list."""
        return [str(self)]


class UsageError(SonoscopeError):
    """The call itself is wrong: an unknown option, a value out of range, a conflict with an earlier run."""

    exit_code = 2


class UnknownName(UsageError):
    """A name (model, label, format, feature, key) that is not in its table."""


class UnreadableAudio(SonoscopeError):
    """A recording that cannot be decoded, or that a model does not answer. The others are not affected.

    ``file``, ``reason`` and ``remedy`` are the columns of ``errors.csv``.
    """

    exit_code = 1

    def __init__(self, file: str, reason: str, remedy: str) -> None:
        super().__init__(f"{file}: {reason}. {remedy}")
        self.file, self.reason, self.remedy = file, reason, remedy

    def __reduce__(self) -> tuple:
        return type(self), (self.file, self.reason, self.remedy)


class BadBundle(SonoscopeError):
    """A model bundle that is incomplete, damaged, or of a schema this version does not know."""

    exit_code = 2


class NoNumbers(BadBundle):
    """A model answers a sound by what is no number (NaN, infinity): its graph is damaged, or cannot take that sound.

    ``reason`` and ``remedy`` are those of :class:`UnreadableAudio`, which it becomes where the recording is known.
    """

    def __init__(self, model: str, which: str) -> None:
        self.reason = f"the model {model} answers by what is no number (NaN or infinity): {which}"
        self.remedy = (
            "Try the model out (sonoscope models check); if it is whole, it cannot take such a sound: leave that "
            "out, or take another model."
        )
        super().__init__(f"{self.reason}. {self.remedy}")
        self._given = model, which

    def __reduce__(self) -> tuple:
        return type(self), self._given


class RunRefused(UsageError):
    """The output folder holds another run, or what was asked for before."""


class Locked(SonoscopeError):
    """Another live process is writing this run."""

    exit_code = 3


class Stopped(SonoscopeError):
    """A run was interrupted or cannot go on; what it wrote is whole, and the same call goes on from there."""

    exit_code = 3


def nearest(name: str, known: Iterable[str], *, alike: float = 0.5) -> str:
    """``" Did you mean 'x'?"`` for the closest known name, else an empty string.

    ``alike`` (0..1) is how near it must be. Half of the letters will do where all names are listed behind it; where
    they are not, only a misspelling should be named.

    >>> nearest("--treshold", ["--threshold", "--top-k"], alike=NEAR)
    " Did you mean '--threshold'?"
    >>> nearest("--gama", ["--time", "--list"], alike=NEAR)
    ''
    """
    # Dashes and underscores are no letters: two short options would be half alike by them alone.
    folded = {_letters(k): k for k in reversed(list(known))}
    near = get_close_matches(_letters(str(name)), folded, n=1, cutoff=alike)
    return f" Did you mean {folded[near[0]]!r}?" if near else ""


#: How near a misspelling is (:func:`nearest`).
NEAR = 0.7


def _letters(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def count(number: int, one: str, many: str = "") -> str:
    """A number of things, as messages say it.

    >>> count(1, "file"), count(3_000, "file"), count(2, "more entry", "more entries")
    ('1 file', '3,000 files', '2 more entries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """Return ``table[name]``, or say what the choices are, nearest first.

    Raises
    ------
    UnknownName
        If ``name`` is not a key of ``table``.
    """
    try:
        return table[name]
    except KeyError:
        known = ", ".join(sorted(table))
        raise UnknownName(f"unknown {kind} {name!r}.{nearest(name, table)} Known: {known}.") from None


def one_of(names: Iterable[str], name: str, kind: str) -> str:
    """``name``, if it is among ``names``; else the error of :func:`lookup`."""
    return lookup(dict.fromkeys(names, name), name, kind)


def optional(module: str, extra: str, purpose: str) -> ModuleType:
    """Import ``module``, which only the extra ``extra`` installs, or say what ``purpose`` needs.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        package = (missing.name or module).partition(".")[0]
        raise UsageError(
            f"{purpose} needs the package {package}, which is not installed: pip install 'sonoscope[{extra}]' "
            f"(from a clone: pip install '.[{extra}]')"
        ) from None
