"""Keeping credentials out of what is written: they come from the environment, and no message repeats them."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sonoscope.errors import UsageError

#: Names of variables, of parameters of a URL and of keys in them whose values are secrets.
_SECRET = re.compile(
    r"sig|signature|token|secret|passw|pwd|credential|api_?key|access_?key|account_?key|connection_string"
    r"|authorization|x-amz-|sas",
    re.IGNORECASE,
)
_IN_TEXT = re.compile(
    r"((?:sig|signature|token|secret|password|AccountKey|SharedAccessSignature|X-Amz-[A-Za-z-]+)=)[^&;\s'\"]+",
    re.IGNORECASE,
)
_USER = re.compile(r"(://[^/\s:@]+):[^/\s@]+@")
#: Values shorter than this may be anything.
_LEAST = 6


def check(url: str) -> None:
    """Refuse a URL that carries a credential: it would stand in ``run.json``, in logs and in the shell's history.

    Raises
    ------
    UsageError
        Without repeating it.
    """
    try:
        parts = urlsplit(url)
        carried = bool(parts.password) or any(_SECRET.search(key) for key, _ in parse_qsl(parts.query, True))
    except ValueError:
        raise UsageError(f"{redacted(url)!r} is no URL") from None
    if carried:
        raise UsageError(
            f"{parts.scheme}://{parts.hostname or ''}{parts.path}: the address carries a password or a signature. "
            "Leave it out: credentials are taken from the environment only (docs/cluster.md, Object stores)"
        )


class Discreet(logging.Formatter):
    """Messages without credentials, whoever put them in."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def redacted(text: str, environ: Mapping[str, str] | None = None) -> str:
    """``text`` without passwords, signatures, and the values of variables whose names say that they are secret."""
    text = _USER.sub(r"\1:***@", _IN_TEXT.sub(r"\1***", text))
    for value in _values(os.environ if environ is None else environ):
        text = text.replace(value, "***")
    return text


def _values(environ: Mapping[str, str]) -> Iterator[str]:
    """Values that must not be told, the longest first."""
    found: set[str] = set()
    for name, value in environ.items():
        if name.startswith("FSSPEC_"):
            found.update(_leaves(name, value))
        elif _SECRET.search(name):
            found.add(value)
    return iter(sorted((value for value in found if len(value) >= _LEAST), key=len, reverse=True))


def _leaves(name: str, text: str) -> Iterator[str]:
    """Secrets in what a variable ``FSSPEC_...`` says, plain or as JSON."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        value = text
    waiting = [(name, value)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, str) and _SECRET.search(key):
            yield value
