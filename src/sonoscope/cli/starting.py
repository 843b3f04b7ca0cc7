"""Starting quickly: what a command need not do before it begins with its work."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any


@contextmanager
def importing() -> Iterator[None]:
    """While modules are imported no garbage is looked for: they leave none, and looking takes a tenth of the start."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Plain:
    """Takes words for a parameter without pydantic, which newer versions of typer ask even what a text is.

    Importing that takes as long as hearing half a minute of sound. Whatever is no word, or has no ``parse``, goes the
    way of typer, which ``otherwise`` gives.
    """

    def __init__(self, parse: Callable[[str], Any] | None, otherwise: Callable[[], Any]) -> None:
        self._parse, self._otherwise = parse, otherwise

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        if self._parse and not several and isinstance(value, str):
            return self._parse(value)
        if self._parse and several and isinstance(value, list | tuple) and all(map(_is_word, value)):
            return [self._parse(word) for word in value]
        return self._otherwise().coerce(value, param=param, ctx=ctx)


def _is_word(value: Any) -> bool:
    return isinstance(value, str)


def plain(params: list[Any]) -> list[Any]:
    """The parameters of a command, of which those that are texts, or have a parser, take words as they are.

    Versions of typer that do so by themselves have no ``get_runtime_param``.
    """
    for param in params:
        known = getattr(param, "type_descriptor", None)
        if known is None or not hasattr(param, "get_runtime_param") or param._runtime_param is not None:
            continue
        text = str if known.annotation in (str, list[str]) else None
        param._runtime_param = Plain(known.parameter_info.parser or text, partial(_of_typer, param))
    return params


def _of_typer(param: Any) -> Any:
    """What typer itself would have taken."""
    param._runtime_param = None
    return param.get_runtime_param()
