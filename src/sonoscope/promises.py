"""Contracts as checks: what a part of the package promises, put to ours by the tests and to anybody's by the command.

A class of checks holds what is checked; each public method is one promise. A check returns nothing, or raises
:class:`BrokenContract` with what was expected and what came. ``features/contract.py``, ``networks/contract.py``,
``training/losses/contract.py``, ``training/augment/contract.py`` and ``data/datasets/contract.py`` hold them.
"""

from __future__ import annotations

from typing import Any

from sonoscope.errors import SonoscopeError


class BrokenContract(SonoscopeError):
    """A part does not keep what its protocol promises."""

    exit_code = 1


def expect(condition: Any, message: str) -> None:
    """Raise :class:`BrokenContract` with ``message`` unless ``condition``."""
    if not condition:
        raise BrokenContract(message)


def checks_of(kind: type) -> list[str]:
    """Names of the public checks of a class of checks, in order."""
    return [name for name in vars(kind) if not name.startswith("_")]
