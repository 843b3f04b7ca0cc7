"""``--set KEY=VALUE``: parameters on the command line, for every verb that has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from sonoscope.errors import UsageError

#: Parameters of a feature.
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        show_default=False,
        help="A parameter of the feature (n_mels=64); may be repeated.",
    ),
]


def pair(text: str, example: str = "") -> tuple[str, str]:
    """Key and value of ``KEY=VALUE``, without spaces around them. Raises ``UsageError``, showing the ``example``."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise UsageError(f"--set {text!r} must be KEY=VALUE" + (f", such as {example}" if example else ""))
    return key.strip(), value.strip()


def of_feature(texts: Sequence[str] | None) -> dict[str, Any]:
    """Parameters of a feature; a value is read as JSON (64, 1e-10, true, null, [1, 2]), or else is text."""
    found: dict[str, Any] = {}
    for key, value in (pair(text, "n_mels=64") for text in texts or ()):
        try:
            found[key] = json.loads(value)
        except json.JSONDecodeError:
            found[key] = value
    return found
